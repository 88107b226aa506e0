"""A lock is read as the Python of the hosts reads it, not as the one that runs here does."""

from __future__ import annotations

import pytest

from grader.adapters.wheels import for_python, lock_file, platforms

LOCK = """both==1 \\
    --hash=sha256:00
    # via nobody
old==2 ; python_full_version < '3.12' \\
    --hash=sha256:01 \\
    --hash=sha256:02
new==3 ; python_full_version >= '3.12' and sys_platform != 'win32' \\
    --hash=sha256:03
arm==4 ; platform_machine == 'aarch64' \\
    --hash=sha256:04
"""


@pytest.mark.parametrize(("python", "kept"), [("3.11", "old==2"), ("3.13", "new==3")])
def test_a_condition_is_judged_by_the_hosts_python(python: str, kept: str) -> None:
    names = [line.split()[0] for line in for_python(LOCK, python, "amd64").splitlines() if line[0] != " "]
    assert names == ["both==1", kept]


def test_every_hash_stays_with_its_package() -> None:
    assert for_python(LOCK, "3.11", "amd64").splitlines()[2:] == [
        "old==2 \\", "    --hash=sha256:01 \\", "    --hash=sha256:02",
    ]  # fmt: skip


def test_a_condition_on_the_machine_is_judged_by_the_hosts_architecture() -> None:
    assert "arm==4" in for_python(LOCK, "3.13", "arm64")


def test_the_toolkits_own_lock_names_each_package_once_for_every_python() -> None:
    for python in ("3.11", "3.12", "3.13"):
        found = for_python(lock_file().read_text(encoding="utf-8"), python, "amd64")
        names = [line.partition("==")[0] for line in found.splitlines() if line[0] != " "]
        assert len(names) == len(set(names)) > 10


def test_no_wheel_is_taken_that_needs_a_newer_libc_than_debian_12_has() -> None:
    assert platforms("arm64")[0] == "manylinux_2_36_aarch64"
