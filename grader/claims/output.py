"""Claims outside the table: lines of text and JSON objects that a report holds.

A line of the lab's own report template is never a claim.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import accumulate

from grader.claims.markdown import Document
from grader.claims.scopes import LINE_LIMIT
from grader.model.lab import JsonClaim, TextClaim
from grader.model.report import EXAMPLE, Claim, Span
from grader.units import parse_quantity

LABEL_LIMIT = 120
"""Characters of a heading or a label; a longer line is prose."""

OBJECT_LIMIT = 4000
"""Characters between the braces of a JSON object."""

MAX_READINGS = 200
"""Readings kept of one id."""

OTHER_KEYS = "other_keys"
"""Notion of what a pasted object says whose keys are not those of the lab's program."""

_FLAT_OBJECT = re.compile(rf"\{{[^{{}}]{{1,{OBJECT_LIMIT}}}\}}")
EXAMPLE_WORD = re.compile(r"\b(?:example|placeholder|sample|expected|e\.g\.|пример|например|ожидаем)", re.IGNORECASE)


def normal_line(line: str) -> str:
    """Return a line as it is compared with the template's: trimmed, single spaces, lower case."""
    return " ".join(line.split()).casefold()


def text_claims(document: Document, wanted: Sequence[TextClaim], template: Set[str]) -> Iterator[Claim]:
    """Yield what the lab's patterns find, line by line; the first of an id that is no example is preferred."""
    patterns = [(spec, re.compile(spec.pattern)) for spec in wanted]
    found: list[tuple[Claim, bool]] = []
    label = ""
    counts: Counter[tuple[str, bool]] = Counter()
    for number, line in enumerate(document.lines):
        if not line or line.isspace() or not patterns:
            continue
        hits = [(spec, m) for spec, p in patterns if (m := p.search(line[:LINE_LIMIT])) and m["value"]]
        hits = hits or _under_label(patterns, label, line)
        label = _label(line) or label
        if hits and normal_line(line) not in template:
            counts.update((spec.id, spec.weak) for spec, _ in hits)
            kept = [(s, m) for s, m in hits if counts[s.id, s.weak] <= MAX_READINGS]
            found.extend((_text_claim(document, number, s, m), s.weak) for s, m in kept)
    strong = {claim.id for claim, weak in found if not weak}
    yield from with_one_preferred([claim for claim, weak in found if not weak or claim.id not in strong])


def _label(line: str) -> str:
    """Return the words of a heading or of a line that ends with a colon; empty for any other line."""
    text = line[:LABEL_LIMIT].strip().strip("*_`# ")
    return text.rstrip(":") if line.lstrip().startswith("#") or text.endswith(":") or line.strip()[:2] == "**" else ""


def _under_label(
    patterns: Sequence[tuple[TextClaim, re.Pattern[str]]], label: str, line: str
) -> list[tuple[TextClaim, re.Match[str]]]:
    """Search a line of a single word as if the label above it stood before it: `0.39.0` below `TinyGo version`."""
    word = line.strip().strip("*`_-+ ")
    if not label or not word or len(word) > LABEL_LIMIT or " " in word or "](" in word:
        return []
    joined = f"{label}: {word}"
    hits = [(spec, m) for spec, p in patterns if (m := p.search(joined)) and m["value"]]
    return [(spec, m) for spec, m in hits if m.start("value") > len(label) and not spec.weak]


def _text_claim(document: Document, number: int, spec: TextClaim, match: re.Match[str]) -> Claim:
    line = document.lines[number][:LINE_LIMIT]
    quote = line.strip()
    start = line.index(quote)
    read = parse_quantity(match["value"], spec.unit) if spec.unit else None
    unit = spec.unit if read else None
    value = read.value if read else None if spec.unit else match["value"]
    stands_for = None if value is not None else match["value"]
    return Claim(
        id=spec.id,
        value=value,
        low=read.low if read else None,
        high=read.high if read else None,
        unit=unit,
        written_unit=read.written_unit if read else None,
        notion=spec.notion,
        qualifier=EXAMPLE if EXAMPLE_WORD.search(line) else stands_for,
        preferred=False,
        quote=quote,
        line=number + 1,
        source=spec.source,
        span=document.span(number, start, start + len(quote)),
    )


def json_claims(document: Document, wanted: Sequence[JsonClaim], template: Set[str]) -> Iterator[Claim]:
    """Yield the wanted key of every flat JSON object with all the given keys, in a fence or not.

    An object of as many keys like them is the output of another program; it is preferred only without one of the own.
    """
    if not wanted:
        return
    text = "\n".join(document.lines)
    firsts = list(accumulate((len(line) + 1 for line in document.lines), initial=0))
    found: list[Claim] = []
    counts: Counter[str] = Counter()
    number = 0
    for match in _FLAT_OBJECT.finditer(text):
        values = _parse_object(match[0])
        specs = [(spec, key) for spec in wanted if values is not None and (key := _key(spec, values)) is not None]
        if not specs or values is None:
            continue
        while firsts[number + 1] <= match.start():
            number += 1
        if normal_line(document.lines[number]) in template:
            continue
        last = number
        while firsts[last + 1] < match.end():
            last += 1
        span = Span(
            start=document.span(number, 0, match.start() - firsts[number]).end,
            end=document.span(last, 0, match.end() - firsts[last]).end,
        )
        counts.update(spec.id for spec, _ in specs)
        for spec, key in ((s, k) for s, k in specs if counts[s.id] <= MAX_READINGS):
            found.append(
                Claim(
                    id=spec.id,
                    value=values[key],
                    notion=None if key == spec.key else OTHER_KEYS,
                    preferred=False,
                    quote=match[0][:LINE_LIMIT],
                    line=number + 1,
                    source="output",
                    span=span,
                )
            )
    own = {claim.id for claim in found if claim.notion is None}
    ranked = [c.model_copy(update={"preferred": c.notion is None}) if c.id in own else c for c in found]
    yield from with_one_preferred(ranked)


def _key(spec: JsonClaim, values: Mapping[str, str]) -> str | None:
    """Return the key whose value is the claim: the wanted one, or one like it in another program's object."""
    if set(spec.keys) | {spec.key} <= values.keys():
        return spec.key
    if spec.similar is None or len(values) < len(spec.keys):
        return None
    like = [key for key in values if re.search(spec.similar, key[:LABEL_LIMIT]) and values[key]]
    return max(like, key=lambda key: len(values[key])) if len(like) >= len(spec.keys) else None


def _parse_object(text: str) -> dict[str, str] | None:
    """Return a JSON object's values as text, None if this is none."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):  # ValueError also for a number of thousands of digits
        return None
    if not isinstance(values, dict):
        return None
    return {key: _as_text(value) for key, value in values.items()}


def _as_text(value: object) -> str:
    """Return a string as it is and the rest as JSON; a lone surrogate, which cannot be stored, becomes `?`."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


def with_one_preferred(claims: Sequence[Claim]) -> Iterator[Claim]:
    """Yield the claims, of each id exactly one preferred: the marked one, else the best without a mark.

    A stated value comes before none, the report's before that of a file beside it, one without a qualifier before one
    with it; of equals the first.
    """
    best: dict[str, tuple[tuple[bool, bool, bool, bool], int]] = {}
    for index, claim in enumerate(claims):
        rank = (claim.preferred, claim.stated, claim.file is None, claim.qualifier is None)
        if claim.id not in best or rank > best[claim.id][0]:
            best[claim.id] = (rank, index)
    chosen = {index for _, index in best.values()}
    for index, claim in enumerate(claims):
        wanted = index in chosen
        yield claim if claim.preferred == wanted else claim.model_copy(update={"preferred": wanted})
