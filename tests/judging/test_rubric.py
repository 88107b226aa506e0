"""Criteria and score: the five parts always add up, needs pass on, nothing of ours costs points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.judging.judge import Judgement, judge
from grader.judging.rubric import score
from grader.model.base import Message
from grader.model.grade import Circumstances, Criterion, Fact, ManualMark
from grader.model.lab import Lab
from grader.model.report import Claim, Span

ALL_THERE = Circumstances(
    sources_changed=False,
    known_values_apply=True,
    own_files=("main.wasm",),
    own_words=500,
    has_table=True,
)


def claim(claim_id: str, value: float | str, unit: str | None = None, **more: object) -> Claim:
    number = isinstance(value, int | float)
    data: dict[str, object] = {
        "id": claim_id,
        "value": value,
        "low": value * 0.995 if number else None,  # type: ignore[operator]
        "high": value * 1.005 if number else None,  # type: ignore[operator]
        "unit": unit,
        "quote": str(value),
        "line": 7,
        "source": "table",
        "span": Span(start=0, end=1),
    }
    return Claim.model_validate(data | more)


def good_claims() -> list[Claim]:
    return [
        claim("native.cli_output", "2026-01-01 00:00:00 MSK"),
        claim("native.binary_size", 4_698_112, "byte"),
        claim("wasm.binary_size", 2_450_459, "byte"),
        claim("binary_size.reduction", 47.8, "percent"),
        claim("native.image_size", 4_700_000, "byte"),
        claim("wasm.image_size", 839_578, "byte"),
        claim("image_size.reduction", 82.1, "percent"),
        claim("native.startup_time", 0.4, "second"),
        claim("wasm.startup_time", 0.8, "second"),
        claim("startup_time.ratio", 0.5, "ratio"),
        claim("native.memory_idle", 1_300_000, "byte"),
        claim("tinygo.version", "0.39.0"),
    ]


def fact(fact_id: str, value: float | str | None, *, state: str = "measured", code: str = "engine.none") -> Fact:
    claim_id, _, arm = fact_id.partition("@")
    subject, _, metric = claim_id.partition(".")
    measured = state == "measured"
    return Fact.model_validate(
        {
            "id": fact_id,
            "subject": subject,
            "metric": metric,
            "arm": arm,
            "state": state,
            "value": value if measured else None,
            "method": "run" if measured else None,
            "reason": None if measured else Message(code=code),
        }
    )


def good_facts() -> list[Fact]:
    return [
        fact("native.binary_size@build", 4_698_112),
        fact("wasm.binary_size@committed", 2_450_459),
        fact("native.cli_output@process", "valid"),
        fact("wasm.cli_output@wasmtime", "valid"),
        fact("native.image_size@docker", None, state="not_run"),
        fact("native.server_mode@process", None, state="not_run"),
    ]


def run(
    lab: Lab,
    claims: list[Claim],
    facts: list[Fact],
    where: Circumstances = ALL_THERE,
    marks: dict[str, ManualMark] | None = None,
) -> Judgement:
    return judge(lab, facts, claims, where, marks or {})


def outcomes(judgement: Judgement) -> dict[str, str]:
    return {c.id: c.outcome for c in judgement.criteria}


def test_a_good_submission_loses_nothing_and_gaps_of_the_host_cost_nothing(lab: Lab) -> None:
    judged = run(lab, good_claims(), good_facts())
    not_passed = {k: v for k, v in outcomes(judged).items() if v != "pass" and not k.startswith("bonus")}
    assert not_passed == {
        "t1.server": "not_run",
        "t1.explain": "review",
        "t2.image": "not_run",
        "t3.limitation": "review",
        "t4.questions": "review",
    }
    assert judged.score.lost == 0
    assert judged.score.not_assessed == 1.5
    assert judged.score.pending_review == 1.75
    assert judged.score.state == "needs_review"


def test_provided_files_with_an_empty_report_give_nothing(lab: Lab) -> None:
    empty = Circumstances(sources_changed=False, known_values_apply=True, has_table=True, empty_cells=("a.native",))
    judged = run(lab, [], good_facts(), empty)
    assert judged.score.points == 0
    assert judged.score.lost == judged.score.max == 10


def test_a_size_that_the_handed_in_file_refutes_fails_and_one_that_our_build_refutes_goes_to_a_person(lab: Lab) -> None:
    claims = [c for c in good_claims() if not c.id.endswith("binary_size") and c.id != "binary_size.reduction"]
    claims += [claim("wasm.binary_size", 900_000, "byte"), claim("native.binary_size", 9_000_000, "byte")]
    judged = outcomes(run(lab, claims, good_facts()))
    assert judged["t3.binary_size"] == "fail"
    assert judged["t2.binary_size"] == "review"


@pytest.mark.parametrize("lost", ["native.startup_time", "native.memory_idle"])
def test_a_failed_measurement_is_not_a_fast_one(lab: Lab, lost: str) -> None:
    claims = [c for c in good_claims() if c.id != lost] + [claim(lost, 0, None, low=0, high=0.005)]
    judged = outcomes(run(lab, claims, good_facts()))
    assert judged["t2.startup" if "startup" in lost else "t2.memory"] == "fail"


def test_the_reports_own_output_sends_a_time_that_disagrees_to_a_person(lab: Lab) -> None:
    raw = claim("native.startup_time", 1.6, "second", source="output", preferred=False)
    assert outcomes(run(lab, [*good_claims(), raw], good_facts()))["t2.startup"] == "review"


def test_an_estimate_is_no_measurement_and_goes_to_a_person(lab: Lab) -> None:
    claims = [c for c in good_claims() if c.id != "native.startup_time"]
    guess = claim("native.startup_time", 0.4, "second", qualifier="estimated")
    assert outcomes(run(lab, [*claims, guess], good_facts()))["t2.startup"] == "review"


def test_one_output_that_agrees_is_enough(lab: Lab) -> None:
    raw = [claim("native.startup_time", t, "second", source="output", preferred=False) for t in (1.6, 0.4)]
    assert outcomes(run(lab, [*good_claims(), *raw], good_facts()))["t2.startup"] == "pass"


def test_slower_wasm_costs_nothing(lab: Lab) -> None:
    claims = [c for c in good_claims() if "startup" not in c.id]
    claims += [
        claim("native.startup_time", 0.3, "second"),
        claim("wasm.startup_time", 15.6, "second"),
        claim("startup_time.ratio", 0.01923, "ratio"),
    ]
    judged = outcomes(run(lab, claims, good_facts()))
    assert (judged["t3.startup"], judged["t4.derived"]) == ("pass", "pass")


def test_a_failed_need_fails_its_dependant_and_a_gap_leaves_it_open(lab: Lab) -> None:
    failed = [f for f in good_facts() if f.id != "native.cli_output@process"]
    wrong = [*failed, fact("native.cli_output@process", None, state="failed", code="probe.wrong-output")]
    gap = [*failed, fact("native.cli_output@process", None, state="not_run")]
    assert outcomes(run(lab, good_claims(), wrong))["t1.server"] == "fail"
    assert outcomes(run(lab, good_claims(), gap))["t1.server"] == "not_run"


def test_trouble_of_the_host_is_an_error_that_costs_nothing(lab: Lab) -> None:
    facts = [f for f in good_facts() if f.id != "native.cli_output@process"]
    facts.append(fact("native.cli_output@process", None, state="not_run", code="infra.disk-full"))
    judged = run(lab, good_claims(), facts)
    assert outcomes(judged)["t1.once"] == "error"
    assert judged.score.state == "infra_error"
    assert judged.score.lost == 0


def test_our_own_failure_never_hides_behind_another_arms_reason(lab: Lab) -> None:
    facts = [f for f in good_facts() if f.id != "wasm.cli_output@wasmtime"]
    facts.append(fact("wasm.cli_output@ctr-wasmtime", None, state="not_run"))
    facts.append(fact("wasm.cli_output@wasmtime", None, state="not_run", code="infra.run-broke"))
    assert outcomes(run(lab, good_claims(), facts))["t3.module"] == "error"
    failed = [*facts[:-1], fact("wasm.cli_output@wasmtime", None, state="failed", code="probe.exit")]
    assert outcomes(run(lab, good_claims(), failed))["t3.module"] == "fail"


@pytest.mark.parametrize("order", [1, -1])
def test_our_own_failure_counts_before_a_gap_of_another_quantity(lab: Lab, order: int) -> None:
    both = lab.rubric[0].model_copy(update={"from_": ("native.server_mode", "wasm.cli_output")[::order]})
    gap = fact("native.server_mode@process", None, state="not_run")
    ours = fact("wasm.cli_output@wasmtime", None, state="not_run", code="infra.run-broke")
    changed = lab.model_copy(update={"rubric": (both,)})
    assert outcomes(run(changed, good_claims(), [gap, ours])) == {both.id: "error"}


def test_a_size_that_we_failed_to_measure_is_our_error(lab: Lab) -> None:
    where = ALL_THERE.model_copy(update={"known_values_apply": False})
    facts = [f for f in good_facts() if f.id != "native.binary_size@build"]
    facts.append(fact("native.binary_size@build", None, state="not_run", code="infra.build-broke"))
    judged = run(lab, good_claims(), facts, where)
    assert outcomes(judged)["t2.binary_size"] == "error"
    assert judged.score.state == "infra_error"


def needing(lab: Lab, *needs: str) -> Lab:
    spec = next(s for s in lab.rubric if s.id == "t1.evidence").model_copy(update={"needs": needs})
    return lab.model_copy(update={"rubric": (*(s for s in lab.rubric if s.id != spec.id), spec)})


def test_a_failed_need_counts_before_a_gap_whatever_their_order(lab: Lab) -> None:
    claims = [c for c in good_claims() if c.id != "tinygo.version"]  # t3.tinygo fails, t1.server is a gap
    for needs in (("t1.server", "t3.tinygo"), ("t3.tinygo", "t1.server")):
        assert outcomes(run(needing(lab, *needs), claims, good_facts()))["t1.evidence"] == "fail"


@pytest.mark.parametrize(("points", "expected"), [(0.5, "pass"), (0.0, "fail")])
def test_a_need_that_a_person_gave_points_for_blocks_nothing(lab: Lab, points: float, expected: str) -> None:
    claims = [c for c in good_claims() if c.id != "tinygo.version"]
    judged = run(needing(lab, "t3.tinygo"), claims, good_facts(), marks={"t3.tinygo": ManualMark(points=points)})
    assert outcomes(judged)["t1.evidence"] == expected


def test_a_check_that_breaks_is_our_error_and_leaves_the_others_alone(lab: Lab) -> None:
    broken = next(s for s in lab.rubric if s.id == "t2.startup").model_copy(update={"from_": ("native.no_such",)})
    changed = lab.model_copy(update={"rubric": tuple(broken if s.id == broken.id else s for s in lab.rubric)})
    claims = [*good_claims(), claim("native.no_such", 1.0)]
    judged, before = run(changed, claims, good_facts()), run(lab, good_claims(), good_facts())
    reason = next(c.reason for c in judged.criteria if c.id == broken.id)
    assert (reason.code, reason.params) == ("infra.check-broke", {"detail": "KeyError"})
    assert outcomes(judged) == outcomes(before) | {broken.id: "error"}
    assert judged.score.state == "infra_error"
    assert judged.score.lost == 0


def test_a_persons_marks_stand_whatever_we_find(lab: Lab) -> None:
    marks = {"t1.explain": ManualMark(points=0.3, note="short"), "t1.once": ManualMark(points=0.75)}
    judged = run(lab, [], [], marks=marks)
    by_id = {c.id: c for c in judged.criteria}
    assert by_id["t1.explain"].points == 0.3
    assert judged.score.manual == pytest.approx(1.05)


def test_a_finding_sends_its_criterion_to_a_person_and_takes_no_point(lab: Lab) -> None:
    claims = [c for c in good_claims() if c.id != "wasm.image_size"]
    claims.append(claim("wasm.image_size", 2_700_000, "byte"))
    judged = run(lab, claims, good_facts())
    assert [f.rule for f in judged.findings] == ["wasm-image-larger", "wasm-image-unknown"]
    assert outcomes(judged)["t3.image_size"] == "review"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pass", "partial", "fail", "review", "not_run", "error"]),
            st.sampled_from([0.25, 0.5, 0.75, 1.0]),
            st.booleans(),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_the_parts_of_a_score_add_up_to_its_maximum(rows: list[tuple[str, float, bool, bool]]) -> None:
    criteria = [
        Criterion.model_validate(
            {
                "id": f"c{i}",
                "points": maximum if outcome == "pass" else maximum / 2 if outcome == "partial" else 0,
                "max": maximum,
                "bonus": bonus,
                "outcome": outcome,
                "reason": Message(code="criterion.executed"),
                "manual": ManualMark(points=maximum / 2) if by_person else None,
            }
        )
        for i, (outcome, maximum, bonus, by_person) in enumerate(rows)
    ]
    s = score(criteria)
    assert s.points + s.lost + s.pending_review + s.not_assessed + s.manual == pytest.approx(s.max)
    assert min(s.points, s.lost, s.pending_review, s.not_assessed, s.manual) >= 0


def test_a_derived_cell_may_be_not_applicable_where_its_row_gives_no_numbers(lab: Lab) -> None:
    claims = [c for c in good_claims() if c.id not in ("native.startup_time", "startup_time.ratio")]
    claims += [none("native.startup_time"), none("startup_time.ratio")]
    assert outcomes(run(lab, claims, good_facts()))["t4.derived"] == "pass"


def none(claim_id: str) -> Claim:
    data = claim(claim_id, "x").model_dump() | {"value": None, "qualifier": "N/A", "quote": "N/A"}
    return Claim.model_validate(data)


def test_an_example_is_not_a_statement(lab: Lab) -> None:
    claims = [c for c in good_claims() if c.id != "tinygo.version"]
    claims.append(claim("tinygo.version", "0.39.0", qualifier="example"))
    assert outcomes(run(lab, claims, good_facts()))["t3.tinygo"] == "review"


def test_a_bonus_that_nobody_tried_waits_for_nobody(lab: Lab) -> None:
    judged = run(lab, good_claims(), good_facts())
    bonus = [c for c in judged.criteria if c.bonus]
    assert {(c.outcome, c.reason.code) for c in bonus} == {("not_run", "criterion.not-attempted")}
    assert judged.score.lost == 0
    assert judged.score.bonus == 0


def test_what_may_stand_in_a_picture_goes_to_a_person(lab: Lab) -> None:
    where = ALL_THERE.model_copy(update={"pictures": 3, "own_files": ()})
    claims = [c for c in good_claims() if c.id not in ("native.cli_output", "tinygo.version")]
    with_pictures, without = run(lab, claims, good_facts(), where), run(lab, claims, good_facts())
    for criterion in ("t1.once", "t1.evidence", "t3.tinygo"):
        assert outcomes(with_pictures)[criterion] == "review"
        assert outcomes(without)[criterion] == "fail"
    assert with_pictures.score.lost == 0


def test_pictures_do_not_stand_for_numbers_of_the_table(lab: Lab) -> None:
    where = ALL_THERE.model_copy(update={"pictures": 3})
    claims = [c for c in good_claims() if c.id != "native.startup_time"]
    assert outcomes(run(lab, claims, good_facts(), where))["t2.startup"] == "fail"
