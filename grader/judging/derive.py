"""Derived quantities: worked out again from the row's own cells, and from our facts.  Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product

from grader.judging.conventions import Pair, Range
from grader.judging.expression import Name, evaluate_formula, evaluate_range, leaves, parse_formula
from grader.model.grade import Fact, Quantity
from grader.model.lab import Derived, KnownValue, Lab
from grader.model.report import Claim
from grader.model.selection import facts_for, is_own_arm, notions_of
from grader.units import label_scales

SCALE = {"percent": 100.0, "ratio": 1.0}
"""Formulas give fractions; people and claims use percent."""


def recompute(
    lab: Lab, metric: str, derived: Derived, stated: Mapping[str, Claim], claims: Sequence[Claim] = ()
) -> Quantity | None:
    """Work a derived cell out from the cells of its own row.

    Args:
        stated: The preferred reading of each id.
        claims: Every reading; a cell with two numbers gives as many results.
    Returns: The value of the preferred readings and the range that the printed digits of all allow; None unless
        every input is a number above 0 and the formula has a value there.
    """
    found = input_ranges(lab, metric, stated, claims)
    formula, scale = derived.formula, SCALE[derived.unit]
    intervals = [evaluate_range(formula, ranges) for ranges in found]
    known = [interval for interval in intervals if interval is not None]
    chosen = _values_alike([stated.get(f"{subject}.{metric}") for subject in lab.subjects])
    if not known or None in intervals or chosen is None:
        return None
    value = evaluate_formula(formula, dict(zip(lab.subjects, chosen, strict=True)))
    if value is None:
        return None
    low, high = min(interval[0] for interval in known), max(interval[1] for interval in known)
    return Quantity(value=value * scale, low=low * scale, high=high * scale, unit=derived.unit)


def input_pairs(
    lab: Lab, metric: str, derived: Derived, stated: Mapping[str, Claim], claims: Sequence[Claim] = ()
) -> tuple[Pair, ...]:
    """Return every pair of inputs that a derived cell may have been worked out from; empty where one is missing."""
    order = sides(lab, derived)
    if order is None:
        return ()
    found = input_ranges(lab, metric, stated, claims)
    positive = [r for r in found if all(low > 0 for low, _ in r.values())]
    return tuple(Pair(reference=r[order[0]], candidate=r[order[1]]) for r in positive)


def reference_pairs(
    lab: Lab, metric: str, derived: Derived, facts: Sequence[Fact], known: Sequence[KnownValue]
) -> tuple[Pair, ...]:
    """Return the pairs of measured and known values of a row: measured ones of one notion, beside any known one."""
    order = sides(lab, derived)
    if order is None:
        return ()
    found: list[tuple[float, ...]] = []
    for notion in notions_of(lab, metric, facts) or (None,):
        values: list[list[float]] = []
        for subject in order:
            claim_id = f"{subject}.{metric}"
            fact = _own_fact(lab, claim_id, facts, notion)
            measured = [fact.value] if fact is not None and isinstance(fact.value, int | float) else []
            values.append([v for v in (*measured, *(k.value for k in known if k.id == claim_id)) if v > 0])
        found += product(*values)
    return tuple(Pair(reference=(t, t), candidate=(w, w)) for t, w in dict.fromkeys(found))


def sides(lab: Lab, derived: Derived) -> tuple[str, str] | None:
    """Return reference and candidate of a reduction or a factor; None for a formula of another shape."""
    tree = parse_formula(derived.formula, frozenset(lab.subjects))
    names = tuple(dict.fromkeys(leaf.name for leaf in leaves(tree) if isinstance(leaf, Name)))
    if len(names) != 2:
        return None
    for t, w in ((5.0, 2.0), (3.0, 7.0)):  # two points tell these two shapes from any other that people write
        expected = (t - w) / t if derived.unit == "percent" else t / w
        value = evaluate_formula(derived.formula, dict(zip(names, (t, w), strict=True)))
        if value is None or not math.isclose(value, expected):
            return None
    return names[0], names[1]


def input_ranges(
    lab: Lab, metric: str, stated: Mapping[str, Claim], claims: Sequence[Claim] = ()
) -> tuple[dict[str, Range], ...]:
    """Return by subject the ranges that a row's cells allow, one mapping per way to read them together.

    A label with two meanings, such as `MB`, is read the same way in cells that share it: nobody divides 2.4 MB by
    4.5 MB with two different megabytes.
    """
    rows: list[list[tuple[str, tuple[Range, ...]]]] = []
    for subject in lab.subjects:
        readings = _readings(f"{subject}.{metric}", stated, claims)
        rows.append([((c.written_unit or "").casefold(), _meanings(c)) for c in readings])
    found: list[dict[str, Range]] = []
    for chosen in product(*rows):
        same = len({unit for unit, _ in chosen}) == 1 and len({len(m) for _, m in chosen}) == 1
        together = zip(*(m for _, m in chosen), strict=True) if same else product(*(m for _, m in chosen))
        found += [dict(zip(lab.subjects, ranges, strict=True)) for ranges in together]
    return tuple(found)


def _readings(claim_id: str, stated: Mapping[str, Claim], claims: Sequence[Claim]) -> list[Claim]:
    """Return the preferred reading and the other numbers of its cell."""
    first = stated.get(claim_id)
    if first is None or not isinstance(first.value, int | float):
        return []
    others = [c for c in claims if c.id == claim_id and c.cell == first.cell is not None and c is not first]
    return [first, *(c for c in others if isinstance(c.value, int | float))]


def _meanings(claim: Claim) -> tuple[Range, ...]:
    """Return the ranges of a number, decimal first where its label has two meanings."""
    low, high = claim.bounds  # the caller took only numbers
    scales = label_scales(claim.written_unit or "") if claim.unit == "byte" else None
    if scales is None:
        return ((low, high),)
    decimal, binary = scales
    step = binary / decimal
    if claim.meaning is None and low > 0 and high >= low * step:  # the claim's range holds both meanings
        return (low, high / step), (low * step, high)
    scale = _scale(claim, decimal, binary)
    return (low / scale * decimal, high / scale * decimal), (low / scale * binary, high / scale * binary)


def _scale(claim: Claim, decimal: float, binary: float) -> float:
    """Return what the printed number was multiplied by; where the claim does not say, by the shorter figure."""
    assert isinstance(claim.value, int | float)  # the caller took only numbers
    if claim.meaning is not None:
        return {"decimal": decimal, "mixed": decimal * 1.024, "binary": binary}[claim.meaning]
    return decimal if _is_in(claim.value, decimal, binary) else binary


def _is_in(value: float, scale: float, other: float) -> bool:
    """Return whether a number was printed in units of `scale`: there it has no more digits than in the other."""
    return len(f"{value / scale:.9g}") <= len(f"{value / other:.9g}")


def _values_alike(stated: Sequence[Claim | None]) -> tuple[float, ...] | None:
    """Return the values of a row's cells with one meaning for a label that they share; None where a number lacks."""
    numbers = [c for c in stated if c is not None and isinstance(c.value, int | float)]
    if len(numbers) != len(stated):
        return None
    units = {(c.written_unit or "").casefold() for c in numbers}
    shared = len(units) == 1 and numbers[0].unit == "byte"
    scales = label_scales(numbers[0].written_unit or "") if shared else None
    values = [float(c.value) for c in numbers if isinstance(c.value, int | float)]
    if scales is None:
        return tuple(values)
    return tuple(v * scales[0] / _scale(c, *scales) for v, c in zip(values, numbers, strict=True))


def derived_fact(lab: Lab, metric: str, derived: Derived, facts: Sequence[Fact]) -> Quantity | None:
    """Work a derived quantity out from the facts that stand for the lab's own quantities.

    A ratio of times that was measured in pairs is taken as measured, with its interval.
    Returns: None where an input is missing, stands in for another arm, or is of another compiler.
    """
    chosen = _own_facts(lab, metric, facts)
    values = {str(f.subject): f.value for f in chosen if isinstance(f.value, int | float)}
    if len(values) != len(lab.subjects):
        return None
    arms = "/".join(fact.arm for fact in chosen)
    paired = next((f for f in facts if f.id == f"{derived.id}@{arms}" and f.state == "measured"), None)
    if paired is not None:
        return paired.quantity()
    value = evaluate_formula(derived.formula, values)
    notion = chosen[0].notion
    return None if value is None else Quantity(value=value * SCALE[derived.unit], unit=derived.unit, notion=notion)


def _own_facts(lab: Lab, metric: str, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return for each subject the measured fact of the very quantity that the lab asks for, by the lab's compiler.

    All are of one notion, the first of the lab's that every subject has: unpacked bytes set against compressed ones
    would flatter whichever side was read compressed.
    """
    for notion in notions_of(lab, metric, facts):
        sides = [_own_fact(lab, f"{subject}.{metric}", facts, notion) for subject in lab.subjects]
        found = tuple(side for side in sides if side is not None)
        if len(found) == len(sides):
            return found
    return ()


def _own_fact(lab: Lab, claim_id: str, facts: Sequence[Fact], notion: str | None) -> Fact | None:
    candidates = [f for f in facts_for(lab, claim_id, facts) if f.notion == notion]
    return next((f for f in candidates if f.state == "measured" and f.comparable and is_own_arm(lab, f)), None)
