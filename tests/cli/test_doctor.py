"""`grader doctor` as it is run, once the environment exists."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grader.bootstrap.checks import NEEDS, ORDER
from grader.cli.app import app
from grader.errors import UsageError
from grader.workflow.doctor import ENGINES

ROOT = Path(__file__).resolve().parents[2]


def doctor(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", "-m", "grader", "doctor", *arguments]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(argv, env=settings, capture_output=True, text=True, check=False, timeout=120)


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.serial
def test_every_check_has_an_answer_a_wording_and_its_place() -> None:
    found = answer(doctor("--json"))
    assert found["schema"] == "grader/doctor/1"
    assert (found["for"], found["lab"]) == ("grade", "lab12-f25")
    ids = [check["id"] for check in found["checks"]]
    assert ids[: len(ORDER)] == list(ORDER)
    assert "host-cgroup" in ids[len(ORDER) :]
    for check in found["checks"]:
        assert all(check[part] for part in ("found", "expected", "prevents")), check
        assert check["message"]["text"] not in ("", check["message"]["code"]), check
        assert check["remedy"] or check["state"] != "missing", check


@pytest.mark.serial
@pytest.mark.parametrize("purpose", sorted(NEEDS))
def test_the_exit_code_is_three_only_if_something_needed_is_missing(purpose: str) -> None:
    done = doctor("--json", "--for", purpose)
    found = answer(done)
    gaps = [c["id"] for c in found["checks"] if c["needed"] and c["state"] == "missing"]
    dead = {c["id"] for c in found["checks"] if c["id"] in ENGINES and c["state"] == "missing" and purpose != "claims"}
    wanted = NEEDS[purpose] | dead  # type: ignore[index]  # a test id
    assert {c["id"] for c in found["checks"] if c["needed"]} == wanted
    assert found["ready"] is (not gaps)
    assert done.returncode == (3 if gaps else 0)


@pytest.mark.serial
def test_what_is_missing_for_another_purpose_does_not_count(tmp_path: Path) -> None:
    closed = tmp_path / "no such folder" / "lock"
    grade, claims = (doctor("--json", "--for", purpose, "--lock", str(closed)) for purpose in ("grade", "claims"))
    (check,) = [c for c in answer(grade)["checks"] if c["id"] == "host-lock"]
    assert (check["state"], grade.returncode) == ("missing", 3)
    assert str(closed) in check["remedy"]
    assert claims.returncode == 0


@pytest.mark.serial
def test_an_option_goes_before_its_variable(tmp_path: Path) -> None:
    done = doctor("--json", "--cache", str(tmp_path / "one"), GRADER_CACHE=str(tmp_path / "two"))
    (check,) = [c for c in answer(done)["checks"] if c["id"] == "cache"]
    assert check["message"]["params"]["found"] == str(tmp_path / "one")


@pytest.mark.serial
def test_it_changes_nothing(tmp_path: Path) -> None:
    done = doctor(HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"), TMPDIR=str(tmp_path))
    assert "This host is" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.serial
def test_a_table_for_people_marks_what_stops_them(tmp_path: Path) -> None:
    done = doctor("--lock", str(tmp_path / "no such folder" / "lock"))
    lines = done.stdout.splitlines()
    (index,) = [n for n, line in enumerate(lines) if line.startswith("MISSING") and "host-lock" in line]
    assert lines[index + 1].strip().startswith("-> ")
    assert "not ready for `grade`: see " in lines[-1]
    assert "`host-lock`" in lines[-1]
    assert done.returncode == 3


@pytest.mark.parametrize("arguments", [["--for", "fun"], ["--lab", "lab99"]])
def test_a_wrong_option_is_refused(arguments: list[str]) -> None:
    done = doctor(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--host", "a", "--all"), "`--host` and `--all`"),
        (("--host", ""), "--host"),
        (("--host", "a", "--lab", "lab12-m26"), "--lab"),
        (("--inventory", "mine"), "--inventory"),
        (("--fix",), "--fix"),
    ],
)
def test_options_that_contradict_or_would_do_nothing_are_refused(options: tuple[str, ...], named: str) -> None:
    result = CliRunner().invoke(app, ["doctor", *options])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(named)


def test_an_inventory_named_by_the_environment_is_there_for_other_commands() -> None:
    result = CliRunner().invoke(app, ["doctor", "--lab", "nosuch"], env={"GRADER_INVENTORY": "mine"})
    assert "nosuch" in str(result.exception)
