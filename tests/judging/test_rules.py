"""Rules: silent without values, a finding with its quote and line where they hold, criteria for a person to see."""

from __future__ import annotations

import pytest

from grader.judging.rules import judge_rules, suspicions
from grader.model.base import Message
from grader.model.grade import Fact, Interval
from grader.model.lab import Rule
from grader.model.report import Claim, Span
from tests.samplelab import small_lab


def size(value: float | None, **more: object) -> Claim:
    data: dict[str, object] = {
        "id": "wasm.binary_size",
        "value": value,
        "low": value,
        "high": value,
        "qualifier": None if value is not None else "N/A",
        "quote": f"{value} bytes",
        "line": 12,
        "source": "table",
        "span": Span(start=0, end=1),
    }
    return Claim.model_validate(data | more)


def measured(fact_id: str, value: float | None, interval: Interval | None = None) -> Fact:
    claim_id, _, arm = fact_id.partition("@")
    subject, _, metric = claim_id.partition(".")
    return Fact(
        id=fact_id,
        subject=subject,
        metric=metric,
        arm=arm,
        state="measured" if value is not None else "not_run",
        value=value,
        interval=interval,
        method="run" if value is not None else None,
        reason=None if value is not None else Message(code="engine.none"),
    )


def rule(when: str, **more: object) -> Rule:
    data = {"id": "odd", "severity": "warning", "when": when, "about": "wasm.binary_size", "criteria": ["r1"]}
    return Rule.model_validate(data | more)


def fired(when: str, claims: list[Claim], facts: list[Fact]) -> bool:
    return bool(judge_rules(small_lab(rules=[rule(when)]), claims, facts))


def test_a_finding_quotes_the_claim_that_it_is_about() -> None:
    found = judge_rules(small_lab(rules=[rule("claim(wasm.binary_size).value < 100")]), [size(42)], [])
    assert [(f.rule, f.severity, f.quote, f.line) for f in found] == [("odd", "warning", "42 bytes", 12)]
    assert found[0].message == Message(code="rule.odd", params={"quote": "42 bytes"})


@pytest.mark.parametrize("claims", [[], [size(None)]])
def test_a_rule_without_its_value_is_silent_either_way(claims: list[Claim]) -> None:
    assert not fired("claim(wasm.binary_size).value < 100", claims, [])
    assert not fired("not (claim(wasm.binary_size).value < 100)", claims, [])


def test_only_the_preferred_reading_is_judged() -> None:
    claims = [size(42, preferred=False), size(4200)]
    assert not fired("claim(wasm.binary_size).value < 100", claims, [])


def test_only_an_approximate_claim_is_approximate() -> None:
    for qualifier, expected in (("~", True), (">", False), (None, False)):
        assert fired("claim(wasm.binary_size).approximate", [size(42, qualifier=qualifier)], []) == expected


def test_a_fact_is_named_by_its_claim_or_with_its_arm() -> None:
    facts = [measured("wasm.binary_size@committed", 200), measured("wasm.binary_size@build", 800)]
    assert fired("fact(wasm.binary_size).value == 200", [], facts)  # the lab prefers the committed file
    assert fired('fact("wasm.binary_size@build").value == 800', [], facts)


def test_a_fact_that_was_not_measured_is_missing() -> None:
    assert fired("fact(wasm.binary_size).missing", [], [measured("wasm.binary_size@build", None)])


def test_the_interval_of_a_fact_can_be_asked_for() -> None:
    facts = [measured("wasm.startup_time@wasmtime", 2.0, Interval(low=1.5, high=2.5, level=0.96))]
    assert fired("fact(wasm.startup_time).low == 1.5 and fact(wasm.startup_time).high == 2.5", [], facts)


def test_a_finding_sends_the_criteria_of_its_rule_to_a_person_and_no_others() -> None:
    rules = [rule("claim(wasm.binary_size).value < 100"), rule("1 > 2", id="never", criteria=["r2"])]
    lab = small_lab(rules=rules)
    assert suspicions(lab, judge_rules(lab, [size(42)], [])) == {"r1": "odd"}
