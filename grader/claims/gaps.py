"""Which cells of the comparison table nobody has filled."""

from __future__ import annotations

from grader.claims.parse import is_unanswered
from grader.model.lab import Lab
from grader.model.report import ReportReading


def absent_rows(lab: Lab, reading: ReportReading | None) -> tuple[str, ...]:
    """Return the required rows that the report's table lacks, by key; none where there is no table."""
    if reading is None or reading.table is None:
        return ()
    there = {row.key for row in reading.table.rows}
    return tuple(row.key for row in lab.table.rows if row.required and row.key not in there)


def empty_cells(lab: Lab, reading: ReportReading | None) -> tuple[str, ...]:
    """Return the required cells without an answer, as `row.column`; all of them where there is no table."""
    columns = (*lab.subjects, "derived")
    table = reading.table if reading is not None else None
    rows = {row.key: row.cells for row in table.rows} if table is not None else {}
    return tuple(
        f"{row.key}.{column}"
        for row in lab.table.rows
        if row.required
        for column in columns
        if (cell := rows.get(row.key, {}).get(column)) is None or is_unanswered(cell.text)
    )
