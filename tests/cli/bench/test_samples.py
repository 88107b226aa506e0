from __future__ import annotations

from pathlib import Path

import pytest

from grader.adapters.output import SampleFile
from grader.cli.bench.samples import told_where
from grader.cli.progress import ConsoleProgress
from grader.errors import GraderError, HostError, StatsError, StoppedError, UsageError
from tests.samplefiles import save_runs

QUIET = ConsoleProgress(quiet=True)
LATER = 1e11
"""Of runs that a comparison made which began before, as any of these tests did."""


@pytest.mark.parametrize("error", [UsageError("x"), StatsError("x", hint="more"), HostError("x")])
def test_any_error_tells_where_the_runs_are(tmp_path: Path, error: GraderError) -> None:
    log = SampleFile(tmp_path / "runs.jsonl")
    before = error.hint
    save_runs(log, began=LATER)
    with pytest.raises(type(error)) as caught, told_where(log, QUIET):
        raise error
    assert caught.value.hint.startswith(before)
    assert caught.value.hint.endswith(f"3 runs are kept in `{log.path}`")


def test_runs_of_an_earlier_comparison_are_not_told_as_those_of_this_one(tmp_path: Path) -> None:
    log = SampleFile(tmp_path / "runs.jsonl")
    save_runs(log, began=1.0)
    with pytest.raises(UsageError) as caught, told_where(log, QUIET):
        raise UsageError("x")
    assert caught.value.hint == ""
    with pytest.raises(StoppedError, match="no run had ended"), told_where(log, QUIET):
        raise KeyboardInterrupt


def test_a_mistake_of_ours_tells_where_the_runs_are_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = SampleFile(tmp_path / "runs.jsonl")
    save_runs(log, began=LATER)
    with pytest.raises(ZeroDivisionError), told_where(log, ConsoleProgress()):
        raise ZeroDivisionError
    assert f"3 runs are kept in `{log.path}`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("runs", "told"), [(0, "interrupted; no run had ended"), (1, "1 run is kept in "), (2, "2 runs are kept in ")]
)
def test_who_interrupts_is_told_how_many_runs_are_kept(tmp_path: Path, runs: int, told: str) -> None:
    log = SampleFile(tmp_path / "runs.jsonl")
    save_runs(log, began=LATER, runs=runs)
    with pytest.raises(StoppedError) as caught, told_where(log, QUIET):
        raise KeyboardInterrupt
    assert told in caught.value.what
