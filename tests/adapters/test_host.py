from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

import pytest

from grader.adapters.host import LocalHost, cgroup_version, file_digest, os_name, tool
from grader.errors import HostError
from grader.model.host import Tool


def test_fingerprint_is_the_same_bytes_for_the_same_tools_in_any_order() -> None:
    tools = [Tool(name=name, version="1", sha256="0") for name in ("b", "a")]
    host = LocalHost()
    assert host.fingerprint(tools).model_dump_json() == host.fingerprint(tools[::-1]).model_dump_json()


def test_fingerprint_names_neither_host_nor_user_nor_path() -> None:
    seen = LocalHost().fingerprint(()).model_dump_json()
    assert platform.node() not in seen or len(platform.node()) < 4
    assert "/" not in seen
    assert platform.machine() in seen


def test_kernel_is_major_and_minor_only() -> None:
    kernel = LocalHost().fingerprint(()).kernel
    assert platform.release().startswith(kernel)
    assert kernel.count(".") == 1
    assert kernel.replace(".", "").isdigit()


def test_cpus_are_those_we_may_use() -> None:
    assert LocalHost().fingerprint(()).cpus == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n', "debian 12"),
        ("ID='ubuntu'\nVERSION_ID=24.04\n", "ubuntu 24.04"),
        ("NAME=Rolling\nID=arch\n", "arch"),
        ("# nothing\n", "linux"),
    ],
)
def test_system_is_named_by_id_and_version(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text(text)
    assert os_name(tmp_path) == name


def test_system_is_found_in_usr_lib_and_may_be_unknown(tmp_path: Path) -> None:
    assert os_name(tmp_path) == "linux"
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "usr" / "lib" / "os-release").write_text("ID=debian\nVERSION_ID=13\n")
    assert os_name(tmp_path) == "debian 13"


@pytest.mark.parametrize(
    ("mounts", "version"),
    [
        ("31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "v1"),
        ("29 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n", "v2"),
        (
            "29 23 0:26 / /u rw - cgroup2 cgroup2 rw\n31 23 0:27 / /m rw - cgroup cgroup rw,memory\n",
            "v1",
        ),
        ("22 27 0:21 / /proc rw - proc proc rw\n", "none"),
    ],
)
def test_cgroup_version_is_that_of_the_memory_controller(tmp_path: Path, mounts: str, version: str) -> None:
    (tmp_path / "mountinfo").write_text(mounts)
    assert cgroup_version(tmp_path) == version


def test_tool_is_named_by_its_own_version_and_its_files_digest() -> None:
    found = tool("python", Path(sys.executable), [sys.executable, "--version"])
    assert found.version == platform.python_version()
    assert found.sha256 == hashlib.sha256(Path(sys.executable).read_bytes()).hexdigest()


@pytest.mark.parametrize("argv", [["/bin/true"], ["/bin/false"], ["/no/such/tool"]])
def test_tool_that_names_no_version_is_an_error(argv: list[str]) -> None:
    with pytest.raises(HostError, match="names no version") as caught:
        tool("thing", Path("/bin/true"), argv)
    assert caught.value.where == "thing"


def test_digest_follows_the_file_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    for data in (b"one", b"three"):
        path.write_bytes(data)
        assert file_digest(path) == hashlib.sha256(data).hexdigest()
    path.unlink()
    with pytest.raises(HostError):
        file_digest(path)
