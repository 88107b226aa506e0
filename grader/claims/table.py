"""Pick the comparison table of a report by the lab's words, never by position, and read its claims.

A table qualifies with a column for every subject and a row for at least one of the lab's, as written or with rows and
columns exchanged.  Of several one that is no example wins, then the one with more of the lab's rows and columns, then
the one with more cells filled in, then the first; rows that it lacks are taken from the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache

from grader.claims.layout import split_at_headers, transposed
from grader.claims.markdown import SourceCell, SourceTable
from grader.claims.parse import (
    Comparison,
    Expectation,
    Place,
    Reading,
    plain_text,
    read_cell,
    read_derived_cell,
)
from grader.model.lab import Columns, Lab, Metric, Row
from grader.model.report import Cell, CellAddress, Claim, ComparisonTable, TableRow, own_text
from grader.units import Base, Dimension, Printed, find_quantities, in_unit, label_scales

METRIC, DERIVED, OTHER = "metric", "derived", "other"
MAX_COLUMNS = 40
"""A wider table is no comparison table; the search for column roles stays small."""

MAX_CANDIDATES = 3
"""Columns that are tried for one role, the best matching first."""

MAX_LABEL = 200
"""Characters of a header or a row label that are matched."""

MAX_TABLES = 200
"""Tables of a report that are looked at."""

MAX_MATCHED = 1000
"""Rows of a table whose labels are matched; the longest known comparison table has 12."""

MAX_REPEATED_ROWS = 20
"""Rows with the same meaning that are read."""

QUOTE_LIMIT = 2000
"""Characters of a cell or a line that a claim quotes."""

DOCKER_DIGITS = 3
"""`docker images` prints at most three significant digits; `1.8233 MB` was divided by 2^20 by hand."""

DOCKER_ARM = "docker"
DECIMAL_NOTIONS = frozenset({"docker_images", "disk_usage"})
"""Docker's own size columns count in powers of 1000."""


_MatchedRow = tuple[Row, int, bool]
"""A row of the lab, the table's row, and whether it is the best of its key."""


@dataclass(frozen=True, slots=True)
class FoundComparison:
    """The comparison table as written, its claims, the lines that it takes (from 0), the notes beside a line."""

    table: ComparisonTable
    claims: tuple[Claim, ...]
    lines: frozenset[int]
    notes: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A table, or a part of one, that has the lab's columns and rows.  The largest `rank` wins, of equals the first."""

    rank: tuple[bool, int, int, int]
    table: SourceTable
    roles: dict[str, int]
    rows: list[_MatchedRow]


def find_comparison(
    tables: Sequence[SourceTable], lab: Lab, examples: Set[int] = frozenset()
) -> FoundComparison | None:
    """Return the comparison table among all tables of a report and its claims, None if there is none.

    Rows that the winner lacks are taken from the others: some split the table in two.  What the others say of the
    winner's rows is kept, not preferred.

    Args:
        examples: Numbers of the tables that the text calls an example or expected; any other comes before them.
    """
    candidates = [c for table in tables[:MAX_TABLES] for c in _candidates_of(table, lab, table.number in examples)]
    if not candidates:
        return None
    best = max(candidates, key=lambda c: c.rank)
    others = [c for c in candidates if c is not best and (best.table.number in examples or c.rank[0])]
    others.sort(key=lambda c: (c.table.number != best.table.number, c.table.number))
    main = _comparison_table(best.table, best.roles, best.rows)
    rows, claims = list(main.rows), list(_claims(best.table, best.roles, best.rows, lab))
    known = {row.key for row in rows}
    for other in others:
        fresh = {row.key for row, _, _ in other.rows} - known
        rows += [row for row in _comparison_table(other.table, other.roles, other.rows).rows if row.key in fresh]
        kept = [(row, index, is_best and row.key in fresh) for row, index, is_best in other.rows]
        claims += _claims(other.table, other.roles, kept, lab)
        known |= fresh
    read = [best, *others]
    return FoundComparison(
        main.model_copy(update={"rows": tuple(rows)}),
        tuple(claims),
        frozenset(line for c in read for line in c.table.lines),
        {line: text for c in read for line, text in _notes(c.table, c.roles, c.rows).items()},
    )


def _candidates_of(table: SourceTable, lab: Lab, is_example: bool) -> Iterator[_Candidate]:
    """Yield the parts of a table that can be read, as written or, if nothing can, with its columns as rows."""
    if not 2 <= len(table.header) <= MAX_COLUMNS:
        return
    found = False
    for part in split_at_headers(table, lambda row: _is_header(row, lab)):
        candidate = _candidate(part, lab, is_example)
        if candidate is not None:
            found = True
            yield candidate
    turned = None if found else transposed(table)
    candidate = _candidate(turned, lab, is_example) if turned else None
    if candidate is not None:
        yield candidate


def _candidate(table: SourceTable, lab: Lab, is_example: bool) -> _Candidate | None:
    roles = _column_roles(table, lab)
    rows = _matched_rows(table, roles[METRIC], lab) if roles is not None else []
    if roles is None or not rows:
        return None
    filled = sum(_is_filled(table, index, column) for _, index, _ in rows for column in roles.values())
    keys = len({row.key for row, _, _ in rows})
    return _Candidate((not is_example, keys, len([r for r in roles if r != OTHER]), filled), table, roles, rows)


def _is_header(row: tuple[SourceCell, ...], lab: Lab) -> bool:
    """True for a row that names the subjects and no number: the header again."""
    words = [normal_words(cell.text) for cell in row]
    if any(re.search(r"\d", cell.text) for cell in row):
        return False
    named = {s for s in lab.subjects if any(_score(w, lab.table.columns.subjects.get(s, ())) >= 2000 for w in words)}
    return len(named) == len(lab.subjects) and any(_score(w, lab.table.columns.metric) for w in words)


def _notes(table: SourceTable, roles: Mapping[str, int], rows: Sequence[_MatchedRow]) -> dict[int, str]:
    """Return the words of the row's label and notes by line (from 1): they may name the tool of its numbers."""
    columns = [column for role, column in roles.items() if role in (METRIC, OTHER)]
    return {
        table.rows[index][0].line: " ".join(table.rows[index][c].text for c in columns if c < len(table.rows[index]))
        for _, index, _ in rows
    }


def _is_filled(table: SourceTable, row: int, column: int) -> bool:
    if column >= len(table.rows[row]):
        return False
    return bool(re.search(r"\d", own_text(table.rows[row][column].text)))


def normal_words(source: str) -> str:
    """Return a header or a label for matching: plain, lower case, single spaces, hyphens and slashes as spaces."""
    plain = plain_text(source[:MAX_LABEL]).casefold().replace("ё", "е")
    return " ".join(re.sub(r"[^\w%Δδ()]+", " ", plain).split())


@lru_cache(maxsize=4096)
def _normal_synonym(synonym: str) -> str:
    return normal_words(synonym)


def _score(words: str, synonyms: Sequence[str]) -> int:
    """Rank how well a normalised text matches: 0 not at all, else by the longest synonym in it.

    A synonym matches where a word of the text begins; the whole text ranks before a beginning, and that before
    words further in, so `Improvement (WASM vs Docker)` is a column of improvements.
    """
    best = 0
    squeezed = words.replace(" ", "")
    for synonym in synonyms:
        wanted = _normal_synonym(synonym)
        if not wanted:
            continue
        if wanted == words:
            rank = 3000
        elif words.startswith(wanted):
            rank = 2000
        elif f" {wanted}" in f" {re.sub(r'[()]', ' ', words)}":
            rank = 1000
        elif " " in wanted and set(wanted.split()) <= set(words.split()):
            rank = 500
        elif len(wanted) >= 5 and wanted.replace(" ", "") in squeezed:
            rank = 400
        else:
            continue
        best = max(best, rank + len(wanted))
    return best


def _column_roles(table: SourceTable, lab: Lab) -> dict[str, int] | None:
    """Assign at most one column to each role so that most roles are met, then the best matching ones."""
    headers = [normal_words(cell.text) for cell in table.header]
    synonyms = _role_synonyms(lab.table.columns)
    if all(any(_score(h, synonyms[s]) for h in headers) for s in lab.subjects):
        candidates = {role: _candidates(headers, words) for role, words in synonyms.items()}
        roles = _best_assignment(list(candidates.items()), frozenset())[1]
        if METRIC not in roles:
            label_column = _label_column(table, frozenset(roles.values()), lab)
            if label_column is None:
                return None
            roles[METRIC] = label_column
        if all(s in roles for s in lab.subjects):
            return roles
    return None


def _role_synonyms(columns: Columns) -> dict[str, tuple[str, ...]]:
    named = {METRIC: columns.metric, **columns.subjects, DERIVED: columns.derived, OTHER: columns.other}
    return {role: words for role, words in named.items() if words}


def _candidates(headers: Sequence[str], synonyms: Sequence[str]) -> list[tuple[int, int]]:
    """Return (score, column) of the best matching columns."""
    scored = [(score, -column) for column, h in enumerate(headers) if (score := _score(h, synonyms))]
    return [(score, -column) for score, column in sorted(scored, reverse=True)[:MAX_CANDIDATES]]


def _best_assignment(
    roles: Sequence[tuple[str, list[tuple[int, int]]]], taken: frozenset[int]
) -> tuple[tuple[int, int], dict[str, int]]:
    """Try each role's few candidates and leaving it out; rank by roles met, then by the sum of scores."""
    if not roles:
        return (0, 0), {}
    (role, candidates), rest = roles[0], roles[1:]
    best = _best_assignment(rest, taken)
    for score, column in candidates:
        if column in taken:
            continue
        (met, total), assigned = _best_assignment(rest, taken | {column})
        if (met + 1, total + score) > best[0]:
            best = (met + 1, total + score), {role: column, **assigned}
    return best


def _label_column(table: SourceTable, taken: frozenset[int], lab: Lab) -> int | None:
    """Return the free column whose cells match most of the lab's rows: its header says nothing."""
    counts = [
        (len(_matched_rows(table, column, lab)), -column) for column in range(len(table.header)) if column not in taken
    ]
    most, column = max(counts, default=(0, 0))
    return -column if most else None


def _matched_rows(table: SourceTable, column: int, lab: Lab) -> list[_MatchedRow]:
    """Return (row of the lab, row of the table, whether it is the best of its key) in the table's order."""
    best: dict[str, tuple[int, int]] = {}
    matched: list[tuple[Row, int]] = []
    seen: Counter[str] = Counter()
    for index, cells in enumerate(table.rows[:MAX_MATCHED]):
        if column >= len(cells):
            continue
        label = normal_words(cells[column].text)
        scored = [(_score(label, row.labels), row) for row in lab.table.rows] if label else []
        score, row = max(scored, key=lambda pair: pair[0], default=(0, None))
        if not label and matched:
            score, row = 1, matched[-1][0]  # a second line of the row above
        if row is None or score == 0:
            continue
        seen[row.key] += 1
        if seen[row.key] > MAX_REPEATED_ROWS:
            continue
        matched.append((row, index))
        if row.key not in best or score > best[row.key][0]:
            best[row.key] = (score, index)
    return [(row, index, best[row.key][1] == index) for row, index in matched]


def _comparison_table(table: SourceTable, roles: Mapping[str, int], rows: Sequence[_MatchedRow]) -> ComparisonTable:
    return ComparisonTable(
        number=table.number,
        line=table.line,
        roles=dict(roles),
        rows=tuple(
            TableRow(
                key=row.key,
                label=_model_cell(table, index, roles[METRIC]),
                cells={
                    role: _model_cell(table, index, column)
                    for role, column in roles.items()
                    if role not in (METRIC, OTHER) and column < len(table.rows[index])
                },
            )
            for row, index, is_best in rows
            if is_best
        ),
    )


def _model_cell(table: SourceTable, row: int, column: int) -> Cell:
    cell = table.rows[row][column]
    return Cell(address=table.address(row, column), text=cell.text, span=cell.span, line=cell.line)


def _claims(table: SourceTable, roles: Mapping[str, int], rows: Sequence[_MatchedRow], lab: Lab) -> Iterator[Claim]:
    for row, index, is_best in rows:
        cells = table.rows[index]
        read: dict[str, list[tuple[Reading, str | None]]] = {}
        for role, column in roles.items():
            if role in lab.subjects and row.metric in lab.metrics and column < len(cells):
                metric = lab.metrics[row.metric]
                read[role] = list(
                    _read_subject(cells[column], metric, role, _unit(table, roles, index, column, metric))
                )
        for role, column in sorted(roles.items(), key=lambda pair: pair[1]):
            claim_id = claim_id_of(row, role, lab)
            if claim_id is None or column >= len(cells):
                continue
            if role == DERIVED:
                read[role] = list(_read_derived(cells[column], table.header[column], row, read, lab))
            place = _place(cells[column], table.address(index, column))
            for reading, notion in read.get(role, ()):
                yield reading.claim(claim_id, place, notion=notion, preferred=reading.preferred and is_best)


def _place(cell: SourceCell, address: CellAddress) -> Place:
    quote = own_text(cell.text)[:QUOTE_LIMIT] or "(empty cell)"
    return Place(quote, cell.line, cell.span, "table", cell=address)


def claim_id_of(row: Row, role: str, lab: Lab) -> str | None:
    """Return the claim id of a cell; None for a cell that claims nothing that is measured."""
    if role == DERIVED:
        return row.derived.id if row.derived else None
    return f"{role}.{row.metric}" if role in lab.subjects and row.metric in lab.metrics else None


_IN_BRACKETS = re.compile(r"(?:^|\s)[(\[]([^()\[\]]{1,40})[)\]]|,\s*([^\W\d_]{1,7}|%)\s*$")
_UNIT_WORD = re.compile(r"[^\W\d_]{1,7}|%")
SAME_UNIT_WITHIN = 30
"""How many times larger one side's bare number may be than the other side's, whose unit it is given."""


def stated_unit(label: str, dimension: Dimension | None = None) -> str | None:
    """Return the unit that a header or a row label gives in brackets or behind a comma (`Startup time (ms)`).

    Args:
        dimension: That of the unit; None for any.
    """
    for found in _IN_BRACKETS.finditer(plain_text(label[:MAX_LABEL])):
        words: list[str] = _UNIT_WORD.findall(found[1] or found[2])
        for word in words:
            if len(words) > 1 and word == "min":
                continue  # `(min, max)`
            if any(q.dimension and dimension in (None, q.dimension) for q in find_quantities(f"1 {word}")):
                return word
    return None


def _unit(table: SourceTable, roles: Mapping[str, int], index: int, column: int, metric: Metric) -> str | None:
    """Return the unit of a bare number in a cell: its column's, its row's, else that of the row's other side."""
    cells = table.rows[index]
    label = cells[roles[METRIC]].text if roles[METRIC] < len(cells) else ""
    for text in (table.header[column].text, label):
        unit = stated_unit(text, metric.unit)
        if unit is not None:
            return unit
    others = [cell for n, cell in enumerate(cells[:MAX_COLUMNS]) if n not in roles.values()]
    for cell in others:
        word = plain_text(cell.text[:MAX_LABEL])
        if _UNIT_WORD.fullmatch(word) and any(q.dimension == metric.unit for q in find_quantities(f"1 {word}")):
            return word
    sides = [n for role, n in roles.items() if role not in (METRIC, DERIVED, OTHER) and n != column and n < len(cells)]
    return next((unit for n in sides if (unit := _unit_of_other(cells[column], cells[n], metric))), None)


def _unit_of_other(cell: SourceCell, other: SourceCell, metric: Metric) -> str | None:
    """Return the unit of the other side's number where this one is bare and not far from it: `4.5 MB | 2.4`."""
    plain = plain_text(cell.text[:MAX_LABEL])
    bare = find_quantities(plain, most=2)
    if len(bare) != 1 or bare[0].dimension is not None or re.search(r"[^\W\d_]", plain):
        return None
    named = next((q for q in find_quantities(plain_text(other.text[:MAX_LABEL]), most=2) if q.dimension), None)
    if named is None or named.dimension != metric.unit or named.written_unit is None or named.value <= 0:
        return None
    completed = in_unit(bare[0], named.written_unit)
    if completed is None or not 1 / SAME_UNIT_WITHIN <= completed.value / named.value <= SAME_UNIT_WITHIN:
        return None
    return named.written_unit


def _read_subject(
    cell: SourceCell, metric: Metric, subject: str, unit: str | None
) -> Iterator[tuple[Reading, str | None]]:
    base = default_base(metric, subject, cell.text)
    for reading in read_cell(cell.text, Expectation(metric.unit, base, unit)):
        yield _meant(reading, base), notion_of(reading.words, metric.notions)


def _meant(reading: Reading, base: Base) -> Reading:
    """Note the meaning in which an ambiguous label was read; a spread (`±`) keeps the range of both."""
    ambiguous = reading.unit == "byte" and label_scales(reading.written_unit or "") is not None
    return replace(reading, meaning=base) if ambiguous and reading.value is not None and not reading.spread else reading


_CHANGE = re.compile(r"[Δδ]|\b(?:delta|change|diff)|изменени|разниц", re.IGNORECASE)
_IMPROVEMENT = re.compile(r"\b(?:improve|reduc|saving|gain)|улучшени|экономи|выигрыш", re.IGNORECASE)


def _read_derived(
    cell: SourceCell, header: SourceCell, row: Row, sides: Mapping[str, Sequence[tuple[Reading, str | None]]], lab: Lab
) -> Iterator[tuple[Reading, str | None]]:
    assert row.derived is not None
    names = [n for n in re.findall(r"[a-z][\w-]*", row.derived.formula) if n in lab.subjects]
    first, second = (*dict.fromkeys(names), "", "")[:2]
    subjects = lab.table.columns.subjects
    comparison = Comparison(
        tuple(n.lower() for n in subjects.get(first, ())),
        tuple(n.lower() for n in subjects.get(second, ())),
        change=bool(_CHANGE.search(header.text)) and not _IMPROVEMENT.search(header.text),
        reduction=_reduction(sides.get(first, ()), sides.get(second, ())),
    )
    unit = stated_unit(header.text, row.derived.unit)
    for reading in read_derived_cell(cell.text, Expectation(row.derived.unit, unit=unit), comparison):
        yield reading, None


def _reduction(
    reference: Sequence[tuple[Reading, str | None]], candidate: Sequence[tuple[Reading, str | None]]
) -> float | None:
    """Return by how many percent the candidate's preferred number is the smaller one, None without both."""
    ends = [next((r.value for r, _ in side if r.preferred), None) for side in (reference, candidate)]
    whole, part = (end if isinstance(end, int | float) else None for end in ends)
    return None if whole is None or part is None or whole <= 0 else 100 * (whole - part) / whole


def default_base(metric: Metric, subject: str, text: str) -> Base:
    """Return what `MB` usually stands for in a cell."""
    plain = plain_text(text)
    first = next((q for q in find_quantities(plain) if q.ambiguous), None)
    return usual_base(metric, subject, notion_of(plain, metric.notions), first)


def usual_base(metric: Metric, subject: str, notion: str | None, size: Printed | None) -> Base:
    """Return what `MB` usually stands for: the value until the report's own output or a known value says otherwise.

    `ls -lh`, `docker stats` and `ctr` count in powers of 1024, and so does who divides by 1024 by hand.  Docker's
    own columns of image sizes count in powers of 1000.  Source: the tools' output for the lab's own artifacts.
    """
    if metric.source != "image" or (notion is not None and notion not in DECIMAL_NOTIONS):
        return "binary"
    if notion is None and metric.arms.get(subject, ("",))[0] != DOCKER_ARM:
        return "binary"
    by_hand = size is not None and (size.digits > DOCKER_DIGITS or (size.written_unit or "")[:1] in "kKкК")
    return "binary" if by_hand and notion is None else "decimal"


def notion_of(words: str, notions: Sequence[str]) -> str | None:
    """Return the first notion that the words name: all parts of its id in order, else its last part alone."""
    text = words.casefold()
    for notion in notions:
        if re.search(r"\b.*?\b".join(re.escape(part) for part in notion.split("_")), text[:500]):
            return notion
    for notion in notions:
        last = notion.rpartition("_")[2]
        if len(last) >= 5 and re.search(rf"\b{re.escape(last)}\b", text):
            return notion
    return None


def notions_in(words: str, notions: Sequence[str]) -> list[str]:
    """Return every notion of which the words name all parts, or the last one where that is a word of its own."""
    text = words.casefold()[:500]
    full = [n for n in notions if re.search(r"\b.{0,20}?\b".join(re.escape(part) for part in n.split("_")), text)]
    return full or [n for n in (notion_of(text, notions),) if n is not None]
