"""Debian packages: what is asked of apt-get, with a stand-in that writes down how it was called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from grader.bootstrap import packages
from grader.bootstrap.packages import Package
from grader.errors import HostError

BWRAP = [Package("bubblewrap", "a submission's code runs only in a sandbox")]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: apt-get is run by root only")


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but an `apt-get` that logs its calls and ends as the file `answer` says."""
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / "apt-get"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "calls = here / 'calls'\n"
        "before = calls.read_text() if calls.exists() else ''\n"
        "calls.write_text(before + ' '.join(sys.argv[1:]) + '\\n')\n"
        "fails = (here / 'fails').read_text().split() if (here / 'fails').exists() else []\n"
        "if sys.argv[1] in fails and ('once' not in fails or sys.argv[1] not in before):\n"
        "    print('E: Unable to locate package bubblewrap')\n"
        "    sys.exit(100)\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    lists = tmp_path / "lists"
    lists.mkdir()
    monkeypatch.setattr(packages, "APT_LISTS", lists)
    return tmp_path


def calls(apt: Path) -> list[str]:
    return [line.split()[0] for line in (apt / "calls").read_text(encoding="utf-8").splitlines()]


@as_root
def test_empty_package_lists_are_filled_first(apt: Path) -> None:
    packages.provide(BWRAP)
    assert calls(apt) == ["update", "install"]


@as_root
def test_nothing_is_removed_for_what_is_installed(apt: Path) -> None:
    packages.provide(BWRAP)
    install = next(line for line in (apt / "calls").read_text(encoding="utf-8").splitlines() if "install" in line)
    assert "--no-remove" in install.split()


@as_root
def test_lists_that_are_there_are_used(apt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (apt / "lists/main_binary-amd64_Packages").touch()
    packages.provide(BWRAP)
    assert calls(apt) == ["install"]
    said = capsys.readouterr()
    assert said.out == ""
    assert "bubblewrap: a submission's code runs only in a sandbox" in said.err


@as_root
def test_a_list_that_is_too_old_is_renewed_once(apt: Path) -> None:
    (apt / "lists/main_binary-amd64_Packages").touch()
    (apt / "fails").write_text("install once", encoding="utf-8")
    packages.provide(BWRAP)
    assert calls(apt) == ["install", "update", "install"]


@as_root
def test_a_failure_says_what_apt_said(apt: Path) -> None:
    (apt / "fails").write_text("install", encoding="utf-8")
    with pytest.raises(HostError, match="Unable to locate package bubblewrap"):
        packages.provide(BWRAP)


@as_root
def test_what_a_command_can_do_without_does_not_stop_it(apt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (apt / "fails").write_text("install", encoding="utf-8")
    packages.offer(BWRAP)
    assert "Unable to locate package bubblewrap" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="needs: user: root installs it instead")
def test_a_plain_user_gets_the_one_command(apt: Path) -> None:
    with pytest.raises(HostError) as caught:
        packages.provide(BWRAP)
    assert "`sudo apt-get update && sudo apt-get install -y bubblewrap`" in caught.value.hint
    assert not (apt / "calls").exists()


def test_the_command_for_a_person_fills_empty_package_lists_first(apt: Path) -> None:
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert packages.install_command(BWRAP) == f"{sudo}apt-get update && {sudo}apt-get install -y bubblewrap"
    (apt / "lists/main_binary-amd64_Packages").touch()
    assert packages.install_command(BWRAP) == f"{sudo}apt-get install -y bubblewrap"


def test_nothing_is_asked_for_where_nothing_is_missing(apt: Path) -> None:
    packages.provide([])
    assert not (apt / "calls").exists()


@pytest.mark.parametrize(("command", "needs"), [("grade", True), ("fill", True), ("claims", False), ("lab", False)])
def test_only_commands_that_run_submissions_need_a_sandbox(apt: Path, command: str, needs: bool) -> None:
    assert [package.name for package in packages.for_command(command)] == (["bubblewrap"] if needs else [])


def test_the_tests_also_need_a_browser_and_the_tool_that_is_compared_with(apt: Path) -> None:
    assert [package.name for package in packages.for_tests()] == ["bubblewrap", "chromium", "hyperfine"]
    browser = apt / "tools/chromium"
    browser.touch(mode=0o755)
    assert [package.name for package in packages.for_tests()] == ["bubblewrap", "hyperfine"]
