from __future__ import annotations

import pytest

from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.lab import Lab
from grader.model.run import Artifact, Campaign, Sample
from grader.stats.timing import facts_from_campaign
from tests.samplelab import small_lab

ARTIFACTS = {
    ("native", "process"): Artifact(subject="native", label="build", sha256="a", size=1, path="p", compiler="Go 1"),
    ("wasm", "wasmtime"): Artifact(
        subject="wasm", label="build", sha256="b", size=1, path="q", compiler="Go 1", comparable=False
    ),
}


def good(arm: str, round_index: int, total_s: float) -> Sample:
    return Sample(
        arm=arm,
        round_index=round_index,
        outcome="ok",
        total_s=total_s,
        first_output_s=total_s / 2,
        exit_code=0,
        started_s=float(round_index),
    )


def bad(arm: str, round_index: int, code: str = "probe.exit") -> Sample:
    return Sample(
        arm=arm,
        round_index=round_index,
        outcome="failed",
        total_s=None,
        first_output_s=None,
        exit_code=1,
        started_s=0,
        reason=Message(code=code),
    )


def campaign(*samples: Sample, arms: tuple[str, ...] = ("process", "wasmtime", "sandbox-noop")) -> Campaign:
    return Campaign(seed=1, rounds=8, warmups=2, arms=arms, samples=samples)


def facts(lab: Lab, made: Campaign) -> dict[str, Fact]:
    return {fact.id: fact for fact in facts_from_campaign(lab, made, ARTIFACTS)}


def rounds(count: int) -> list[Sample]:
    """Process takes 1..count seconds, wasmtime four times as long with a growing bit more, the control 0.1 seconds."""
    return [
        sample
        for r in range(count)
        for sample in (
            good("process", r, r + 1),
            good("wasmtime", r, 4 * 1.01**r * (r + 1)),
            good("sandbox-noop", r, 0.1),
        )
    ]


def test_medians_with_their_spread_and_the_paired_ratio_with_its_interval() -> None:
    found = facts(small_lab(), campaign(*rounds(8)))
    native = found["native.startup_time@process"]
    assert (native.value, native.n, native.mode, native.conditions) == (4.5, 8, "native", "warm")
    assert native.interval is None, "runs that follow each other are alike, so a median has no honest interval"
    assert native.spread is not None
    assert (native.spread.median, native.spread.mad, native.spread.n) == (4.5, 2, 8)
    assert (native.spread.p5, native.spread.p95) == pytest.approx((1.35, 7.65))
    assert found["native.first_output_time@process"].value == 2.25
    assert found["wasm.startup_time@wasmtime"].mode == "jit"
    assert found["startup_time@sandbox-noop"].subject is None
    ratio = found["startup_time.ratio@process/wasmtime"]
    assert (ratio.unit, ratio.subject, ratio.n) == ("ratio", None, 8)
    # Log ratios are evenly spaced, -ln 4 - r ln 1.01 for r = 0..7: their centre is that of the series.
    assert ratio.value == pytest.approx(0.25 / 1.01**3.5)
    assert ratio.interval is not None
    # Of all 36 averages the fourth from either end bounds the interval: (0 + 3) / 2, with 0, 0.5, 1 and 1 before.
    assert ratio.interval.low == pytest.approx(0.25 / 1.01**6)
    assert ratio.interval.high == pytest.approx(0.25 / 1.01**1)
    assert ratio.interval.level == 1 - 2 * 5 / 256


def test_a_ratio_carries_its_verdict_and_what_the_courses_loop_would_have_printed() -> None:
    ratio = facts(small_lab(), campaign(*rounds(8)))["startup_time.ratio@process/wasmtime"]
    assert ratio.compared is not None
    assert (ratio.compared.verdict, ratio.compared.reason.code) == ("faster", "bench.faster")
    assert ratio.compared.loop_numerator == "Average: 4.5 seconds"
    # 4, 8.08, 12.2412, ... cut to hundredths and averaged.
    cut = sum(int(400 * 1.01**r * (r + 1)) for r in range(8)) / 800
    assert ratio.compared.loop_denominator == f"Average: {cut:.6g} seconds"
    assert ratio.compared.loop_ratio == pytest.approx(4.5 / cut)
    assert all(f.compared is None for f in facts(small_lab(), campaign(*rounds(8))).values() if f.unit != "ratio")


def test_a_loop_that_prints_zero_has_no_ratio_while_the_fact_has_one() -> None:
    short = [
        good(arm, r, seconds * 1.01**r) for r in range(8) for arm, seconds in (("process", 0.004), ("wasmtime", 0.0081))
    ]
    swapped = small_lab()
    swapped = swapped.model_copy(update={"timing": swapped.timing.model_copy(update={"ratios": ("wasmtime/process",)})})
    ratio = facts(swapped, campaign(*short, good("sandbox-noop", 0, 0.1)))["startup_time.ratio@wasmtime/process"]
    assert ratio.compared is not None
    assert (ratio.compared.loop_denominator, ratio.compared.loop_ratio) == ("Average: 0 seconds", None)
    assert ratio.value == pytest.approx(8.1 / 4)


def test_ratios_that_repeat_exactly_have_a_value_and_no_interval() -> None:
    same = [good(arm, r, seconds) for r in range(8) for arm, seconds in (("process", 1.0), ("wasmtime", 4.0))]
    ratio = facts(small_lab(), campaign(*same))["startup_time.ratio@process/wasmtime"]
    assert ratio.value == pytest.approx(0.25)
    assert (ratio.interval, ratio.n) == (None, 8)
    assert ratio.method is not None
    assert "too coarse" in ratio.method


def test_under_six_rounds_there_is_a_value_and_no_interval() -> None:
    found = facts(small_lab(), campaign(*rounds(5)))
    assert found["native.startup_time@process"].value == 3
    assert all(fact.interval is None for fact in found.values())


def test_an_arm_with_one_bad_run_has_no_number_and_neither_has_its_ratio() -> None:
    made = campaign(*rounds(8), bad("wasmtime", 7))
    found = facts(small_lab(), made)
    for fact_id in ("wasm.startup_time@wasmtime", "startup_time.ratio@process/wasmtime"):
        assert (found[fact_id].state, found[fact_id].value) == ("failed", None)
        assert found[fact_id].reason == Message(code="probe.exit")
    assert found["native.startup_time@process"].state == "measured"


def test_a_run_that_our_side_broke_is_not_the_students_failure() -> None:
    found = facts(small_lab(), campaign(*rounds(6), bad("process", 6, "infra.run-broke")))
    assert found["native.startup_time@process"].state == "not_run"


def test_an_artifact_of_another_compiler_marks_its_times_and_ratios() -> None:
    found = facts(small_lab(), campaign(*rounds(6)))
    assert [found[i].comparable for i in ("native.startup_time@process", "wasm.startup_time@wasmtime")] == [True, False]
    ratio = found["startup_time.ratio@process/wasmtime"]
    assert (ratio.comparable, ratio.compiler) == (False, "Go 1")


def test_a_ratio_pairs_only_rounds_that_both_arms_finished() -> None:
    made = campaign(*(s for s in rounds(8) if not (s.arm == "wasmtime" and s.round_index in (0, 3))))
    assert facts(small_lab(), made)["startup_time.ratio@process/wasmtime"].n == 6


@pytest.mark.parametrize("arms", [("process", "sandbox-noop"), ("wasmtime",)])
def test_a_ratio_whose_arm_did_not_run_is_left_to_others(arms: tuple[str, ...]) -> None:
    made = campaign(*(s for s in rounds(6) if s.arm in arms), arms=arms)
    assert "startup_time.ratio@process/wasmtime" not in facts(small_lab(), made)


def test_a_noisy_host_is_told_with_every_number_and_only_with_numbers() -> None:
    loud = (Message(code="noise.foreign-load", params={"percent": 93}),)
    made = campaign(*rounds(8), bad("wasmtime", 8)).model_copy(update={"noise": loud})
    found = facts(small_lab(), made)
    assert {fact.state for fact in found.values()} == {"measured", "failed"}
    assert all((fact.noise == loud) == (fact.state == "measured") for fact in found.values())
    assert not any(fact.noise for fact in facts(small_lab(), campaign(*rounds(8))).values())
