"""The student's report with its comparison table filled; every byte outside the changed cells stays.  Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from grader.model.base import Record
from grader.model.grade import Fact, Verdict
from grader.model.lab import Lab, Row
from grader.model.report import PLACEHOLDERS, Cell, CellAddress, Claim, ReportReading, Span, TableRow, own_text
from grader.render.cells import row_text, row_unit

FillStyle = Literal["annotate", "only-empty", "replace"]

ARROW = " → "
"""Stands between the student's text of a cell and ours; the reader takes the text before it."""

_MARKS = re.compile(r"(?P<open>[*`]*(?:__(?!_)|_(?!_))?)(?P<inner>.*?)(?P<close>(?:(?<!_)__|(?<!_)_)?[*`]*)", re.DOTALL)
"""Bold, italic and code marks around a cell; `___` is a blank to fill, not a mark."""


_NOTE = re.compile(r"\([^()]*[^\W\d_]{3,}[^()]*\)")
"""An arm or a compiler that we name behind a value: `31 ms (process, no container)`."""

_COUNT = re.compile(r"\([\d,]+ B\)")
"""A size to the byte behind a rounded one: `4.48 MiB (4,698,112 B)`."""

_DIGITS = re.compile(r"\d[\d.,]*")


class CellChange(Record):
    """One changed cell; `span` is in the report as read."""

    row: str
    role: str
    span: Span
    old: str
    new: str


def fill_table(
    data: bytes,
    encoding: str,
    reading: ReportReading,
    lab: Lab,
    facts: Sequence[Fact],
    verdicts: Sequence[Verdict],
    style: FillStyle = "annotate",
) -> tuple[bytes, tuple[CellChange, ...]]:
    """Return the report with its table filled, and what was changed.

    Filling the result again from the same facts changes nothing: a cell that already holds what would be written
    is left alone, an old annotation is replaced.
    """
    changes = tuple(_changes(reading, lab, facts, verdicts, style))
    for change in sorted(changes, key=lambda c: c.span.start, reverse=True):
        new = change.new.encode(encoding.removesuffix("-sig"), "xmlcharrefreplace")
        if change.span.start == change.span.end:
            new = b" " + new + b" "
        data = data[: change.span.start] + new + data[change.span.end :]
    return data, changes


def filled_by_us(
    reading: ReportReading, lab: Lab, facts: Sequence[Fact], verdicts: Sequence[Verdict]
) -> frozenset[CellAddress]:
    """Return the cells that already hold what this run would write into them: ours, not the student's."""
    return frozenset(
        place.cell.address
        for place in _places(reading, lab, facts, verdicts)
        if place.ours is not None and _is_ours(own_text(place.cell.text), place.ours)
    )


def written_by_us(
    reading: ReportReading, lab: Lab, facts: Sequence[Fact], verdicts: Sequence[Verdict]
) -> tuple[tuple[str, Cell], ...]:
    """Return the cells that a filling wrote, here or on a host with other times, each with the claim it stands for.

    That needs a cell that only we would word so: one with an arm or a compiler in brackets, or our very count of
    bytes.  Beside such a one, whatever reads as we write it is ours.
    """
    alike = [p for p in _places(reading, lab, facts, verdicts) if p.ours and _reads_like(own_text(p.cell.text), p.ours)]
    here = [p for p in alike if p.ours and _is_ours(own_text(p.cell.text), p.ours)]
    noted = [p for p in alike if p.ours and _NOTE.search(p.ours)]
    if not noted and not any(p.ours and _COUNT.search(p.ours) for p in here):
        return ()
    return tuple((p.claim_id, p.cell) for p in alike if p in here or p in noted)


class _Place(Record):
    """A cell of a quantity of the lab; `ours` is what this run would write into it, None if it measured nothing."""

    row: str
    role: str
    claim_id: str
    cell: Cell
    ours: str | None


def _places(reading: ReportReading, lab: Lab, facts: Sequence[Fact], verdicts: Sequence[Verdict]) -> Iterator[_Place]:
    if reading.table is None:
        return
    rows = {row.key: row for row in lab.table.rows}
    for table_row in reading.table.rows:
        row = rows[table_row.key]
        for role, cell in table_row.cells.items():
            claim_id = _claim_id(row, role)
            unit = row_unit(lab, row, role, cell.text, _others(table_row, role))
            claim = _claim_at(reading, cell)
            notion = claim.notion if claim is not None else None
            ours = row_text(lab, row, role, facts, verdicts, unit, notion=notion)
            if claim_id is not None:
                yield _Place(row=row.key, role=role, claim_id=claim_id, cell=cell, ours=ours)


def _changes(
    reading: ReportReading, lab: Lab, facts: Sequence[Fact], verdicts: Sequence[Verdict], style: FillStyle
) -> Iterator[CellChange]:
    yield from _shown(reading, lab, facts, verdicts)
    words = {v.id: v.verdict for v in verdicts if _is_about_ours(v)}
    for place in _places(reading, lab, facts, verdicts):
        claim = _claim_at(reading, place.cell)
        new = _new_text(place.cell.text, claim, place.ours, words.get(place.claim_id, ""), style)
        if new is not None and new != place.cell.text:
            yield CellChange(row=place.row, role=place.role, span=place.cell.span, old=place.cell.text, new=new)


def _shown(
    reading: ReportReading, lab: Lab, facts: Sequence[Fact], verdicts: Sequence[Verdict]
) -> Iterator[CellChange]:
    """Yield the empty cells of rows that only show something: what a student wrote there is nobody's business."""
    rows = {row.key: row for row in lab.table.rows if row.shows is not None}
    for table_row in reading.table.rows if reading.table is not None else ():
        for role, cell in table_row.cells.items() if table_row.key in rows else ():
            found = _MARKS.fullmatch(cell.text)
            if (found["inner"] if found else cell.text).strip() not in ("", *PLACEHOLDERS):
                continue
            ours = row_text(lab, rows[table_row.key], role, facts, verdicts)
            if ours is not None:
                new = _within_marks(cell.text, ours)
                yield CellChange(row=table_row.key, role=role, span=cell.span, old=cell.text, new=new)


def _is_about_ours(verdict: Verdict) -> bool:
    """True if the verdict set the claim against the value that stands beside it in the cell.

    Agreement with a known value or with the row's own cells says nothing about a number of ours.
    """
    return verdict.verdict not in ("consistent", "contradicted") or verdict.basis in ("artifact", "rebuild")


def _new_text(text: str, claim: Claim | None, ours: str | None, verdict: str, style: FillStyle) -> str | None:
    """Return the cell's new text, None to leave it; an annotation of a run that measured more is taken back."""
    kept = own_text(text)
    if ours is None:
        return kept if kept != text else None
    if _is_ours(kept, ours):
        return kept
    if claim is None or claim.placeholder or style == "replace":
        return _within_marks(kept, ours)
    if style == "only-empty":
        return None
    return f"{kept}{ARROW}{ours}, {verdict}" if verdict and verdict != "missing" else f"{kept}{ARROW}{ours}"


def _is_ours(kept: str, ours: str) -> bool:
    """True if a cell holds what we would write; what its encoding lacks was written as a reference."""
    plain = html.unescape(kept)
    return plain in (ours, _within_marks(plain, ours))


def _reads_like(kept: str, ours: str) -> bool:
    """True if a cell holds what we would write, but for its numbers."""
    return _is_ours(_DIGITS.sub("0", kept), _DIGITS.sub("0", ours))


def _within_marks(text: str, new: str) -> str:
    """Put `new` where `text` was, inside the bold and code marks around it."""
    found = _MARKS.fullmatch(text)
    if not found or found["open"] != found["close"][::-1]:
        return new
    return f"{found['open']}{new}{found['close']}"


def _claim_id(row: Row, role: str) -> str | None:
    if role == "derived":
        return row.derived.id if row.derived else None
    return f"{role}.{row.metric}" if row.metric else None


def _claim_at(reading: ReportReading, cell: Cell) -> Claim | None:
    """Return the reading of a cell; the preferred one where it holds several numbers."""
    found = [c for c in reading.claims if c.cell == cell.address]
    return next((c for c in found if c.preferred), found[0] if found else None)


def _others(table_row: TableRow, role: str) -> list[str]:
    return [cell.text for other, cell in table_row.cells.items() if other not in (role, "derived")]
