"""Tables that a report writes in HTML, outside code: one row per `tr`, one cell per `td` or `th`, closed or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from grader.claims.markdown import MAX_ROWS, Document, SourceCell, SourceTable

MAX_HTML_TABLES = 100
MAX_HTML_COLUMNS = 100
"""Cells of a row that are read; a person writes five."""

_TAG = re.compile(r"<(?P<end>/?)(?P<name>table|tr|td|th)\b[^<>]{0,500}>", re.IGNORECASE)


@dataclass(slots=True)
class _Open:
    """A table that is being read: its rows so far, and where the open cell's content began (line, character)."""

    first_line: int
    rows: list[list[SourceCell]] = field(default_factory=list)
    cell: tuple[int, int] | None = None

    def close_cell(self, document: Document, line: int, end: int) -> None:
        if self.cell is not None and self.rows and len(self.rows[-1]) < MAX_HTML_COLUMNS:
            self.rows[-1].append(_cell(document, self.cell, (line, end)))
        self.cell = None

    def table(self, number: int, last_line: int) -> SourceTable | None:
        """Return the table, None without a header and a row; short rows are left as they are."""
        header, *rows = [tuple(row) for row in self.rows if row] or [()]
        if not header or not rows:
            return None
        cut = tuple(row[: len(header)] for row in rows[:MAX_ROWS])
        return SourceTable(number, header, cut, range(self.first_line, last_line + 1))


def html_tables(document: Document, first_number: int) -> tuple[SourceTable, ...]:
    """Return the tables in order; one in another's cell ends that one, and one may never be closed.

    Args:
        first_number: Number of the first of them among all tables of the report.
    """
    found: list[SourceTable] = []
    for opened, last_line in _tables(document):
        table = opened.table(first_number + len(found), last_line)
        if table is not None:
            found.append(table)
        if len(found) == MAX_HTML_TABLES:
            break
    return tuple(found)


def _tables(document: Document) -> Iterator[tuple[_Open, int]]:
    opened: _Open | None = None
    for number, line in enumerate(document.lines):
        if "<" not in line or number in document.code:
            continue
        for tag in _TAG.finditer(line):
            name = tag["name"].lower()
            if opened is not None:
                opened.close_cell(document, number, tag.start())
            if name == "table":
                if opened is not None:
                    yield opened, number
                opened = None if tag["end"] else _Open(number)
            elif opened is not None and not tag["end"]:
                if name == "tr" or not opened.rows:
                    opened.rows.append([])
                if name != "tr":
                    opened.cell = number, tag.end()
    if opened is not None:
        if opened.cell is not None:
            opened.close_cell(document, opened.cell[0], len(document.lines[opened.cell[0]]))
        yield opened, max((row[-1].line - 1 for row in opened.rows if row), default=opened.first_line)


def _cell(document: Document, begin: tuple[int, int], end: tuple[int, int]) -> SourceCell:
    """Return the first line with content between two places: its bytes are those of the file."""
    for number in range(begin[0], end[0] + 1):
        line = document.lines[number]
        first = begin[1] if number == begin[0] else 0
        text = line[first : end[1] if number == end[0] else len(line)]
        content = text.strip()
        if content or number == end[0]:
            start = first + len(text) - len(text.lstrip()) if content else first
            span = document.span(number, start, start + len(content))
            return SourceCell(content, span.start, span.end, number + 1)
    raise AssertionError("a cell ends on no earlier line than it begins")
