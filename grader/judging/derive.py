"""Derived quantities: worked out again from the row's own cells, and from our facts.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.judging.expression import evaluate_range
from grader.model.grade import Fact, Quantity
from grader.model.lab import Derived, Lab
from grader.model.report import Claim

PERCENT = 100.0
"""Formulas give fractions; people and claims use percent."""


def recompute(lab: Lab, metric: str, derived: Derived, stated: Mapping[str, Claim]) -> Quantity | None:
    """Work a derived cell out from the cells of its own row.

    Returns: The value and the range that the printed digits of the inputs allow; None unless every input is a
        number and the formula has a value there.
    """
    ranges: dict[str, tuple[float, float]] = {}
    points: dict[str, tuple[float, float]] = {}
    for subject in lab.subjects:
        claim = stated.get(f"{subject}.{metric}")
        if claim is None or not isinstance(claim.value, int | float):
            return None
        points[subject] = (claim.value, claim.value)
        ranges[subject] = (
            claim.value if claim.low is None else claim.low,
            claim.value if claim.high is None else claim.high,
        )
    return _quantity(derived, points, ranges)


def derived_fact(lab: Lab, metric: str, derived: Derived, facts: Sequence[Fact]) -> Quantity | None:
    """Work a derived quantity out from the facts that stand for the lab's own quantities.

    A ratio of times that was measured in pairs is taken as measured, with its interval.
    Returns: None where an input is missing, stands in for another arm, or is of another compiler.
    """
    spec = lab.metrics[metric]
    points: dict[str, tuple[float, float]] = {}
    arms: list[str] = []
    for subject in lab.subjects:
        own = spec.arms.get(subject, ())
        if spec.tolerance == "usable":
            own = own[:1]
        found = next(
            (
                f
                for arm in own
                for f in facts
                if f.id == f"{subject}.{metric}@{arm}" and f.state == "measured" and f.comparable
            ),
            None,
        )
        if found is None or not isinstance(found.value, int | float):
            return None
        points[subject] = (found.value, found.value)
        arms.append(found.arm)
    paired = next((f for f in facts if f.id == f"{derived.id}@{'/'.join(arms)}" and f.state == "measured"), None)
    if paired is not None:
        low, high = (paired.interval.low, paired.interval.high) if paired.interval else (None, None)
        return Quantity(value=paired.value, low=low, high=high, unit=derived.unit, arm=paired.arm)
    return _quantity(derived, points, points)


def _quantity(
    derived: Derived, points: Mapping[str, tuple[float, float]], ranges: Mapping[str, tuple[float, float]]
) -> Quantity | None:
    point, interval = evaluate_range(derived.formula, points), evaluate_range(derived.formula, ranges)
    if point is None or interval is None:
        return None
    factor = PERCENT if derived.unit == "percent" else 1.0
    value = (point[0] + point[1]) / 2 * factor
    if points == ranges:
        return Quantity(value=value, unit=derived.unit)
    return Quantity(value=value, low=interval[0] * factor, high=interval[1] * factor, unit=derived.unit)
