"""Derived quantities: worked out again from the row's own cells, and from our facts.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.judging.expression import evaluate_formula, evaluate_range
from grader.model.grade import Fact, Quantity
from grader.model.lab import Derived, Lab
from grader.model.report import Claim
from grader.model.selection import facts_for, is_own_arm, notions_of

SCALE = {"percent": 100.0, "ratio": 1.0}
"""Formulas give fractions; people and claims use percent."""


def recompute(lab: Lab, metric: str, derived: Derived, stated: Mapping[str, Claim]) -> Quantity | None:
    """Work a derived cell out from the cells of its own row.

    Returns: The value and the range that the printed digits of the inputs allow; None unless every input is a
        number and the formula has a value there.
    """
    values: dict[str, float] = {}
    ranges: dict[str, tuple[float, float]] = {}
    for subject in lab.subjects:
        claim = stated.get(f"{subject}.{metric}")
        if claim is None or not isinstance(claim.value, int | float):
            return None
        values[subject] = claim.value
        ranges[subject] = (
            claim.value if claim.low is None else claim.low,
            claim.value if claim.high is None else claim.high,
        )
    value, interval = evaluate_formula(derived.formula, values), evaluate_range(derived.formula, ranges)
    if value is None or interval is None:
        return None
    scale = SCALE[derived.unit]
    return Quantity(value=value * scale, low=interval[0] * scale, high=interval[1] * scale, unit=derived.unit)


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
