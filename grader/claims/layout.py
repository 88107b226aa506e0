"""Other layouts of a table brought to the usual one: a row per quantity, a column per subject.

Transposed tables, headers that are repeated further down, tables of tabs, and rows of strokes that Markdown takes for
text or code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from grader.claims.markdown import Document, SourceCell, SourceTable

MAX_LOOSE_TABLES = 100
"""Runs of lines with tabs or strokes that are looked at."""

MAX_LOOSE_ROWS = 200
"""Rows of a table that is none for Markdown, and rows in which a repeated header is looked for."""

MAX_LOOSE_CELLS = 40
"""Cells of a row of such a table."""

LONGEST_LOOSE_LINE = 4000

_BORDER = re.compile(r"[\s|+\-=:·─━│┃┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬═║]*")
_STROKE = re.compile(r"(?<!\\)[|│┃║]")
_TAB = re.compile(r"\t")
_ALIGNED = re.compile(r"(?<=\S)(?: {2,}| ?\t[ \t]*)(?=\S)")
_SEMICOLON, _COMMA = re.compile(r";"), re.compile(r",")
_FEWEST_CELLS, _FEWEST_ROWS = 3, 2


def transposed(table: SourceTable) -> SourceTable | None:
    """Return the table with rows and columns exchanged, None if it is too large to be a person's."""
    if not table.rows or len(table.rows) > 40 or len(table.header) > 40:
        return None
    lines = (table.header, *table.rows)
    empty = SourceCell("", table.header[0].start, table.header[0].start, table.header[0].line)
    turned = tuple(
        tuple(line[column] if column < len(line) else empty for line in lines) for column in range(len(table.header))
    )
    return replace(table, header=turned[0], rows=turned[1:], turned=True)


def split_at_headers(table: SourceTable, is_header: Callable[[tuple[SourceCell, ...]], bool]) -> Iterator[SourceTable]:
    """Yield the parts of a table in which the header is repeated, perhaps with its columns in another order."""
    header, first = table.header, 0
    for index, row in enumerate(table.rows[:MAX_LOOSE_ROWS]):
        if is_header(row):
            yield replace(table, header=header, rows=table.rows[first:index], first_row=table.first_row + first)
            header, first = row, index + 1
    yield replace(table, header=header, rows=table.rows[first:], first_row=table.first_row + first)


def loose_tables(document: Document, first_number: int, taken: frozenset[int]) -> tuple[SourceTable, ...]:
    """Return runs of lines of at least three cells between tabs or strokes, none of which is in `taken` (from 0)."""
    return _runs(document, first_number, taken, (_TAB, _STROKE), over_blanks=False)


def looser_tables(document: Document, first_number: int, taken: frozenset[int]) -> tuple[SourceTable, ...]:
    """Return what may be a table of columns of spaces, of values between commas, or with blank lines between its rows.

    So may a listing or a sentence: only one that holds the comparison is to be read.
    """
    return _runs(document, first_number, taken, (_STROKE, _ALIGNED, _SEMICOLON, _COMMA), over_blanks=True)


def _runs(
    document: Document,
    first_number: int,
    taken: frozenset[int],
    separators: Sequence[re.Pattern[str]],
    *,
    over_blanks: bool,
) -> tuple[SourceTable, ...]:
    found: list[SourceTable] = []
    for separator in separators:
        if sum(bool(separator.search(line, 0, LONGEST_LOOSE_LINE)) for line in document.lines) < _FEWEST_ROWS:
            continue
        run: list[tuple[int, tuple[SourceCell, ...]]] = []
        for number in range(len(document.lines) + 1):
            inside = number < len(document.lines) and number not in taken
            if inside and over_blanks and not document.lines[number].strip():
                continue
            if inside and len(run) > MAX_LOOSE_ROWS and separator.search(document.lines[number]):
                continue  # more rows than are read
            cells = _cells(document, number, separator) if inside else None
            if cells is None:
                found += _table(run, first_number + len(found))
                run = []
            elif cells and len(run) <= MAX_LOOSE_ROWS:
                run.append((number, cells))
            if len(found) >= MAX_LOOSE_TABLES:
                return tuple(found)
    return tuple(found)


def _table(run: Sequence[tuple[int, tuple[SourceCell, ...]]], number: int) -> list[SourceTable]:
    if len(run) < _FEWEST_ROWS:
        return []
    width = len(run[0][1])
    rows = tuple(cells[:width] for _, cells in run[1:])
    return [SourceTable(number, run[0][1], rows, range(run[0][0], run[-1][0] + 1))]


def _cells(document: Document, number: int, separator: re.Pattern[str]) -> tuple[SourceCell, ...] | None:
    """Return a line's cells; an empty tuple for a border, which belongs to a table; None for any other line."""
    line = document.lines[number]
    if len(line) > LONGEST_LOOSE_LINE or not separator.search(line):
        return () if line.strip() and len(line) <= LONGEST_LOOSE_LINE and _BORDER.fullmatch(line) else None
    if _BORDER.fullmatch(line.replace("\t", " ")):
        return ()
    edges = [0, *(edge for found in separator.finditer(line) for edge in found.span()), len(line)]
    if len(edges) < 2 * _FEWEST_CELLS:
        return None
    pieces = list(zip(edges[::2], edges[1::2], strict=True))
    if separator is _STROKE:
        pieces = [p for i, p in enumerate(pieces) if 0 < i < len(pieces) - 1 or line[p[0] : p[1]].strip(" >")]
    if not _FEWEST_CELLS <= len(pieces) <= MAX_LOOSE_CELLS:
        return None
    return tuple(_cell(document, number, first, last) for first, last in pieces)


def _cell(document: Document, number: int, first: int, last: int) -> SourceCell:
    text = document.lines[number][first:last]
    content = text.strip()
    begin = first + len(text) - len(text.lstrip()) if content else first
    span = document.span(number, begin, begin + len(content))
    return SourceCell(content, span.start, span.end, number + 1)
