"""What of the comparison table nobody has filled."""

from __future__ import annotations

from grader.claims.gaps import absent_rows, empty_cells
from grader.claims.reader import read_report
from grader.model.lab import Lab
from grader.model.report import ReportReading

HEAD = "| Metric | Traditional | WASM | Improvement |\n|---|---|---|---|\n"


def read(lab: Lab, rows: str) -> ReportReading:
    data = f"# Report\n\n{HEAD}{rows}\n".encode()
    return read_report(data, lab, "", max_bytes=len(data))


def test_a_row_that_is_not_there_is_absent_and_its_cells_are_empty(lab: Lab) -> None:
    required = [row.key for row in lab.table.rows if row.required]
    first = next(row for row in lab.table.rows if row.required)
    reading = read(lab, f"| {first.labels[0]} | 4 MiB | TODO | |\n")
    assert reading.table is not None
    assert absent_rows(lab, reading) == tuple(key for key in required if key != first.key)
    empty = empty_cells(lab, reading)
    assert [cell for cell in empty if cell.startswith(f"{first.key}.")] == [f"{first.key}.wasm", f"{first.key}.derived"]
    assert len(empty) == 2 + (len(required) - 1) * (len(lab.subjects) + 1)


def test_without_a_table_every_required_cell_is_empty_and_no_row_is_absent(lab: Lab) -> None:
    everything = tuple(f"{row.key}.{c}" for row in lab.table.rows if row.required for c in (*lab.subjects, "derived"))
    data = b"# Report without a table\n"
    for reading in (None, read_report(data, lab, "", max_bytes=len(data))):
        assert absent_rows(lab, reading) == ()
        assert empty_cells(lab, reading) == everything
