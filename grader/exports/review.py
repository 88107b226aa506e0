"""The review file as CSV, for a spreadsheet, and as JSON; and back.  Pure.

A cell that a spreadsheet would take for a formula begins with an apostrophe, which is taken off again on the way
back.  A spreadsheet may change the separator, the decimal mark and the encoding's mark; all of these are read.
"""

from __future__ import annotations

import csv
import io
import json
import math

from pydantic import ValidationError

from grader.errors import UsageError
from grader.exports.samples import csv_cell
from grader.model.base import first_mistake
from grader.model.review import ReviewAnswer, ReviewFile, ReviewItem

COLUMNS = tuple(ReviewItem.model_fields)
NEEDED = ("id", "points", "note")
"""Columns without which nothing can be taken back."""

HINT = "fill in `points` and `note` of the file that `grader review export` wrote, and leave the rest"

MOST_ROWS = 200_000
"""A course of a thousand with sixty criteria has a third of it."""

_TEXTS = ("id", "note", "grade", "submission", "criterion", "outcome")

_SEPARATORS = (",", ";", "\t")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def review_csv(review: ReviewFile) -> bytes:
    """Return one row per question; with the mark that makes spreadsheets read UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in review.items:
        writer.writerow([_cell(getattr(item, column)) for column in COLUMNS])
    return out.getvalue().encode("utf-8-sig")


def review_json(review: ReviewFile) -> bytes:
    """Return the questions as JSON."""
    return (json.dumps(review.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False) + "\n").encode()


def read_review(data: bytes, name: str) -> tuple[ReviewAnswer, ...]:
    """Return the rows of a review file, CSV or JSON; a row that cannot be read says so in `trouble`.

    Raises: UsageError for a file that is none.
    """
    text = _decoded(data, name)
    return _from_json(text, name) if text.lstrip().startswith(("{", "[")) else _from_csv(text, name)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else csv_cell(str(value).replace("\x00", "�"))


def _decoded(data: bytes, name: str) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"this is no {'UTF-16' if wide else 'UTF-8'} text: {error}"
        raise UsageError(what, where=name, hint="save the table as CSV in UTF-8") from error


def _from_csv(text: str, name: str) -> tuple[ReviewAnswer, ...]:
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header = [cell.strip().casefold() for cell in next(rows, [])]
        missing = [column for column in NEEDED if column not in header]
        if missing:
            raise UsageError(f"the columns {', '.join(missing)} are missing", where=name, hint=HINT)
        twice = [column for column in COLUMNS if header.count(column) > 1]
        if twice:
            raise UsageError(f"the column {twice[0]} is there twice", where=name, hint=HINT)
        answers: list[ReviewAnswer] = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(answers) == MOST_ROWS:
                raise UsageError(f"more than {MOST_ROWS:,} rows", where=name, hint=HINT)
            if len(row) != len(header):
                place = f"row {rows.line_num}"
                answers.append(_unread(place, f"it has {len(row)} cells, the header has {len(header)}"))
                continue
            answers.append(_answer(f"row {rows.line_num}", dict(zip(header, map(_plain, row), strict=True))))
        return tuple(answers)
    except csv.Error as error:
        raise UsageError(f"this is no CSV: {error}", where=name, hint=HINT) from error


def _plain(cell: str) -> str:
    """Return a cell without the apostrophe that keeps it from being a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULAS) else cell


def _from_json(text: str, name: str) -> tuple[ReviewAnswer, ...]:
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is no JSON, or it is cut off: {error}", where=name, hint=HINT) from error
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(document, dict) or document.get("schema") != "grader/review/1" or not isinstance(items, list):
        raise UsageError("this JSON is no review file: it has no `schema` grader/review/1", where=name, hint=HINT)
    if len(items) > MOST_ROWS:
        raise UsageError(f"more than {MOST_ROWS:,} items", where=name, hint=HINT)
    answers: list[ReviewAnswer] = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            answers.append(_unread(f"item {number}", "it is no object"))
            continue
        cells = {str(key): "" if value is None else value for key, value in item.items()}
        wrong = next((k for k in _TEXTS if not isinstance(cells.get(k, ""), str)), None)
        if wrong is not None:
            answers.append(_unread(f"item {number}", f"`{wrong}` is no text"))
        elif "id" not in cells:
            answers.append(_unread(f"item {number}", "`id` is missing"))
        else:
            answers.append(_answer(f"item {number}", {k: _written(v) for k, v in cells.items()}))
    return tuple(answers)


def _written(value: object) -> str:
    """Return a JSON value as a cell would hold it; anything but a number or a text is shown as what it is."""
    if isinstance(value, str):
        return value
    return repr(value) if isinstance(value, bool | list | dict) else str(value)


def _answer(place: str, cells: dict[str, str]) -> ReviewAnswer:
    numbers: dict[str, float | None] = {}
    for column in ("points", "max", "suggested"):
        written = cells.get(column, "").strip()
        try:
            numbers[column] = _number(written)
        except ValueError:
            what = "a formula, not a number" if written.startswith(_FORMULAS) else "no number"
            return _unread(place, f"`{column}` is {what}: `{written[:60]}`")
    try:
        return ReviewAnswer(
            place=place,
            id=cells["id"].strip(),
            grade=cells.get("grade", "").strip(),
            submission=cells.get("submission", "").strip(),
            criterion=cells.get("criterion", "").strip(),
            outcome=cells.get("outcome", "").strip(),
            points=numbers["points"],
            max=numbers["max"],
            suggested=numbers["suggested"],
            note=cells.get("note", "").strip(),
        )
    except ValidationError as error:
        return _unread(place, first_mistake(error))


def _number(written: str) -> float | None:
    """Return a number with a point or a comma; None for an empty cell.  Raises: ValueError."""
    if not written:
        return None
    value = float(written.replace(",", ".", 1) if "." not in written else written)
    if not math.isfinite(value) or "_" in written:
        raise ValueError(written)
    return value


def _unread(place: str, trouble: str) -> ReviewAnswer:
    return ReviewAnswer(place=place, id="", trouble=trouble)
