from __future__ import annotations

import pytest

from grader.exports.samples import csv_cell


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(formula: str) -> None:
    assert csv_cell(formula) == f"'{formula}"
