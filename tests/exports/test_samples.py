from __future__ import annotations

import csv

import pytest

from grader.errors import UsageError
from grader.exports.samples import csv_cell, read_samples, samples_csv
from grader.model.run import Campaign, Sample, TimedRuns
from tests.render.pages import grade, the_lab, timed_runs


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(formula: str) -> None:
    assert csv_cell(formula) == f"'{formula}"


@pytest.mark.parametrize("failed", [False, True])
def test_every_run_and_every_start_of_a_server_is_read_back(failed: bool) -> None:
    runs = timed_runs(failed=failed)
    assert read_samples(samples_csv(runs, grade()), the_lab().parameters) == runs


def run(arm: str, number: int, round_index: int, attempt: int = 0, outcome: str = "ok") -> Sample:
    """Return the run number `number` of a campaign, which began so many seconds after it."""
    return Sample.model_validate(
        {
            "arm": arm,
            "round_index": round_index,
            "attempt": attempt,
            "outcome": outcome,
            "total_s": 0.5 if outcome == "ok" else None,
            "first_output_s": None,
            "exit_code": 0,
            "started_s": float(number),
        }
    )


def repeated(*, failed: bool = False) -> TimedRuns:
    """A campaign whose first round was run again."""
    first = (run("process", 0, 0), run("wasmtime", 1, 0))
    last = "failed" if failed else "ok"
    again = (run("wasmtime", 2, 0, 1), run("process", 3, 0, 1), run("process", 4, 1), run("wasmtime", 5, 1, 0, last))
    mine = [s for s in first if failed and s.arm == "wasmtime"]
    return TimedRuns(
        campaign=Campaign(
            seed=7,
            rounds=2,
            warmups=the_lab().parameters.warmups,
            arms=("process", "wasmtime"),
            samples=(*mine, *again),
            discarded=tuple(s for s in first if s not in mine),
        )
    )


def test_attempts_that_do_not_count_are_told_where_they_ran() -> None:
    rows = list(csv.DictReader(samples_csv(repeated(), grade()).decode().splitlines()))
    assert [(row["arm"], row["round"], row["attempt"], row["used"]) for row in rows] == [
        ("process", "0", "0", "0"),
        ("wasmtime", "0", "0", "0"),
        ("wasmtime", "0", "1", "1"),
        ("process", "0", "1", "1"),
        ("process", "1", "0", "1"),
        ("wasmtime", "1", "0", "1"),
    ]
    assert {row["phase"] for row in rows} == {"timed"}


def test_no_run_of_an_arm_that_failed_is_part_of_a_number() -> None:
    rows = list(csv.DictReader(samples_csv(repeated(failed=True), grade()).decode().splitlines()))
    assert [row["used"] for row in rows if row["arm"] == "wasmtime"] == ["0", "0", "0"]
    assert [row["used"] for row in rows if row["arm"] == "process"] == ["0", "1", "1"]


@pytest.mark.parametrize("failed", [False, True])
def test_what_counts_and_what_does_not_is_read_back(failed: bool) -> None:
    runs = repeated(failed=failed)
    assert read_samples(samples_csv(runs, grade()), the_lab().parameters) == runs


def test_a_word_that_says_not_whether_a_run_counts_is_refused() -> None:
    data = samples_csv(repeated(), grade()).decode().replace("timed,1,1", "timed,1,maybe")
    with pytest.raises(UsageError, match="maybe") as caught:
        read_samples(data.encode(), the_lab().parameters)
    assert caught.value.where == "samples.csv:4"


@pytest.mark.parametrize("columns", [3, 5])
def test_a_list_of_an_earlier_version_is_read(columns: int) -> None:
    """Before attempts were in it, and before servers were."""
    data = samples_csv(timed_runs().model_copy(update={"starts": ()}), grade()).decode()
    old = "\n".join(line.rsplit(",", columns)[0] for line in data.splitlines())
    assert read_samples(old.encode(), the_lab().parameters).campaign == timed_runs().campaign


@pytest.mark.parametrize("time", ["0", "-1", "nan", "inf", "1e300", "soon", ""])
def test_a_start_without_a_time_is_refused_with_its_line(time: str) -> None:
    data = samples_csv(timed_runs(), grade()).decode()
    lines = data.splitlines()
    lines[-1] = lines[-1].rsplit(",", 4)[0] + f",{time},timed,0,1"
    with pytest.raises(UsageError, match="no list of timed runs") as caught:
        read_samples("\n".join(lines).encode(), the_lab().parameters)
    assert caught.value.where == f"samples.csv:{len(lines)}"
