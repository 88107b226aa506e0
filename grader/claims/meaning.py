"""Which of its meanings a label such as `MB` has in each claim, and the range of the printed digits in that meaning.

`MB` is 1000 x 1000 in `docker images`, 1024 x 1024 in `ls -lh`, PowerShell and an `awk` that divides twice, and
1000 x 1024 where somebody moved the point of a number of KiB (`819.9 KiB` as `0.82 MB`).  Asked in this order:

1. a single letter (`4.5M`) is what `ls` prints, and the words beside the number may name its tool;
2. the report's own output of the same quantity, nearest to the number in that meaning;
3. the values that the lab's files are known to give, of this quantity, then of another size of the same subject;
4. what the tool prints that the row's notes name;
5. the usual meaning for that quantity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from grader.model.lab import Lab, Metric
from grader.model.report import Claim, Meaning
from grader.units import label_scales

BY_WORDS, BY_OWN_OUTPUT, BY_KNOWN_VALUE, BY_NOTES, BY_DEFAULT = (
    "why.words",
    "why.own-output",
    "why.known-value",
    "why.notes",
    "why.usual",
)

UNIT_SLIP = "unit_slip"
"""Notion of a time whose unit is too small by a factor of 1000 to be possible."""

UNIT_SLIP_WHY = "why.unit-slip"
PRINTED_UNIT = "why.impossible-unit"
KNOWN_WITHIN = 0.012
"""How near a known value must be: half of the smallest step between two meanings of a label (KB: 2.4 %)."""

LS_FINEST = 0.01
"""Finest last digit, as a share of the number, that `ls -lh` prints: two digits below 10, whole numbers above."""

_MIXED_FROM = 1000**2


def meanings(claim: Claim) -> dict[Meaning, Claim]:
    """Return the claim in each meaning that its label may have; empty if it has only one."""
    if claim.unit != "byte" or claim.meaning is None or not claim.written_unit:
        return {}
    scales = label_scales(claim.written_unit)
    if scales is None or not isinstance(claim.value, int | float):
        return {}
    decimal, binary = scales
    by_meaning: dict[Meaning, int] = {"decimal": decimal, "binary": binary}
    if decimal == _MIXED_FROM:
        by_meaning["mixed"] = 1000 * 1024
    number = claim.value / by_meaning[claim.meaning]
    if len(claim.written_unit) == 1:
        by_meaning = {"binary": binary}
    return {meaning: _scaled(claim, number, meaning, scale, scales) for meaning, scale in by_meaning.items()}


def _scaled(claim: Claim, number: float, meaning: Meaning, scale: int, scales: tuple[int, int]) -> Claim:
    """Bring value and range, which so far holds both meanings, to one meaning."""
    low = claim.low if claim.low is None or claim.low <= 0 else claim.low / min(scales) * scale
    high = claim.high if claim.high is None else claim.high / max(scales) * scale
    if claim.qualifier == "<":
        high = number * scale
    if claim.qualifier == ">":
        low = number * scale
    return claim.model_copy(
        update={"value": _whole(number * scale), "low": _whole(low), "high": _whole(high), "meaning": meaning}
    )


def _whole(number: float | None) -> float | int | None:
    if number is None:
        return None
    near = round(number)
    return near if math.isclose(number, near, rel_tol=1e-12) else number


def with_meanings(claims: Sequence[Claim], lab: Lab, notes: Mapping[int, str]) -> Iterator[Claim]:
    """Yield the claims with one meaning each; `notes` are the words of a table's row by its line."""
    settled = [c for c in claims if c.meaning is None and c.unit == "byte" and _has_number(c)]
    told = [_by_words(c) for c in claims if c.source != "table" and c.meaning is not None]
    evidence = _by_id([*settled, *(c for c in told if c is not None)])
    for claim in claims:
        options = meanings(claim)
        if not options:
            yield claim
            continue
        others = [c for c in evidence.get(claim.id, ()) if c.line != claim.line or c.file != claim.file]
        chosen = _by_words(claim) or _nearest(options, others) or _known(options, claim.id, lab)
        chosen = chosen or _by_notes(claim, options, notes.get(claim.line, "")) or _usual(claim, options)
        yield _copied_from_ls(chosen, lab)


def _has_number(claim: Claim) -> bool:
    return isinstance(claim.value, int | float) and claim.value > 0


def _by_id(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    grouped: dict[str, list[Claim]] = {}
    for claim in claims:
        grouped.setdefault(claim.id, []).append(claim)
    return grouped


def _by_words(claim: Claim) -> Claim | None:
    """Return the meaning that a single letter or the tool that printed the number settles."""
    options = meanings(claim)
    if not options:
        return None
    if len(options) == 1:
        return next(iter(options.values())).model_copy(update={"why": BY_WORDS})
    if claim.source != "table" and claim.notion is not None:
        return options[claim.meaning or "binary"].model_copy(update={"why": BY_WORDS})
    return None


def _nearest(options: Mapping[Meaning, Claim], others: Sequence[Claim]) -> Claim | None:
    """Return the meaning whose printed range meets another claim of the report, the nearest if several do."""
    best: tuple[float, Meaning] | None = None
    for meaning, option in options.items():
        for other in others:
            assert isinstance(option.value, int | float)
            assert isinstance(other.value, int | float)
            if not _meet(option, other) or (meaning == "mixed" and not _from_kib(option, other)):
                continue
            distance = abs(option.value - other.value) / other.value
            if best is None or distance < best[0]:
                best = distance, meaning
    return options[best[1]].model_copy(update={"why": BY_OWN_OUTPUT}) if best else None


def _from_kib(option: Claim, other: Claim | None = None) -> bool:
    """True where the number may be one of KiB with its point moved: below 1, or the report has it in KiB too."""
    assert isinstance(option.value, int | float)
    return option.value < _MIXED_FROM * 1.024 or (
        other is not None and (other.written_unit or "")[:1] in ("k", "K", "К")
    )


def _meet(option: Claim, other: Claim) -> bool:
    (low, high), (other_low, other_high) = option.bounds, other.bounds
    return low <= other_high and other_low <= high


def _known(options: Mapping[Meaning, Claim], claim_id: str, lab: Lab) -> Claim | None:
    subject = claim_id.partition(".")[0]
    own = [k.value for k in lab.known_values if k.id == claim_id]
    kin = [k.value for k in lab.known_values if k.id != claim_id and k.id.partition(".")[0] == subject]
    for values in (own, kin):
        near = [
            (abs(option.value - value) / value, meaning)
            for meaning, option in options.items()
            for value in values
            if isinstance(option.value, int | float) and value > 0 and (meaning != "mixed" or _from_kib(option))
        ]
        distance, meaning = min(near, default=(math.inf, "binary"))
        if distance <= KNOWN_WITHIN:
            return options[meaning].model_copy(update={"why": BY_KNOWN_VALUE})
    return None


_DECIMAL_TOOL = re.compile(r"\bdocker images\b|\bdisk usage\b|\bcontent size\b", re.IGNORECASE)
_BINARY_TOOL = re.compile(r"\binspect\b|\bls\b|\bctr\b|\bdocker stats\b|\bget-item\b|/1MB|/1024", re.IGNORECASE)


def _by_notes(claim: Claim, options: Mapping[Meaning, Claim], notes: str) -> Claim | None:
    decimal, binary = bool(_DECIMAL_TOOL.search(notes)), bool(_BINARY_TOOL.search(notes))
    if decimal == binary or claim.notion is not None:
        return None
    return options["decimal" if decimal else "binary"].model_copy(update={"why": BY_NOTES})


def _usual(claim: Claim, options: Mapping[Meaning, Claim]) -> Claim:
    assert claim.meaning is not None
    return options[claim.meaning].model_copy(update={"why": BY_WORDS if claim.notion else BY_DEFAULT})


def _copied_from_ls(claim: Claim, lab: Lab) -> Claim:
    """Widen the size of a file in two digits: `ls -lh` of GNU rounds up."""
    metric = lab.metrics.get(claim.id.partition(".")[2])
    if metric is None or metric.source != "artifact" or claim.meaning != "binary" or claim.qualifier is not None:
        return claim
    if not isinstance(claim.value, int | float) or claim.low is None or claim.high is None:
        return claim
    last_digit = claim.high - claim.low
    if last_digit < LS_FINEST * claim.value:
        return claim
    return claim.model_copy(update={"low": _whole(claim.value - last_digit)})


def with_possible_units(claims: Sequence[Claim], lab: Lab) -> Iterator[Claim]:
    """Yield the claims; a time below the metric's floor that 1000 times larger is none is read in that unit too.

    `0.932 ms` for the start of a container is 0.932 s: the loop prints seconds.  The printed reading is kept.
    """
    for claim in claims:
        metric = lab.metrics.get(claim.id.partition(".")[2])
        slipped = _slipped(claim, metric) if metric is not None else None
        if slipped is None:
            yield claim
        else:
            yield claim.model_copy(update={"preferred": False, "why": PRINTED_UNIT})
            yield slipped


def _slipped(claim: Claim, metric: Metric) -> Claim | None:
    if claim.unit != "second" or metric.floor is None or metric.ceiling is None or claim.qualifier in ("<", ">"):
        return None
    if not isinstance(claim.value, int | float) or not 0 < claim.value < metric.floor or claim.written_unit is None:
        return None
    if not metric.floor <= claim.value * 1000 <= metric.ceiling or claim.written_unit.casefold() in ("s", "sec", "с"):
        return None
    ends = {"value": claim.value, "low": claim.low, "high": claim.high}
    moved = {name: None if end is None else _whole(end * 1000) for name, end in ends.items()}
    return claim.model_copy(update={**moved, "notion": UNIT_SLIP, "why": UNIT_SLIP_WHY})
