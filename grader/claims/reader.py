"""The bytes of a report -> everything it claims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from grader.claims.htmltable import html_tables
from grader.claims.layout import loose_tables, looser_tables
from grader.claims.markdown import Document, SourceTable, read_document, tables_in_broken_fences
from grader.claims.meaning import with_meanings, with_possible_units
from grader.claims.output import EXAMPLE_WORD, json_claims, normal_line, text_claims, with_one_preferred
from grader.claims.parse import no_answer, plain_text
from grader.claims.pictures import pictures
from grader.claims.scopes import LINE_LIMIT
from grader.claims.statements import Found, statement_claims
from grader.claims.table import FoundComparison, find_comparison
from grader.claims.vocabulary import Vocabulary, vocabulary
from grader.errors import IntakeError
from grader.model.base import digest
from grader.model.lab import Lab
from grader.model.report import PLACEHOLDERS, Claim, Rejected, ReportReading, own_text
from grader.model.submission import REPORT_BYTES

NO_TEXT = "rejected.no-text"
EXAMPLE_REACH = 6
"""Lines above a table in which the words that introduce it are looked for."""

NOTE_CP1251 = "claims.encoding-cp1251"
NOTE_BROKEN_FENCE = "claims.table-in-code"
NOTE_NO_TABLE = "claims.no-table"

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CODE = re.compile(r"`[^`]*`")
_NO_PROSE = re.compile(r"!\[[^\]]{0,500}\]\([^)]{0,2000}\)|\]\([^)]{0,2000}\)|https?://\S+|<[^<>]{0,500}>")


def read_report(
    data: bytes,
    lab: Lab,
    template: str,
    *,
    max_bytes: int = REPORT_BYTES,
    name: str = "report",
    evidence: Mapping[str, bytes] | None = None,
) -> ReportReading:
    """Read a report.

    Args:
        template: The lab's report template; what a report has in common with it is not the student's.
        max_bytes: Largest report that is read.
        name: What errors call the report.
        evidence: Files of output beside the report, by name; one that is no text is left out with a note.

    Raises: IntakeError for a report over the cap or one that is no text.
    """
    if len(data) > max_bytes:
        raise IntakeError(
            f"the report has {len(data):,} bytes, more than the {max_bytes:,} that are read",
            where=name,
            hint=f"hand in text without embedded files, or read it anyway with `--max-report-bytes {len(data)}`",
        )
    document = read_document(data, name)
    notes = [NOTE_CP1251] if document.encoding == "cp1251" else []
    found, tables, code = find_tables(document, lab)
    notes += code
    notes += [] if found else [NOTE_NO_TABLE]
    compared = found.lines if found else frozenset()
    known = frozenset(normal_line(line) for line in template.splitlines())
    words = vocabulary(lab)
    stated = statement_claims(document, tables, compared, lab, words, known)
    claims = [
        *(found.claims if found else ()),
        *stated.claims,
        *text_claims(document, (*lab.texts, *lab.evidence), known),
        *json_claims(document, lab.outputs, known),
    ]
    beside = [_beside(file, content, lab, words, known) for file, content in sorted((evidence or {}).items())]
    claims += [claim for found_there in beside for claim in found_there.claims]
    claims = list(with_possible_units(tuple(with_meanings(claims, lab, found.notes if found else {})), lab))
    return ReportReading(
        sha256=digest(data),
        size=len(data),
        encoding=document.encoding,
        table=found.table if found else None,
        claims=tuple(_in_order(claims)),
        own_words=count_own_words(document, template),
        pictures=pictures(document),
        notes=tuple(notes),
        rejected=(*stated.rejected, *(rejected for found_there in beside for rejected in found_there.rejected)),
    )


def _is_answer(claim: Claim) -> bool:
    return claim.stated or no_answer(plain_text(claim.quote)) is not None


def find_tables(document: Document, lab: Lab) -> tuple[FoundComparison | None, tuple[SourceTable, ...], list[str]]:
    """Return the comparison, every table that was looked at, and a note where it lay in code.

    Code and plain text are searched only where Markdown's own tables hold no comparison.
    """
    written = (*document.tables, *html_tables(document, len(document.tables)))
    tables, note = written, []
    found = find_comparison(tables, lab, example_tables(document, tables))
    if found is None and document.broken_fences:
        tables = tables_in_broken_fences(document)
        found = find_comparison(tables, lab, example_tables(document, tables))
        note = [NOTE_BROKEN_FENCE]
    if found is None:
        taken = frozenset(line for table in written for line in table.lines)
        tables = (*written, *loose_tables(document, len(written), taken))
        found = find_comparison(tables, lab, example_tables(document, tables))
        if found is None:
            looser = looser_tables(document, len(tables), taken)
            found = find_comparison(looser, lab, example_tables(document, looser))
            tables = (*tables, *(t for t in looser if found is not None and not found.lines.isdisjoint(t.lines)))
        in_code = found is not None and not found.lines.isdisjoint(document.code)
        note = [NOTE_BROKEN_FENCE] if in_code else []
    return found, tables, note if found else []


def example_tables(document: Document, tables: Sequence[SourceTable]) -> frozenset[int]:
    """Return the numbers of the tables that the nearest text above, within a few lines, calls an example."""
    numbers = set()
    for table in tables:
        above = document.lines[max(0, table.lines.start - EXAMPLE_REACH) : table.lines.start]
        words = next(
            (line for line in reversed(above) if line.strip() and not line.lstrip().startswith(("`", "~"))), ""
        )
        if EXAMPLE_WORD.search(words[:LINE_LIMIT]):
            numbers.add(table.number)
    return frozenset(numbers)


def _beside(file: str, content: bytes, lab: Lab, words: Vocabulary, known: Set[str]) -> Found:
    """Read a file of output; all of it is code."""
    try:
        read = read_document(content, file)
    except IntakeError:
        return Found(rejected=[Rejected(code=NO_TEXT, quote=file, line=1, file=file)])
    document = replace(read, code=frozenset(range(len(read.lines))), tables=())
    found = statement_claims(document, (), frozenset(), lab, words, known, file=file)
    others = [*text_claims(document, lab.texts, known), *json_claims(document, lab.outputs, known)]
    found.claims += [c.model_copy(update={"source": "file", "file": file, "preferred": False}) for c in others]
    return found


def _in_order(claims: list[Claim]) -> list[Claim]:
    """Return the claims in order of appearance, one preferred per id: the table's wins if it gives an answer.

    `N/A` is one; an empty cell or `see above` is none.
    """
    from_table = {c.id for c in claims if c.source == "table" and c.preferred and c.cell and _is_answer(c)}
    ranked = (
        c.model_copy(update={"preferred": False})
        if (c.id in from_table if c.source != "table" else not _is_answer(c))
        else c
        for c in claims
    )
    return sorted(with_one_preferred(tuple(ranked)), key=lambda c: (c.file or "", c.span.start))


def count_own_words(document: Document, template: str) -> int:
    """Count the words of prose and of table cells that the template does not have; code and links are not prose.

    Lines and cells are compared with the template's as a whole, apart from case and spacing.
    """
    lines = template.splitlines()
    known = frozenset(normal_line(line) for line in lines)
    known_cells = frozenset(normal_line(cell) for line in lines if "|" in line for cell in line.split("|"))
    in_table = {n for table in document.tables for n in table.lines}
    total = sum(_words(text) for table in document.tables for text in _own_cells(table, known_cells))
    for number, line in enumerate(document.lines):
        if number not in in_table and number not in document.code and normal_line(line) not in known:
            total += _words(line)
    return total


def _own_cells(table: SourceTable, known: Set[str]) -> Iterator[str]:
    for row in (table.header, *table.rows):
        for cell in row:
            own = own_text(cell.text)
            if own and normal_line(own) not in known:
                yield plain_text(own)


def _words(text: str) -> int:
    prose = _NO_PROSE.sub(" ", _CODE.sub(" ", text))
    return sum(word.upper() not in PLACEHOLDERS for word in _WORD.findall(prose))
