"""A class's hosts from a table: every cell is data, checked against an allow-list, and a bad row is left out alone."""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from pydantic import Field

from grader.errors import UsageError
from grader.model.base import Record

REQUIRED = ("name", "host", "edition", "group")
OPTIONAL = ("port", "user")
LARGEST_ROSTER = 1_000_000
"""Characters: thousands of hosts."""

_FORMULA = tuple("=+-@\t")
"""With these a spreadsheet begins a formula; the table is opened in one before and after."""
_SHOWN = 40
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_NAME_MARKS = frozenset(" .'-_")


class RosterHost(Record):
    """One good row."""

    line: int
    name: str
    host: str
    edition: str
    group: Literal["student", "grading"]
    port: int | None = Field(default=None, ge=1, le=65535)
    user: str = ""


class Refused(Record):
    """One row that is left out; `what` holds the value found and the values allowed."""

    line: int
    what: str


class Roster(Record):
    """The hosts of a table, and the rows that are none."""

    hosts: tuple[RosterHost, ...]
    refused: tuple[Refused, ...]


def parse_roster(text: str, editions: Collection[str]) -> Roster:
    """Read a table with a heading; commas or, as some spreadsheets write it, semicolons.

    Of rows that name the same host the first counts; if they put it into both groups, none does: a host on which
    students work must not grade.

    Args:
        editions: What a row may name.

    Raises: UsageError if there is no heading with the columns wanted, or the text is no table.
    """
    if len(text) > LARGEST_ROSTER:
        raise UsageError(f"holds {len(text):,} characters; at most {LARGEST_ROSTER:,} are read")
    rows = _rows(text.removeprefix("\ufeff"))
    good: list[RosterHost] = []
    refused: list[Refused] = []
    for line, row in rows:
        what = _mistake(row, editions)
        if what:
            refused.append(Refused(line=line, what=what))
        else:
            good.append(_host(line, row))
    return _without_twins(good, refused)


def _rows(text: str) -> list[tuple[int, Mapping[str, str]]]:
    heading = text.partition("\n")[0]
    separator = ";" if ";" in heading and "," not in heading else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        table = [(reader.line_num, [cell.strip(" ") for cell in row]) for row in reader]
    except csv.Error as error:
        raise UsageError(f"is no table: {error}", where=f"line {reader.line_num}") from error
    table = [(line, row) for line, row in table if any(row)]
    names = [cell.lower() for cell in table[0][1]] if table else []
    unknown = sorted(set(names) - {*REQUIRED, *OPTIONAL})
    missing = [name for name in REQUIRED if name not in names]
    if unknown or missing or len(set(names)) != len(names):
        raise UsageError(
            f"has the columns {_quoted(names) or 'of an empty file'}; it needs {_quoted(REQUIRED)}, "
            f"and may have {_quoted(OPTIONAL)}, each once",
        )
    # A short row lacks cells and a long one has too many; both are told by `_mistake`.
    return [(line, {**dict(zip(names, row, strict=False)), **_width(names, row)}) for line, row in table[1:]]


def _width(names: Sequence[str], row: Sequence[str]) -> Mapping[str, str]:
    return {} if len(names) == len(row) else {"": f"{len(row)} cells, the heading has {len(names)}"}


def _mistake(row: Mapping[str, str], editions: Collection[str]) -> str:
    """Return what is wrong with a row, empty if nothing is."""
    if "" in row:
        return f"found {row['']}"
    for column, cell in row.items():
        if cell.startswith(_FORMULA):
            return f"`{column}` is {_cell(cell)}: a cell must not begin as a formula does, with `=`, `+`, `-` or `@`"
    port = row.get("port", "")
    if not row["name"] or len(row["name"]) > 100 or not all(c.isalnum() or c in _NAME_MARKS for c in row["name"]):
        return f"`name` is {_cell(row['name'])}: use up to 100 letters, digits, spaces and `.'-_`"
    if not _is_host(row["host"]):
        return f"`host` is {_cell(row['host'])}: use a name of a-z, 0-9, `-` and `.`, or an IP address"
    if row["edition"] not in editions:
        return f"`edition` is {_cell(row['edition'])}: the inventory has {_quoted(sorted(editions)) or 'none'}"
    if row["group"] not in ("student", "grading"):
        return f"`group` is {_cell(row['group'])}: use `student` or `grading`"
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        return f"`port` is {_cell(port)}: use 1 to 65535"
    if row.get("user") and not _USER.fullmatch(row["user"]):
        return f"`user` is {_cell(row['user'])}: use up to 32 of a-z, 0-9, `_` and `-`, a letter first"
    return ""


def _is_host(cell: str) -> bool:
    if len(cell) > 253:
        return False
    try:
        ipaddress.ip_address(cell)
    except ValueError:
        # What looks like an address and is none would be looked up as a name.
        return bool(_HOST_NAME.fullmatch(cell)) and not cell.replace(".", "").isdigit()
    return "%" not in cell


def _host(line: int, row: Mapping[str, str]) -> RosterHost:
    return RosterHost(
        line=line,
        name=row["name"],
        host=row["host"],
        edition=row["edition"],
        group="grading" if row["group"] == "grading" else "student",
        port=int(row["port"]) if row.get("port") else None,
        user=row.get("user", ""),
    )


def _without_twins(good: Sequence[RosterHost], refused: Sequence[Refused]) -> Roster:
    rows: dict[str, list[RosterHost]] = {}
    for row in good:
        rows.setdefault(row.host, []).append(row)
    kept: list[RosterHost] = []
    left_out = list(refused)
    for host, twins in rows.items():
        lines = ", ".join(str(row.line) for row in twins)
        if len({row.group for row in twins}) > 1:
            what = f"`{host}` is in `student` and in `grading` (lines {lines}): a host of students must not grade"
            left_out += [Refused(line=row.line, what=what) for row in twins]
            continue
        kept.append(twins[0])
        left_out += [Refused(line=row.line, what=f"`{host}` is in line {twins[0].line} already") for row in twins[1:]]
    return Roster(hosts=tuple(kept), refused=tuple(sorted(left_out, key=lambda row: row.line)))


def _cell(cell: str) -> str:
    """Quote a cell so that it acts on no terminal."""
    shown = cell if len(cell) <= _SHOWN else f"{cell[: _SHOWN - 1]}…"
    return f"`{ascii(shown)[1:-1] if not shown.isprintable() else shown}`" if cell else "empty"


def _quoted(words: Collection[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
