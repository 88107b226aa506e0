"""Set each claim against the facts and the reference values: claims, facts -> verdicts.

The order of the questions is the same for every size: is anything stated; does our own fact agree; does any other
notion or known value of that quantity agree; only then is it contradicted.  Times and memory are never
contradicted by how fast or small they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.judging.derive import derived_fact, recompute
from grader.model.base import Message
from grader.model.grade import Circumstances, Fact, Quantity, Verdict
from grader.model.lab import Derived, KnownValue, Lab, Metric
from grader.model.report import Claim, preferred_claims
from grader.model.selection import arms_of, best_fact, is_own_arm

RELATIVE_TOLERANCE = 0.05
"""Sizes agree within 5 %: the labels MB and MiB are used for each other (design contract, `contradicted`)."""

RATIO_TOLERANCE = 0.05
"""Derived cells: students round the inputs before they divide, so the last digit of both is open."""

EXACT_UNITS = frozenset({"B", "byte", "bytes", "б", "байт", "байта", "байтов"})
"""Units in which a size is an exact count, which leaves no room for rounding."""


def judge_claims(
    lab: Lab, claims: Sequence[Claim], facts: Sequence[Fact], circumstances: Circumstances
) -> tuple[Verdict, ...]:
    """Return one verdict per quantity that the lab's table or texts ask for, in the lab's order."""
    stated = preferred_claims(claims)
    verdicts: list[Verdict] = []
    for row in lab.table.rows:
        metric = lab.metrics.get(row.metric) if row.metric else None
        if metric is not None and row.metric:
            verdicts += [
                _judge_measured(lab, metric, f"{subject}.{row.metric}", stated, facts, circumstances)
                for subject in lab.subjects
                if subject in metric.arms
            ]
        if row.derived is not None and row.metric:
            verdicts.append(_judge_derived(lab, row.metric, row.derived, stated, facts))
    seen = {v.id for v in verdicts}
    verdicts += [_judge_text(lab, claim, facts) for claim in stated.values() if claim.id not in seen]
    return tuple(verdicts)


def _judge_measured(
    lab: Lab,
    metric: Metric,
    claim_id: str,
    stated: Mapping[str, Claim],
    facts: Sequence[Fact],
    circumstances: Circumstances,
) -> Verdict:
    claim, fact = stated.get(claim_id), best_fact(lab, claim_id, facts)
    base = Verdict(
        id=claim_id,
        verdict="missing",
        claimed=claimed_quantity(claim),
        measured=measured_quantity(fact),
        fact=fact.id if fact else None,
        reason=Message(code="verdict.missing"),
    )
    if claim is None or claim.placeholder:
        return base
    if claim.value is None:
        return _decide(base, "unverifiable", "verdict.no-number", qualifier=claim.qualifier or "")
    if metric.tolerance == "printed":
        return _judge_size(lab, base, claim, fact, circumstances)
    return _judge_usable(lab, base, fact)


def _judge_size(lab: Lab, base: Verdict, claim: Claim, fact: Fact | None, circumstances: Circumstances) -> Verdict:
    known = _known_values(lab, base.id, circumstances)
    own = fact if fact is not None and fact.state == "measured" and fact.comparable else None
    exact = _is_exact(claim)
    tolerance = 0.0 if exact else RELATIVE_TOLERANCE
    if own is not None and isinstance(own.value, int | float):
        if _encloses(claim, own.value):
            return _decide(base, "reproduced", "verdict.reproduced", basis=_basis(own), tolerance=tolerance)
        if not exact and _near(claim, own.value, tolerance):
            return _decide(base, "consistent", "verdict.near", basis=_basis(own), tolerance=tolerance)
    for value in known:
        if _encloses(claim, value.value) or (not exact and _near(claim, value.value, tolerance)):
            return _decide(
                base, "consistent", "verdict.known-value", basis="known", tolerance=tolerance, notion=value.notion
            )
    if own is not None:
        return _decide(base, "contradicted", "verdict.contradicted", basis=_basis(own), tolerance=tolerance)
    if known:
        return _decide(base, "contradicted", "verdict.outside-known", basis="known", tolerance=tolerance)
    if fact is not None and fact.state == "measured":
        return _decide(base, "unverifiable", "verdict.other-compiler", compiler=fact.compiler or "")
    return _not_run(base, fact)


def _judge_usable(lab: Lab, base: Verdict, fact: Fact | None) -> Verdict:
    if fact is None or fact.state != "measured":
        return _not_run(base, fact)
    if not is_own_arm(lab, fact):
        own = next(iter(arms_of(lab, base.id)), "")
        return _decide(base, "unverifiable", "verdict.other-arm", arm=fact.arm, own=own)
    if not fact.comparable:
        return _decide(base, "unverifiable", "verdict.other-compiler", compiler=fact.compiler or "")
    return _decide(base, "consistent", "verdict.usable", basis="rebuild")


def _judge_derived(
    lab: Lab, metric: str, derived: Derived, stated: Mapping[str, Claim], facts: Sequence[Fact]
) -> Verdict:
    claim = stated.get(derived.id)
    fact = derived_fact(lab, metric, derived, facts)
    again = recompute(lab, metric, derived, stated)
    base = Verdict(
        id=derived.id,
        verdict="missing",
        claimed=claimed_quantity(claim),
        recomputed=again,
        measured=fact,
        reason=Message(code="verdict.missing"),
    )
    if claim is None or claim.placeholder:
        return base
    if claim.value is None:
        return _decide(base, "unverifiable", "verdict.no-number", qualifier=claim.qualifier or "")
    measured = fact is not None and _derived_agrees(derived, claim, fact)
    if again is None:
        if measured:
            return _decide(base, "reproduced", "verdict.reproduced", basis="rebuild", tolerance=RATIO_TOLERANCE)
        return _decide(base, "unverifiable", "verdict.no-inputs")
    if not _derived_agrees(derived, claim, again):
        return _decide(base, "contradicted", "verdict.own-cells", basis="own_cells", tolerance=RATIO_TOLERANCE)
    if measured:
        return _decide(base, "reproduced", "verdict.reproduced", basis="own_cells", tolerance=RATIO_TOLERANCE)
    return _decide(base, "consistent", "verdict.own-cells-agree", basis="own_cells", tolerance=RATIO_TOLERANCE)


def _judge_text(lab: Lab, claim: Claim, facts: Sequence[Fact]) -> Verdict:
    fact = best_fact(lab, claim.id, facts)
    base = Verdict(
        id=claim.id,
        verdict="not_run",
        claimed=claimed_quantity(claim),
        measured=measured_quantity(fact),
        fact=fact.id if fact else None,
        reason=Message(code="verdict.not-run", params={"why": ""}),
    )
    if claim.placeholder:
        return _decide(base, "missing", "verdict.missing")
    expected = lab.toolchains.get(claim.id.removesuffix(".version")) if claim.id.endswith(".version") else None
    if expected is not None:
        if claim.value == expected:
            return _decide(base, "consistent", "verdict.lab-version", basis="known", expected=expected)
        return _decide(base, "unverifiable", "verdict.other-version", expected=expected)
    if fact is not None and fact.state == "measured":
        return _decide(base, "consistent", "verdict.same-command", basis="rebuild")
    if fact is None:
        return _decide(base, "unverifiable", "verdict.nothing-to-compare")
    return _not_run(base, fact)


def _derived_agrees(derived: Derived, claim: Claim, other: Quantity) -> bool:
    """True if the claimed range meets the other's; a factor may be told the other way round."""
    low, high = _range(claim.value, claim.low, claim.high)
    other_low, other_high = _range(other.value, other.low, other.high)
    slack = 1.0 if derived.unit == "percent" else RATIO_TOLERANCE * max(abs(other_low), abs(other_high))
    if low - slack <= other_high and other_low <= high + slack:
        return True
    if derived.unit == "percent":
        return _meets(-high, -low, other_low, other_high, slack)
    if low <= 0:
        return False
    return _meets(1 / high, 1 / low, other_low, other_high, slack)


def _meets(low: float, high: float, other_low: float, other_high: float, slack: float) -> bool:
    return low - slack <= other_high and other_low <= high + slack


def claimed_quantity(claim: Claim | None) -> Quantity | None:
    """Return the claim's side of a verdict; None where nothing is stated."""
    if claim is None or claim.value is None:
        return None
    return Quantity(value=claim.value, low=claim.low, high=claim.high, unit=claim.unit, notion=claim.notion)


def measured_quantity(fact: Fact | None) -> Quantity | None:
    """Return the fact's side of a verdict; None unless it was measured."""
    return fact.quantity() if fact is not None and fact.state == "measured" else None


def _known_values(lab: Lab, claim_id: str, circumstances: Circumstances) -> tuple[KnownValue, ...]:
    if not circumstances.known_values_apply:
        return ()
    return tuple(k for k in lab.known_values if k.id == claim_id)


def _basis(fact: Fact) -> str:
    return "artifact" if fact.arm == "committed" else "rebuild"


def _is_exact(claim: Claim) -> bool:
    return (claim.written_unit or "").lower() in {u.lower() for u in EXACT_UNITS} and claim.qualifier is None


def _encloses(claim: Claim, value: float) -> bool:
    low, high = _range(claim.value, claim.low, claim.high)
    return low <= value <= high


def _near(claim: Claim, value: float, tolerance: float) -> bool:
    low, high = _range(claim.value, claim.low, claim.high)
    return low * (1 - tolerance) <= value <= high * (1 + tolerance)


def _range(value: object, low: float | None, high: float | None) -> tuple[float, float]:
    middle = float(value) if isinstance(value, int | float) else 0.0
    return (middle if low is None else low), (middle if high is None else high)


def _not_run(base: Verdict, fact: Fact | None) -> Verdict:
    if fact is None or fact.reason is None:
        return _decide(base, "not_run", "verdict.nothing-to-compare")
    return base.model_copy(update={"verdict": "not_run", "reason": fact.reason})


def _decide(
    base: Verdict,
    verdict: str,
    code: str,
    *,
    basis: str | None = None,
    tolerance: float | None = None,
    **params: str,
) -> Verdict:
    return Verdict.model_validate(
        base.model_dump()
        | {
            "verdict": verdict,
            "basis": basis,
            "tolerance": tolerance,
            "reason": Message(code=code, params=dict(params)),
        }
    )
