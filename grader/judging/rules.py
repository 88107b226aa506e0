"""The lab's consistency rules set against claims and facts -> findings.  Pure.

A rule that lacks a value is silent.  A finding lowers no score: the criteria that its rule names go to a person.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.judging.expression import Operand, evaluate_condition
from grader.model.base import Message
from grader.model.grade import Fact, Finding
from grader.model.lab import Lab
from grader.model.report import Claim, preferred_claims
from grader.model.selection import best_fact, preference

RULE_CODE = "rule."
"""Begins the message codes of what a rule found; any other finding was made while measuring."""


def judge_rules(lab: Lab, claims: Sequence[Claim], facts: Sequence[Fact]) -> tuple[Finding, ...]:
    """Return a finding for each rule of the lab that holds, with the quote and line of the claim it is about."""
    stated = preferred_claims(claims)
    operands = {claim_id: _claim_operand(c) for claim_id, c in stated.items()}
    measured = _fact_operands(lab, facts)
    findings: list[Finding] = []
    for rule in lab.rules:
        if evaluate_condition(rule.when, operands, measured) is not True:
            continue
        about = stated.get(rule.about)
        findings.append(
            Finding(
                rule=rule.id,
                severity=rule.severity,
                message=Message(code=f"{RULE_CODE}{rule.id}", params={"quote": about.quote if about else ""}),
                quote=about.quote if about else "",
                line=about.line if about else None,
            )
        )
    return tuple(findings)


def suspicions(lab: Lab, findings: Sequence[Finding]) -> dict[str, str]:
    """Return by criterion the rule whose finding asks a person to look at it."""
    hit = {f.rule for f in findings}
    return {criterion: rule.id for rule in lab.rules if rule.id in hit for criterion in rule.criteria}


def _claim_operand(claim: Claim) -> Operand:
    return Operand(claim.value, claim.low, claim.high, approximate=claim.qualifier == "~")


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
