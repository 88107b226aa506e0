"""Where each value of a report was read, by which rule, and what was left out: plain lines for a person.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from grader.model.base import Language
from grader.model.grade import Quantity
from grader.model.lab import Lab
from grader.model.report import Claim, Meaning, ReportReading
from grader.render.catalogue import phrase
from grader.render.cells import quantity_text
from grader.render.comparison import first_upper
from grader.render.escape import one_line
from grader.render.labels import name_of, own_words, quantity_name

QUOTE = 90
"""Characters of a quote."""

MEANINGS: Mapping[Meaning, str] = {
    "binary": "meaning.binary",
    "decimal": "meaning.decimal",
    "mixed": "meaning.mixed",
}
MOST_SHOWN = 40
"""Readings beside the preferred one, and lines left out, that are told one by one."""


def explained(reading: ReportReading, lab: Lab, language: Language = "en") -> Iterator[str]:
    """Yield the lines: every claim with its readings, then what was not taken, then the pictures."""
    names = own_words(lab, language)
    grouped: dict[str, list[Claim]] = {}
    for claim in reading.claims:
        grouped.setdefault(claim.id, []).append(claim)
    for claim_id, claims in grouped.items():
        yield f"{first_upper(quantity_name(claim_id, names, language=language))} [{claim_id}]"
        chosen = next((c for c in claims if c.preferred), claims[0])
        yield f"  = {_reading(chosen, language)}"
        if len(claims) > 1:
            yield f"      {phrase(_preference(chosen, claims), language)}"
        yield from (f"    {_reading(c, language)}" for c in [c for c in claims if c is not chosen][:MOST_SHOWN])
    if reading.rejected:
        yield ""
        yield phrase("explain.not-taken", language, count=len(reading.rejected))
        for rejected in reading.rejected[:MOST_SHOWN]:
            place = _place(rejected.line, rejected.file, language)
            yield f"  {place}: {phrase(rejected.code, language)}: {one_line(rejected.quote, QUOTE)}"
    if reading.pictures:
        yield ""
        yield phrase("explain.pictures", language, count=len(reading.pictures))
        yield from (f"  {_place(p.line, None, language)}: {one_line(p.path, QUOTE)}" for p in reading.pictures)


def _reading(claim: Claim, language: Language) -> str:
    value = claim.qualifier or ""
    if claim.value is not None:
        mark = f" ({claim.qualifier})" if claim.qualifier else ""
        value = quantity_text(Quantity(value=claim.value, unit=claim.unit), language=language) + mark
    parts = [value, _place(claim.line, claim.file, language), f"`{one_line(claim.quote, QUOTE)}`"]
    if claim.notion is not None:
        parts.append(name_of("notion", claim.notion, language=language))
    if claim.meaning is not None:
        parts.append(phrase(MEANINGS[claim.meaning], language, unit=claim.written_unit or ""))
    if claim.why is not None:
        parts.append(phrase(claim.why, language))
    return "; ".join(parts)


def _preference(chosen: Claim, claims: Sequence[Claim]) -> str:
    """Return the code of the rule that preferred this one reading."""
    others = [c for c in claims if c is not chosen]
    if chosen.source == "table" and any(c.cell == chosen.cell for c in others):
        return "explain.same-cell"
    if chosen.source == "table":
        return "explain.table"
    if chosen.file is None and all(c.file is not None for c in others):
        return "explain.report"
    if any(c.stated and c.qualifier is not None for c in others) and chosen.qualifier is None:
        return "explain.plain"
    return "explain.first"


def _place(line: int, file: str | None, language: Language) -> str:
    if file is not None:
        return phrase("explain.file-line", language, file=file, line=line)
    return phrase("explain.line", language, line=line)
