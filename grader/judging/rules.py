"""The lab's consistency rules set against claims and facts -> findings.  Pure.

A rule that lacks a value is silent.  A finding lowers no score: the criteria that its rule names go to a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from grader.judging.compare import follows_row, is_explained
from grader.judging.expression import Operand, evaluate_condition
from grader.judging.given import Given
from grader.judging.ownoutput import disagreeing, printed_of
from grader.judging.soundness import is_sound
from grader.model.base import Message
from grader.model.grade import Circumstances, Fact, Finding
from grader.model.lab import Lab, Rule
from grader.model.report import ESTIMATED, EXAMPLE, Claim
from grader.model.selection import best_fact, preference

RULE_CODE = "rule."
"""Begins the message codes of what a rule found; any other finding was made while measuring."""

MOST_FINDINGS = 3
"""Findings of one rule: a value that is repeated through a report is one reason to look, not twenty."""

OTHER_LIMIT = 120
"""Characters of the output that contradicts a claim, as the finding tells it; its line is told too."""


def judge_rules(
    lab: Lab, claims: Sequence[Claim], facts: Sequence[Fact], circumstances: Circumstances
) -> tuple[Finding, ...]:
    """Return a finding for each rule of the lab that holds, with the quote and line of the claim it is about.

    A rule that asks for `each` reading is tried for all of them, the preferred one first: a value that was wrongly
    taken for the quantity must not be all that a finding rests on, unless the rule says that it may.
    """
    given = Given(lab, claims, facts, circumstances)
    stated = given.stated
    operands = {claim_id: _claim_operand(given, c) for claim_id, c in stated.items()}
    measured = _fact_operands(lab, facts)
    findings: list[Finding] = []
    for rule in lab.rules:
        if rule.for_provided and not circumstances.known_values_apply:
            continue
        seen: set[str] = set()
        for about in _asked(rule, claims, stated):
            tried = operands
            if about is not None and about is not stated.get(rule.about):
                tried = operands | {rule.about: _claim_operand(given, about)}
            quote = about.quote if about else ""
            hit = quote not in seen and evaluate_condition(rule.when, tried, measured) is True
            if not hit and rule.each == "with_preferred" and not seen:
                break
            if not hit:
                continue
            seen.add(quote)
            findings.append(_finding(rule, about, claims))
            if len(seen) == MOST_FINDINGS:
                break
    return tuple(findings)


def suspicions(lab: Lab, findings: Sequence[Finding]) -> dict[str, str]:
    """Return by criterion the rule whose finding asks a person to look at it."""
    hit = {f.rule for f in findings}
    return {criterion: rule.id for rule in lab.rules if rule.id in hit for criterion in rule.criteria}


def _asked(rule: Rule, claims: Sequence[Claim], stated: Mapping[str, Claim]) -> Iterator[Claim | None]:
    yield stated.get(rule.about)
    if rule.each != "never":
        yield from (c for c in claims if c.id == rule.about and not c.preferred and c.qualifier != EXAMPLE)


def _finding(rule: Rule, about: Claim | None, claims: Sequence[Claim]) -> Finding:
    quote = about.quote if about else ""
    other = disagreeing(about, claims) if about else None
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        message=Message(
            code=f"{RULE_CODE}{rule.id}",
            params={
                "quote": quote,
                "other": other.quote[:OTHER_LIMIT] if other else "",
                "other_line": other.line if other else None,
            },
        ),
        quote=quote,
        line=about.line if about else None,
        reproduce=rule.reproduce,
    )


def _claim_operand(given: Given, claim: Claim) -> Operand:
    return Operand(
        claim.value,
        claim.low,
        claim.high,
        approximate=claim.qualifier in ("~", ESTIMATED),
        notion=claim.notion,
        source=claim.source,
        quote=claim.quote,
        known=is_explained(given, claim),
        confirmed=_is_confirmed(claim, given.claims),
        sound=_is_sound(given, claim),
    )


def _is_sound(given: Given, claim: Claim) -> bool | None:
    """Return whether a quote agrees with itself, and a derived cell with its row; None where nothing tells."""
    follows = follows_row(given, claim)
    return is_sound(given.lab, claim) if follows is None else follows


def _is_confirmed(claim: Claim, claims: Sequence[Claim]) -> bool | None:
    """Return whether some output in the report agrees with a number; None where it shows none of that quantity."""
    return disagreeing(claim, claims) is None if printed_of(claim, claims) else None


def _fact_operands(lab: Lab, facts: Sequence[Fact]) -> dict[str, Operand]:
    """Facts by whole id, and by claim id the one that the lab sets a claim against."""
    operands: dict[str, Operand] = {}
    for fact in sorted(facts, key=lambda one: preference(lab, one), reverse=True):
        best = best_fact(lab, fact.claim_id, facts)
        for key, chosen in ((fact.id, fact), (fact.claim_id, best)):
            if chosen is not None and chosen.state == "measured":
                interval = chosen.interval
                operands[key] = Operand(
                    chosen.value, interval.low if interval else None, interval.high if interval else None
                )
    return operands
