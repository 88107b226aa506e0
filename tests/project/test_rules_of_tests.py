"""`bin/test` and tests/conftest.py: what is left out is told, and is an error where it was required."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader.errors import UsageError
from tests.groups import GROUPS, group_of
from tests.project.conftest import ROOT
from tests.run import Options, parse, run_tests

TESTS = """
import pytest
def test_passes(): pass
def test_skips(): pytest.skip({reason!r})
@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with this project's rules for tests."""
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "groups.py"):
        shutil.copyfile(ROOT / "tests" / name, tmp_path / "tests" / name)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\nmarkers = serial\n", encoding="utf-8")
    return tmp_path


def run(suite: Path, reason: str, *, require: str = "", left_out: list[str] | None = None) -> tuple[int, str]:
    (suite / "tests/test_it.py").write_text(TESTS.format(reason=reason), encoding="utf-8")
    own = {"GRADER_TEST_REQUIRE": require, "GRADER_TEST_LEFT_OUT": json.dumps(left_out or [])}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    done = subprocess.run(argv, cwd=suite, env={**others(), **own}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def others() -> dict[str, str]:
    """Return the environment without what is meant for the tests that run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRADER_TEST", "PYTEST"))}
    kept.pop("PYTHONPATH", None)
    return kept


def test_a_skip_is_listed_with_its_reason_before_the_closing_line(suite: Path) -> None:
    code, out = run(suite, "needs: tinygo: no such program", left_out=["py313: none found"])
    assert code == 0
    assert "1 tests: needs: tinygo: no such program" in out
    assert "py313: none found" in out
    assert out.splitlines()[-1].startswith("1 passed, 1 skipped, 1 xfailed")


def test_a_skip_of_a_required_group_fails(suite: Path) -> None:
    code, out = run(suite, "needs: tinygo: no such program", require="go,tinygo")
    assert code == 1
    assert "--require tinygo" in out


def test_a_skip_of_another_group_does_not(suite: Path) -> None:
    assert run(suite, "needs: tinygo", require="go")[0] == 0


@pytest.mark.parametrize("reason", ["too slow today", "needs: a quiet host", "needs sandbox"])
def test_a_skip_that_names_no_group_fails_always(suite: Path, reason: str) -> None:
    code, out = run(suite, reason)
    assert code == 1
    assert "needs: <group>: why" in out


@pytest.mark.parametrize(
    ("reason", "group"),
    [("needs: go", "go"), ("needs: root: to mount", "root"), ("Skipped: needs: user", "user"), ("needs: goo", None)],
)
def test_the_group_is_the_first_word(reason: str, group: str | None) -> None:
    assert group_of(reason) == group


def test_our_options_are_told_from_those_of_pytest() -> None:
    options = parse(["--require", "go,sandbox", "-k", "size", "tests/x.py", "--require=root"])
    assert options.required == ("go", "root", "sandbox")
    assert options.passed == ("-k", "size", "tests/x.py")


def test_a_group_that_there_is_none_of_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        parse(["--require", "no-such-group"])
    assert caught.value.exit_code == 2
    assert all(f"`{name}`" in caught.value.hint for name in GROUPS)


def test_nothing_is_run_again_unless_asked_for() -> None:
    assert (parse([]).again, parse(["--again", "3"]).again) == (0, 3)


def test_the_build_server_requires_only_groups_that_there_are() -> None:
    command = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-1].split()
    required = command[command.index("--require") + 1]
    assert parse(["--require", required]).required


GROUPED = """
import os, pytest
def note(kind):
    with open("workers", "a") as file:
        file.write(f"{kind} {os.environ['PYTEST_XDIST_WORKER']}\\n")
@pytest.mark.serial
@pytest.mark.parametrize("number", range(8))
def test_alone(number): note("serial")
@pytest.mark.xdist_group("family")
@pytest.mark.parametrize("number", range(8))
def test_of_a_family(number): note("family")
"""


def test_what_is_serial_or_of_one_group_stays_in_one_process(suite: Path) -> None:
    (suite / "tests/test_it.py").write_text(GROUPED, encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    subprocess.run(argv, cwd=suite, env=others(), check=True, capture_output=True)
    noted = (suite / "workers").read_text(encoding="utf-8").splitlines()
    assert len(noted) == 16
    assert len(set(noted)) == 2


UNSTEADY = """
import pytest
from pathlib import Path
@pytest.mark.serial
@pytest.mark.parametrize("number", range({unsteady}))
def test_fails_once(number):
    before = Path(f"before-{{number}}")
    seen = before.exists()
    before.touch()
    assert seen
def test_fails(): assert {right}
def test_passes(): Path("times").open("a").write("1")
"""


@pytest.mark.parametrize(
    ("unsteady", "right", "again", "code"),
    [(2, True, 2, 0), (2, True, 1, 1), (1, True, 0, 1), (1, False, 3, 1)],
    ids=["passes alone", "too many", "not asked for", "wrong"],
)
def test_what_failed_beside_others_is_run_once_more_alone_and_told(
    suite: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    unsteady: int,
    right: bool,
    again: int,
    code: int,
) -> None:
    (suite / "tests/test_it.py").write_text(UNSTEADY.format(unsteady=unsteady, right=right), encoding="utf-8")
    for name in set(os.environ) - set(others()):
        monkeypatch.delenv(name)
    monkeypatch.setattr("tests.run.ROOT", suite)
    monkeypatch.setattr("tests.run.downloaded", lambda python: suite)
    monkeypatch.setattr("tests.run.made", lambda python: Path(sys.executable))
    assert run_tests(Path(sys.executable), Options((), again, ()), [], []) == code
    assert (suite / "times").read_text(encoding="utf-8") == "1", "what passed is not run again"
    told = capfd.readouterr().out.partition("run once more alone")[2]
    failed = unsteady + (not right)
    assert told.count("\ntests/test_it.py::") == (failed if failed <= again else 0)
