"""Rules: silent without values, a finding with its quote and line where they hold, criteria for a person to see."""

from __future__ import annotations

import pytest

from grader.adapters.labfile import load_lab
from grader.claims.reader import read_report
from grader.judging.rules import MOST_FINDINGS, judge_rules, suspicions
from grader.model.base import Message
from grader.model.grade import Circumstances, Fact, Interval
from grader.model.lab import Rule
from grader.model.report import Claim, Span
from tests.samplelab import small_lab

HERE = Circumstances(sources_changed=False, known_values_apply=True)
ELSEWHERE = Circumstances(sources_changed=True, known_values_apply=False)


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
    return bool(judge_rules(small_lab(rules=[rule(when)]), claims, facts, HERE))


def test_a_finding_quotes_the_claim_that_it_is_about() -> None:
    found = judge_rules(small_lab(rules=[rule("claim(wasm.binary_size).value < 100")]), [size(42)], [], HERE)
    assert [(f.rule, f.severity, f.quote, f.line) for f in found] == [("odd", "warning", "42 bytes", 12)]
    assert found[0].message == Message(code="rule.odd", params={"quote": "42 bytes", "other": "", "other_line": None})


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
    assert suspicions(lab, judge_rules(lab, [size(42)], [], HERE)) == {"r1": "odd"}


KNOWN = [{"id": "wasm.binary_size", "value": 1000, "notion": "file"}]


@pytest.mark.parametrize(("value", "known"), [(1000, True), (1040.0, True), (1300.0, False)])
def test_a_known_size_is_explained_and_another_is_not(value: float, known: bool) -> None:
    lab = small_lab(rules=[rule("not claim(wasm.binary_size).known")], known_values=KNOWN)
    stated = size(value, low=value - 1, high=value + 1, unit="byte")
    assert bool(judge_rules(lab, [stated], [], HERE)) != known


def test_an_exact_count_of_bytes_is_no_other_count() -> None:
    lab = small_lab(rules=[rule("not claim(wasm.binary_size).known")], known_values=KNOWN)
    assert judge_rules(lab, [size(999, unit="byte")], [], HERE)
    assert not judge_rules(lab, [size(1000, unit="byte")], [], HERE)


def test_what_was_measured_explains_a_size_that_no_list_has() -> None:
    lab = small_lab(rules=[rule("not claim(wasm.binary_size).known")], known_values=KNOWN)
    assert not judge_rules(lab, [size(5000, unit="byte")], [measured("wasm.binary_size@build", 5000)], HERE)


def test_nothing_is_known_of_changed_sources() -> None:
    lab = small_lab(rules=[rule("not claim(wasm.binary_size).known")], known_values=KNOWN)
    assert not judge_rules(lab, [size(5000, unit="byte")], [], ELSEWHERE)


def test_a_rule_for_the_provided_files_is_silent_about_others() -> None:
    lab = small_lab(rules=[rule("claim(wasm.binary_size).value < 100", for_provided=True)])
    assert judge_rules(lab, [size(42)], [], HERE)
    assert not judge_rules(lab, [size(42)], [], ELSEWHERE)


def test_a_rule_for_each_reading_quotes_the_one_that_it_is_about() -> None:
    lab = small_lab(rules=[rule("claim(wasm.binary_size).value < 100", each="always")])
    claims = [size(4200), size(7, preferred=False, line=30), size(8, preferred=False, qualifier="example")]
    assert [(f.quote, f.line) for f in judge_rules(lab, claims, [], HERE)] == [("7 bytes", 30)]


def test_other_readings_may_be_asked_for_only_where_the_preferred_one_is_hit() -> None:
    lab = small_lab(rules=[rule("claim(wasm.binary_size).value < 100", each="with_preferred")])
    other = size(7, preferred=False, line=30)
    assert not judge_rules(lab, [size(4200), other], [], HERE)
    assert [f.line for f in judge_rules(lab, [size(42), other], [], HERE)] == [12, 30]


def test_a_value_that_is_repeated_is_one_finding() -> None:
    lab = small_lab(rules=[rule("claim(wasm.binary_size).value < 100", each="always")])
    assert len(judge_rules(lab, [size(7), *(size(7, preferred=False, line=n) for n in range(20, 90))], [], HERE)) == 1
    many = [size(7), *(size(n, preferred=False, line=n) for n in range(20, 90))]
    assert len(judge_rules(lab, many, [], HERE)) == MOST_FINDINGS


@pytest.mark.parametrize(
    ("printed", "fires"),
    [([5000.0], True), ([4201.0], False), ([4400.0], False), ([5000.0, 4200.0], False), ([], False)],
)
def test_a_table_is_set_against_all_that_the_report_prints(printed: list[float], fires: bool) -> None:
    lab = small_lab(rules=[rule("not claim(wasm.binary_size).confirmed")])
    outputs = [size(value, source="output", preferred=False, line=40, quote=f"prints {value}") for value in printed]
    found = judge_rules(lab, [size(4200), *outputs], [], HERE)
    assert bool(found) == fires
    if fires:
        assert (found[0].message.params["other"], found[0].message.params["other_line"]) == ("prints 5000.0", 40)


def test_a_printed_zero_is_no_rounded_number() -> None:
    lab = small_lab(rules=[rule("not claim(wasm.binary_size).confirmed")])
    zero = size(0, low=0, high=0.5, source="output", preferred=False)
    assert judge_rules(lab, [size(0.4), zero], [], HERE)
    assert not judge_rules(lab, [size(0), zero], [], HERE)


def test_output_that_is_called_an_example_confirms_nothing() -> None:
    lab = small_lab(rules=[rule("not claim(wasm.binary_size).confirmed")])
    assert not judge_rules(lab, [size(42), size(99, source="output", preferred=False, qualifier="example")], [], HERE)


def test_a_finding_says_how_to_settle_it() -> None:
    lab = small_lab(rules=[rule("claim(wasm.binary_size).value < 100", reproduce="ls -l main.wasm")])
    assert [f.reproduce for f in judge_rules(lab, [size(42)], [], HERE)] == ["ls -l main.wasm"]


SHARES = "| Metric | Traditional Container | WASM Container | Improvement |\n|---|---|---|---|\n| {} |\n"


@pytest.mark.parametrize(
    ("row", "rules"),
    [
        ("Image Size | 4.70 MB | 0.84 MB | 147 % smaller", ["image-reduction-over-all"]),
        ("Binary Size | 4.48 MiB | 2.34 MiB | 147.8 %", ["binary-reduction-over-all"]),
        ("Image Size | 4.70 MB | 0.84 MB | Traditional is 460% larger", []),
        ("Image Size | 4.70 MB | 0.84 MB | 460 %", []),
        ("Image Size | 4.70 MB | 0.84 MB | 560 % of WASM", []),
        ("Image Size | 4.70 MB | 0.84 MB | 560 %", []),
        ("Image Size | 4.70 MB | N/A | 460 %", []),
    ],
)
def test_more_than_all_is_an_error_only_where_its_row_gives_no_such_number(row: str, rules: list[str]) -> None:
    """The other side is 460 % larger is right arithmetic, and no error may accuse it."""
    loaded = load_lab("lab12-f25")
    reading = read_report(SHARES.format(row).encode(), loaded.lab, "")
    found = judge_rules(loaded.lab, reading.claims, [], HERE)
    assert [f.rule for f in found] == rules
    assert all(f.quote == row.rpartition(" | ")[2] for f in found)
