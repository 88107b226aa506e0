"""Set each claim against the facts and the reference values: claims, facts -> verdicts.

The order of the questions is the same for every size: is anything stated; does our own fact agree; does any other
notion or known value of that quantity agree; only then is it contradicted.  Times and memory are never
contradicted by how fast or small they are, only by the output that the report itself shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.judging.conventions import PERCENT_POINTS, RATIO_TOLERANCE, Pair, agrees, has_number
from grader.judging.derive import derived_fact, input_pairs, recompute, reference_pairs
from grader.judging.given import Given
from grader.judging.imagesizes import both_counted, refuted
from grader.judging.ownoutput import RAW, RELATIVE_TOLERANCE, disagreeing, printed_of
from grader.model.base import Message, Scalar
from grader.model.grade import Circumstances, Fact, Quantity, Verdict
from grader.model.lab import Derived, KnownValue, Lab, Metric
from grader.model.report import Claim
from grader.model.selection import arms_of, best_fact, facts_for, is_own_arm

QUOTED = 120
"""Characters of the output that a reason quotes; its line is told too."""

SHORT_FIGURES = (1e6, float(2**20))
"""Units of which a count of bytes may be a figure with two decimals, worked out again; by chance 1 in 5000 is."""

IN_NOTION = {"verdict.reproduced": "verdict.reproduced-notion", "verdict.near": "verdict.near-notion"}
"""By reason, the one that says which of several sizes of that name agrees."""

BOUNDS = frozenset({"<", ">"})
"""Qualifiers of a claim that only says "at most" or "at least"."""


def judge_claims(
    lab: Lab, claims: Sequence[Claim], facts: Sequence[Fact], circumstances: Circumstances
) -> tuple[Verdict, ...]:
    """Return one verdict per quantity of the lab's table, in its order, then one per other claim that is stated.

    A quantity of the table that the report leaves out is `missing`; a text that it leaves out gets no verdict.
    """
    given = Given(lab, claims, facts, circumstances)
    verdicts: list[Verdict] = []
    for row in lab.table.rows:
        metric = lab.metrics.get(row.metric) if row.metric else None
        if metric is not None and row.metric:
            verdicts += [
                _judge_measured(given, metric, f"{subject}.{row.metric}")
                for subject in lab.subjects
                if subject in metric.arms
            ]
        if row.derived is not None and row.metric:
            verdicts.append(_judge_derived(given, row.metric, row.derived, {v.id: v for v in verdicts}))
    seen = {v.id for v in verdicts} | {text.id for text in lab.evidence}
    verdicts += [_judge_text(lab, claim, facts) for claim in given.stated.values() if claim.id not in seen]
    return tuple(verdicts)


def _judge_measured(given: Given, metric: Metric, claim_id: str) -> Verdict:
    claim = given.stated.get(claim_id)
    fact = best_fact(given.lab, claim_id, given.facts, claim.notion if claim is not None else None)
    base = Verdict(
        id=claim_id,
        verdict="missing",
        claimed=claimed_quantity(claim),
        measured=measured_quantity(fact),
        fact=fact.id if fact else None,
        reason=Message(code="verdict.missing"),
    )
    if claim is None or claim.placeholder:
        return _missing(base, given.circumstances)
    if not isinstance(claim.value, int | float):
        return _decide(base, "unverifiable", "verdict.no-number", qualifier=claim.qualifier or "")
    if metric.tolerance == "printed":
        return _judge_size(given, metric, base, claim)
    return _judge_usable(given, base, claim, fact)


def _missing(base: Verdict, circumstances: Circumstances) -> Verdict:
    """Leave it `missing`, and say so where the cell holds what a filling wrote."""
    if base.id not in circumstances.filled_claims:
        return base
    return _decide(base, "missing", "verdict.filled-by-grader")


def _judge_size(given: Given, metric: Metric, base: Verdict, claim: Claim) -> Verdict:
    known = given.known_values(base.id)
    there = [f for f in facts_for(given.lab, base.id, given.facts, claim.notion) if f.state == "measured"]
    own = [f for f in there if f.comparable and isinstance(f.value, int | float)]
    tolerance = _size_tolerance(claim)
    for fact in own:
        if _encloses(claim, _middle(fact.value)):
            return _agrees(base, fact, "reproduced", "verdict.reproduced", tolerance)
    for fact in own:
        if _near(claim, _middle(fact.value)):
            return _agrees(base, fact, "consistent", "verdict.near", tolerance)
    both = both_counted(own) if metric.source == "image" else None
    if both is not None and (_encloses(claim, both) or _near(claim, both)):
        return _decide(base, "consistent", "verdict.other-store", basis="rebuild", tolerance=tolerance)
    for value in sorted(known, key=lambda k: (k.notion != claim.notion, not _encloses(claim, k.value))):
        if is_known(claim, value):
            return _decide(
                base, "consistent", "verdict.known-value", basis="known", tolerance=tolerance, notion=value.notion
            )
    if own and (metric.source != "image" or _is_refuted(claim, own)):
        return _decide(base, "contradicted", "verdict.contradicted", basis=_basis(own[0]), tolerance=tolerance)
    if known:
        return _decide(base, "contradicted", "verdict.outside-known", basis="known", tolerance=tolerance)
    if own:
        return _decide(base, "unverifiable", "verdict.other-compression", tolerance=tolerance)
    if there:
        return _decide(base, "unverifiable", "verdict.other-compiler", compiler=there[0].compiler or "")
    return _not_run(base, best_fact(given.lab, base.id, given.facts))


def _agrees(base: Verdict, fact: Fact, verdict: str, code: str, tolerance: float | None) -> Verdict:
    """Decide by a fact that the claim agrees with; which of several sizes that was is said with it."""
    base = base.model_copy(update={"fact": fact.id, "measured": fact.quantity()})
    if fact.notion is None:
        return _decide(base, verdict, code, basis=_basis(fact), tolerance=tolerance)
    return _decide(base, verdict, IN_NOTION[code], basis=_basis(fact), tolerance=tolerance, notion=fact.notion)


def _is_refuted(claim: Claim, sizes: Sequence[Fact]) -> bool:
    low, high = claim.bounds
    slack = RELATIVE_TOLERANCE * abs(_middle(claim.value))
    return refuted(sizes, low - slack, high + slack, claim.notion)


def _judge_usable(given: Given, base: Verdict, claim: Claim, fact: Fact | None) -> Verdict:
    """Judge a time or a memory figure: never by how fast or small it is, but it must be what the report shows.

    A printed 0 is a failed measurement and contradicts nothing.
    """
    other = disagreeing(claim, given.claims)
    if other is not None and other.value != 0 and claim.source not in RAW:
        quote = other.quote[:QUOTED]
        return _decide(base, "contradicted", "verdict.own-output", basis="own_output", quote=quote, line=other.line)
    if fact is None or fact.state != "measured":
        return _not_run(base, fact)
    if not is_own_arm(given.lab, fact):
        own = next(iter(arms_of(given.lab, base.id)), "")
        return _decide(base, "unverifiable", "verdict.other-arm", arm=fact.arm, own=own)
    if not fact.comparable:
        return _decide(base, "unverifiable", "verdict.other-compiler", compiler=fact.compiler or "")
    return _decide(base, "consistent", "verdict.usable", basis="rebuild")


def _judge_derived(given: Given, metric: str, derived: Derived, done: Mapping[str, Verdict]) -> Verdict:
    lab, stated = given.lab, given.stated
    claim = stated.get(derived.id)
    fact = derived_fact(lab, metric, derived, given.facts)
    again = recompute(lab, metric, derived, stated, given.claims)
    base = Verdict(
        id=derived.id,
        verdict="missing",
        claimed=claimed_quantity(claim),
        recomputed=again,
        measured=fact,
        reason=Message(code="verdict.missing"),
    )
    if claim is None or claim.placeholder:
        return _missing(base, given.circumstances)
    if claim.value is None and not _in_another_form(claim, derived):
        return _decide(base, "unverifiable", "verdict.no-number", qualifier=claim.qualifier or "")
    measured = fact is not None and _derived_agrees(derived, claim, fact)
    if again is None:
        if measured:
            return _decide_derived(base, derived, "reproduced", "verdict.reproduced", "rebuild")
        return _decide(base, "unverifiable", "verdict.no-inputs")
    pairs = input_pairs(lab, metric, derived, stated, given.claims)
    if _follows(derived, claim, pairs) or (not pairs and _derived_agrees(derived, claim, again)):
        if measured:
            return _decide_derived(base, derived, "reproduced", "verdict.reproduced", "own_cells")
        return _decide_derived(base, derived, "consistent", "verdict.own-cells-agree", "own_cells")
    if any(_is_contradicted(done, f"{subject}.{metric}") for subject in lab.subjects):
        known = tuple(k for s in lab.subjects for k in given.known_values(f"{s}.{metric}"))
        if _follows(derived, claim, reference_pairs(lab, metric, derived, given.facts, known)):
            return _decide_derived(base, derived, "consistent", "verdict.follows-reference", "known")
        if any(
            _follows(derived, claim, input_pairs(lab, metric, derived, stated | {printed.id: printed}))
            for subject in lab.subjects
            for printed in _printed_otherwise(given, f"{subject}.{metric}", done)
        ):
            return _decide_derived(base, derived, "consistent", "verdict.follows-output", "own_output")
    return _decide_derived(base, derived, "contradicted", "verdict.own-cells", "own_cells")


def _is_contradicted(done: Mapping[str, Verdict], claim_id: str) -> bool:
    return claim_id in done and done[claim_id].verdict == "contradicted"


def _printed_otherwise(given: Given, claim_id: str, done: Mapping[str, Verdict]) -> tuple[Claim, ...]:
    """Return the outputs of the report that contradict a cell; empty where it is not they that do."""
    if claim_id not in done or done[claim_id].basis != "own_output" or not _is_contradicted(done, claim_id):
        return ()
    return printed_of(given.stated[claim_id], given.claims)


def _in_another_form(claim: Claim, derived: Derived) -> bool:
    """Return whether words stand for a number that is not of the row's unit, as `-129 % (slower)` for a factor."""
    words = claim.qualifier or ""
    return any(c.isdigit() for c in words) and has_number(words, derived.unit)


def follows_row(given: Given, claim: Claim) -> bool | None:
    """Return whether a derived cell is right for its own row; None for any other claim, and without the inputs."""
    rows = given.lab.table.rows
    row = next((r for r in rows if r.derived is not None and r.derived.id == claim.id), None)
    if row is None or row.derived is None or row.metric is None:
        return None
    pairs = input_pairs(given.lab, row.metric, row.derived, given.stated, given.claims)
    return _follows(row.derived, claim, pairs) if pairs else None


def _follows(derived: Derived, claim: Claim, pairs: Sequence[Pair]) -> bool:
    """Return whether a derived cell is right for one of the pairs, as written, in any convention."""
    text = claim.quote if has_number(claim.quote, derived.unit) else ""
    if not text:
        return any(_value_follows(derived, claim, pair) for pair in pairs)
    return any(agrees(text, claim.better, pair, unit=derived.unit) for pair in pairs)


def _value_follows(derived: Derived, claim: Claim, pair: Pair) -> bool:
    """Return whether the value that was read is right, for a quote that shows no number."""
    low, high = pair.factor()
    scaled = (100 - 100 / low, 100 - 100 / high) if derived.unit == "percent" else (low, high)
    return _derived_agrees(derived, claim, Quantity(value=scaled[0], low=scaled[0], high=scaled[1]))


def _decide_derived(base: Verdict, derived: Derived, verdict: str, code: str, basis: str) -> Verdict:
    if derived.unit == "percent":
        return _decide(base, verdict, code, basis=basis, points=PERCENT_POINTS)
    return _decide(base, verdict, code, basis=basis, tolerance=RATIO_TOLERANCE)


def _judge_text(lab: Lab, claim: Claim, facts: Sequence[Fact]) -> Verdict:
    fact = best_fact(lab, claim.id, facts)
    base = Verdict(
        id=claim.id,
        verdict="not_run",
        claimed=claimed_quantity(claim),
        measured=measured_quantity(fact),
        fact=fact.id if fact else None,
        reason=Message(code="verdict.nothing-to-compare"),
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
    if not isinstance(claim.value, int | float):
        return False
    (low, high), (other_low, other_high) = claim.bounds, _range(other)
    percent = derived.unit == "percent"
    slack = PERCENT_POINTS if percent else RATIO_TOLERANCE * max(abs(other_low), abs(other_high))
    if _meets(low, high, other_low, other_high, slack):
        return True
    if percent:
        return _meets(-high, -low, other_low, other_high, slack)
    return low > 0 and _meets(1 / high, 1 / low, other_low, other_high, slack)


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


def _basis(fact: Fact) -> str:
    return "artifact" if fact.arm == "committed" else "rebuild"


def is_explained(given: Given, claim: Claim) -> bool | None:
    """Return whether a size is that of a fact or a known one, on any arm; None with neither.

    What another compiler made says nothing either way.
    """
    metric = given.lab.metrics.get(claim.id.partition(".")[2])
    if metric is None or metric.tolerance != "printed" or not isinstance(claim.value, int | float):
        return None
    known = given.known_values(claim.id)
    there = [f for f in facts_for(given.lab, claim.id, given.facts) if f.comparable]
    measured = [f.value for f in there if isinstance(f.value, int | float)]
    if not known and not measured:
        return None
    return any(is_known(claim, k) for k in known) or any(_encloses(claim, v) or _near(claim, v) for v in measured)


def is_known(claim: Claim, known: KnownValue) -> bool:
    """Return whether a claimed size is a known one: within printed precision, 5 %, or the known value's own reach."""
    exact_enough = known.within > 0 and abs(known.value - _middle(claim.value)) <= known.within
    return exact_enough or _encloses(claim, known.value) or _near(claim, known.value)


def _is_exact(claim: Claim) -> bool:
    """True for a whole count of bytes: it leaves no room for rounding.

    A count that is a short figure worked out again (4,718,592 is 4.5 MiB) is as rounded as that figure.
    """
    if claim.unit != "byte" or not claim.low == claim.value == claim.high or claim.qualifier is not None:
        return False
    hundredths = [_middle(claim.value) / (scale / 100) for scale in SHORT_FIGURES]
    return all(abs(h - round(h)) * scale / 100 > 1 for h, scale in zip(hundredths, SHORT_FIGURES, strict=True))


def _encloses(claim: Claim, value: float) -> bool:
    low, high = claim.bounds
    return (claim.qualifier == "<" or low <= value) and (claim.qualifier == ">" or value <= high)


def _near(claim: Claim, value: float) -> bool:
    return abs(value - _middle(claim.value)) <= _size_slack(claim)


def _size_slack(claim: Claim) -> float:
    """Return the larger of printed precision and 5 %, bytes; the range of a bound is no precision."""
    if _is_exact(claim):
        return 0.0
    low, high = claim.bounds
    precision = 0.0 if claim.qualifier in BOUNDS else (high - low) / 2
    return max(precision, RELATIVE_TOLERANCE * abs(_middle(claim.value)))


def _size_tolerance(claim: Claim) -> float | None:
    """Return the slack relative to the claim; None for a claim of 0, which has no relative tolerance."""
    middle = abs(_middle(claim.value))
    return round(_size_slack(claim) / middle, 4) if middle else None


def _range(other: Quantity) -> tuple[float, float]:
    middle = _middle(other.value)
    return (middle if other.low is None else other.low), (middle if other.high is None else other.high)


def _middle(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


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
    **params: Scalar,
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
