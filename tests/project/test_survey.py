"""What is seen of a host with the standard library alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from string import Formatter

import pytest

from grader.adapters.hostlock import DEFAULT_LOCK
from grader.adapters.store import cache_root
from grader.bootstrap import pitfalls, survey
from grader.bootstrap.checks import NEEDS, ORDER, WORDING, Check, Line, table, told

PLACES = [
    {},
    {"HOME": "/home/you"},
    {"HOME": "/home/you", "XDG_CACHE_HOME": "/var/tmp/x"},
    {"HOME": "/home/you", "XDG_CACHE_HOME": "relative"},
    {"GRADER_CACHE": "/srv/cache", "XDG_CACHE_HOME": "/var/tmp/x"},
]


@pytest.mark.parametrize("environ", PLACES)
def test_the_cache_is_where_the_store_puts_it(environ: dict[str, str]) -> None:
    assert survey.cache_directory(environ) == cache_root(environ)


def test_the_host_lock_is_the_one_that_is_taken() -> None:
    assert Path(survey.HOST_LOCK) == DEFAULT_LOCK


def test_every_check_of_a_bare_host_is_worded_and_in_the_table(tmp_path: Path) -> None:
    checks = survey.bare(tmp_path, {"HOME": str(tmp_path)})
    assert [check.id for check in checks if check.id not in ORDER] == [
        "pitfalls"
    ]  # whose program is not below tmp_path
    assert sorted(check.id for check in checks if check.id in ORDER) == sorted(ORDER)
    for check in checks:
        assert all(told(check.id, check.params, check.text(), check.prevents).values()), check
        assert check.text()
        assert check.remedy or check.state != "missing", check


def test_the_pitfalls_of_this_host_bring_what_they_prevent_and_what_mends_them() -> None:
    (root,) = (parent for parent in Path(__file__).resolve().parents if (parent / "pyproject.toml").is_file())
    checks = pitfalls.look(root / pitfalls.FOLDER, os.environ)
    assert "host-cgroup" in {check.id for check in checks}
    for check in checks:
        assert check.prevents
        assert check.remedy or check.state == "ok"
        assert str(check.params["found"]) in check.text()


def test_a_pitfall_is_shown_last_with_what_one_would_see() -> None:
    lines = [
        Line("image-index", "warning", "list:1", "do so", needed=False, prevents="361.0 B"),
        Line("go", "ok", "Go 1.21.13", "", needed=True),
    ]
    shown = table(lines, "grade").splitlines()
    assert [line.split()[:2] for line in shown[:2]] == [["ok", "go"], ["warning", "image-index"]]
    assert [line.strip() for line in shown[2:4]] == ["prevents: 361.0 B", "-> do so"]


def test_needs_name_checks_that_there_are() -> None:
    assert frozenset().union(*NEEDS.values()) <= set(ORDER)


def test_wordings_name_only_values_that_checks_give() -> None:
    fields = {name for text in WORDING.values() for _, name, _, _ in Formatter().parse(text) if name is not None}
    assert fields == {"found", "expected"}


def test_a_tool_that_is_missing_but_not_needed_is_not_shouted() -> None:
    lines = [
        Line("tinygo", "missing", "absent", "get it", needed=False),
        Line("go", "missing", "absent", "", needed=True),
    ]
    shown = table(lines, "grade").splitlines()
    assert shown[0].startswith("MISSING  go")
    assert shown[1].startswith("missing  tinygo")
    assert shown[-1] == "This host is not ready for `grade`: see `go`."


@pytest.mark.parametrize(
    ("made", "state", "found"),
    [(["cgroup.controllers"], "ok", "v2"), (["memory/", "pids/"], "ok", "v1"), (["memory/"], "warning", None)],
)
def test_the_cgroup_version_is_told_from_its_files(tmp_path: Path, made: list[str], state: str, found: str) -> None:
    for name in made:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    check = survey.cgroups(tmp_path)
    assert (check.state, check.params.get("found")) == (state, found)
    assert survey.memory_peak(tmp_path).state == state


@pytest.mark.parametrize(("group", "tells"), [(".", True), (".", False), ("init.scope", True), ("init.scope", False)])
def test_a_kernel_that_does_not_tell_the_peak_of_a_cgroup_is_named(tmp_path: Path, group: str, tells: bool) -> None:
    """In a container the topmost group that is seen has the files of one, on a host only those below have."""
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / group).mkdir(exist_ok=True)
    for name in ("memory.current", "memory.peak")[: 1 + tells]:
        (tmp_path / group / name).touch()
    check = survey.memory_peak(tmp_path)
    assert (check.state, check.code.rpartition(".")[2]) == (("ok", "cgroup") if tells else ("warning", "old-kernel"))
    assert "5.19" in check.text() or tells


class TestHostLock:
    def test_one_that_is_open_to_us_is_fine(self, tmp_path: Path) -> None:
        lock = tmp_path / "lock"
        lock.touch()
        assert survey.host_lock({"GRADER_LOCK": str(lock)}).state == "ok"

    def test_one_that_can_be_made_is_fine(self, tmp_path: Path) -> None:
        check = survey.host_lock({"GRADER_LOCK": str(tmp_path / "lock")})
        assert (check.state, check.code) == ("ok", "doctor.host-lock.creatable")
        assert not (tmp_path / "lock").exists()

    @pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
    def test_anything_but_a_plain_file_is_missing_and_its_remedy_mends_it(self, tmp_path: Path, kind: str) -> None:
        lock, elsewhere = tmp_path / "the lock", tmp_path / "elsewhere"
        match kind:
            case "folder":
                lock.mkdir()
            case "pipe":
                os.mkfifo(lock)
            case _:
                lock.symlink_to(elsewhere)
        if kind == "link":
            elsewhere.touch()
        check = survey.host_lock({"GRADER_LOCK": str(lock)})
        assert (check.state, check.code) == ("missing", "doctor.host-lock.other")
        subprocess.run(["sh", "-c", check.remedy.removeprefix("sudo ")], check=True)
        assert survey.host_lock({"GRADER_LOCK": str(lock)}).code == "doctor.host-lock.creatable"

    def test_one_without_a_folder_is_missing_and_its_remedy_makes_both(self, tmp_path: Path) -> None:
        lock = tmp_path / "no where" / "lock"
        check = survey.host_lock({"GRADER_LOCK": str(lock)})
        assert check.state == "missing"
        subprocess.run(["sh", "-c", check.remedy.removeprefix("sudo ")], check=True)
        assert survey.host_lock({"GRADER_LOCK": str(lock)}).code == "doctor.host-lock"

    @pytest.mark.skipif(os.geteuid() == 0, reason="needs: user: root opens every file")
    def test_one_that_is_closed_to_us_is_missing(self, tmp_path: Path) -> None:
        lock = tmp_path / "lock"
        lock.touch(mode=0o400)
        assert survey.host_lock({"GRADER_LOCK": str(lock)}).remedy == f"sudo chmod 0666 {lock}"


def test_a_program_that_fails_has_no_version() -> None:
    assert survey.version_of("false") == ""
    assert survey.version_of("a program that nobody has") == ""


def test_text_of_a_check_holds_its_values() -> None:
    assert Check("cpus", "ok", "doctor.cpus", {"found": 8, "expected": 2}).text() == "8 (needs 2)"
