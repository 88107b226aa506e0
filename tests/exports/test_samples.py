from __future__ import annotations

import pytest

from grader.errors import UsageError
from grader.exports.samples import csv_cell, read_samples, samples_csv
from tests.render.pages import grade, the_lab, timed_runs


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(formula: str) -> None:
    assert csv_cell(formula) == f"'{formula}"


@pytest.mark.parametrize("failed", [False, True])
def test_every_run_and_every_start_of_a_server_is_read_back(failed: bool) -> None:
    runs = timed_runs(failed=failed)
    assert read_samples(samples_csv(runs, grade()), the_lab().parameters) == runs


def test_a_list_from_before_servers_were_in_it_is_read() -> None:
    data = samples_csv(timed_runs().model_copy(update={"starts": ()}), grade()).decode()
    old = "\n".join(line.rsplit(",", 2)[0] for line in data.splitlines())
    assert read_samples(old.encode(), the_lab().parameters).campaign == timed_runs().campaign


@pytest.mark.parametrize("time", ["0", "-1", "nan", "inf", "1e300", "soon", ""])
def test_a_start_without_a_time_is_refused_with_its_line(time: str) -> None:
    data = samples_csv(timed_runs(), grade()).decode()
    lines = data.splitlines()
    lines[-1] = lines[-1].rpartition(",")[0] + f",{time}"
    with pytest.raises(UsageError, match="no list of timed runs") as caught:
        read_samples("\n".join(lines).encode(), the_lab().parameters)
    assert caught.value.where == f"samples.csv:{len(lines)}"
