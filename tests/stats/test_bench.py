from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from grader.errors import StatsError
from grader.model.bench import Bench, BenchArm, BlockDone, ExperimentPlan
from grader.model.host import Fingerprint
from grader.stats.bench import bench_of
from tests.stats.simulated import CALIBRATION, Host, conduct

HOST = Fingerprint(os="debian 12", kernel="6.1", architecture="x86_64", cpus=2, cgroup="v1")
TRUTH = {"a": 0.1, "b": 0.2, "c": 0.1}


def plan(rounds: int | None = 12, *, arms: tuple[str, ...] = ("a", "b", "c")) -> ExperimentPlan:
    return ExperimentPlan(arms=arms, baseline="a", rounds=rounds, seed=3)


def judged(made: ExperimentPlan, host: Host) -> Bench:
    done, finished = conduct(made, host)
    assert finished is not None
    return result(made, done)


def result(made: ExperimentPlan, done: list[BlockDone]) -> Bench:
    argvs = {arm: ("run", arm) for arm in made.arms}
    return bench_of(made, done, "rounds", CALIBRATION, argvs=argvs, host=HOST, grader="0")


def arm(bench: Bench, name: str) -> BenchArm:
    return next(a for a in bench.arms if a.name == name)


def test_a_comparison_has_every_arm_and_a_ratio_of_each_to_the_baseline() -> None:
    bench = judged(plan(), Host(truth=TRUTH, seed=1))
    assert [a.name for a in bench.arms] == ["a", "b", "c"]
    assert [(r.numerator, r.denominator, r.n) for r in bench.ratios] == [("b", "a", 12), ("c", "a", 12)]
    b, c = bench.ratios
    assert b.low is not None
    assert b.high is not None
    assert 1.7 < b.low < 2 < b.high < 2.3
    assert (b.verdict, b.reason.code, b.agrees) == ("slower", "bench.slower", True)
    assert b.check is not None
    assert b.check.low < b.ratio < b.check.high
    assert c.verdict in ("no_difference", "not_resolved")
    assert (bench.seed, bench.method.rounds, bench.method.rounds_asked, bench.noise.state) == (3, 12, 12, "quiet")


def test_the_result_is_the_same_however_often_it_is_judged() -> None:
    made = plan()
    done, _ = conduct(made, Host(truth=TRUTH, seed=1))
    assert result(made, done) == result(made, done)


def test_every_run_is_kept_and_only_those_that_count_are_used() -> None:
    bench = judged(plan(20), Host(truth=TRUTH, seed=1, load_sd=0.01, noise_sd=0.01, hogs=((23, 39),)))
    a = arm(bench, "a")
    assert a.n == sum(s.used for s in a.samples) == 20
    assert len(a.samples) == 2 + 20 + bench.noise.repeated
    assert bench.noise.repeated > 0
    assert not any(s.used for s in a.samples if s.phase == "warm-up")
    assert {s.round for s in a.samples if s.used} == set(range(20))
    used = [s.total for s in a.samples if s.used and s.total is not None]
    assert a.total is not None
    assert a.total.median == pytest.approx(sorted(used)[9] / 2 + sorted(used)[10] / 2)
    assert bench.noise.state == "quiet"


def test_an_outlier_is_flagged_and_counts_all_the_same() -> None:
    made = plan(20)
    done, _ = conduct(made, Host(truth=TRUTH, seed=1, load_sd=0.01, noise_sd=0.01))
    slow = done[2].samples[0].model_copy(update={"total_s": 9.0})
    done[2] = done[2].model_copy(update={"samples": (slow, *done[2].samples[1:])})
    found = arm(result(made, done), slow.arm)
    assert [s.total for s in found.samples if s.flagged] == [9.0]
    assert found.n == 20
    assert [s.used for s in found.samples if s.flagged] == [True]


def test_a_failed_arm_has_the_run_and_what_it_said_and_no_number_anywhere() -> None:
    made = plan()
    done, _ = conduct(made, Host(truth=TRUTH, seed=1, broken={"b": 6}))
    done = [
        d.model_copy(
            update={"samples": tuple(s.model_copy(update={"tail": "no space"} if s.reason else {}) for s in d.samples)}
        )
        for d in done
    ]
    bench = result(made, done)
    b = arm(bench, "b")
    assert (b.state, b.n, b.start, b.total) == ("failed", 0, None, None)
    assert b.failure is not None
    assert (b.failure.run, b.failure.exit, b.failure.tail) == (6, 1, "no space")
    assert [r.numerator for r in bench.ratios] == ["c"]
    assert arm(bench, "a").n == arm(bench, "c").n == 12
    # The loop would have averaged it, hyperfine would have stopped.
    assert {one.arm: one.bad_runs for one in bench.other_tools.loop} == {"a": 0, "b": 1, "c": 0}
    assert [one.arm for one in bench.other_tools.hyperfine] == ["a", "c"]


def test_a_pair_beside_the_baseline_has_a_ratio_of_the_same_rounds() -> None:
    made = plan().model_copy(update={"beside": (("b", "c"),)})
    bench = judged(made, Host(truth=TRUTH, seed=1))
    beside = {(r.numerator, r.denominator): r for r in bench.ratios}
    assert list(beside) == [("b", "a"), ("c", "a"), ("b", "c")]
    assert (beside["b", "c"].n, beside["b", "c"].verdict) == (12, "slower")
    with pytest.raises(ValidationError, match="what is no arm"):
        ExperimentPlan(arms=("a",), baseline="a", seed=0, beside=(("a", "d"),))


def test_without_its_baseline_the_others_have_numbers_and_no_ratio() -> None:
    bench = judged(plan(), Host(truth=TRUTH, seed=1, broken={"a": 1}))
    assert (bench.ratios, arm(bench, "b").state, arm(bench, "a").state) == ((), "measured", "failed")


def test_when_all_arms_fail_there_is_still_a_result_that_says_so() -> None:
    bench = judged(plan(), Host(truth=TRUTH, seed=1, broken={"a": 1, "b": 3, "c": 2}))
    assert {a.state for a in bench.arms} == {"failed"}
    assert bench.method.rounds == 0


def test_no_other_tool_could_have_timed_servers() -> None:
    bench = judged(plan().model_copy(update={"serves": True, "clock": "start"}), Host(truth=TRUTH, seed=1))
    assert (bench.other_tools.loop, bench.other_tools.hyperfine, bench.other_tools.relative) == ((), (), ())
    assert len(bench.ratios) == 2


def test_where_no_round_counts_the_readings_say_what_the_host_was() -> None:
    broken = {"a": 1, "b": 1, "c": 1}
    busy = judged(plan(), Host(truth=TRUTH, seed=1, broken=broken, hogs=((0, 10**6),)))
    assert busy.noise.state == "noisy"
    assert judged(plan(), Host(truth=TRUTH, seed=1, broken=broken)).noise.state == "quiet"


def test_five_rounds_have_a_ratio_without_bounds_that_is_not_resolved() -> None:
    (ratio,) = judged(plan(5, arms=("a", "b")), Host(truth=TRUTH, seed=1)).ratios
    assert (ratio.low, ratio.high, ratio.check, ratio.agrees) == (None, None, None, None)
    assert (ratio.verdict, ratio.more_rounds) == ("not_resolved", 5)
    assert ratio.ratio == pytest.approx(2, rel=0.2)


def test_under_load_that_stays_the_campaign_is_noisy_and_says_why() -> None:
    bench = judged(plan(), Host(truth=TRUTH, seed=1, hogs=((0, 10**6),)))
    assert bench.noise.state == "noisy"
    assert {reason.code for reason in bench.noise.reasons} >= {"noise.spawn-tail", "noise.foreign-load"}
    assert len(bench.noise.reasons) <= 3, "each kind is told once"
    assert len(bench.noise.probes) == 1 + 3 + 3
    assert len(bench.ratios) == 2


def test_a_time_limit_below_one_round_is_refused_rather_than_told_as_a_result() -> None:
    made = plan()
    done, _ = conduct(made, Host(truth=TRUTH, seed=1), until_s=0.9)
    with pytest.raises(StatsError) as refused:
        result(made, done)
    assert "--time-limit" in refused.value.hint


def test_an_arm_that_failed_is_told_although_the_time_was_up_before_a_round_of_the_others() -> None:
    made = plan()
    done, _ = conduct(made, Host(truth=TRUTH, seed=1, broken={"b": 1}), until_s=0.7)
    bench = result(made, done)
    assert [(a.name, a.state, a.n) for a in bench.arms] == [
        ("a", "measured", 0),
        ("b", "failed", 0),
        ("c", "measured", 0),
    ]
    assert (bench.ratios, bench.method.rounds) == ((), 0)


def test_a_time_that_only_some_runs_have_is_no_number_of_the_arm() -> None:
    made = plan(6)
    done, _ = conduct(made, Host(truth=TRUTH, seed=1))
    silent = done[1].samples[0]
    done[1] = done[1].model_copy(
        update={"samples": (silent.model_copy(update={"first_output_s": None}), *done[1].samples[1:])}
    )
    found = {a.name: a.start is None for a in result(made, done).arms}
    assert found == {name: name == silent.arm for name in "abc"}


def test_the_ratio_is_of_the_clock_that_was_asked_for() -> None:
    made = plan(arms=("a", "b")).model_copy(update={"clock": "start"})
    done, _ = conduct(made, Host(truth=TRUTH, seed=1))
    halved = [
        d.model_copy(
            update={
                "samples": tuple(
                    s.model_copy(update={"first_output_s": 0.05}) if s.arm == "b" else s for s in d.samples
                )
            }
        )
        for d in done
    ]
    (ratio,) = result(made, halved).ratios
    firsts = [s.start for s in arm(result(made, halved), "a").samples if s.used and s.start is not None]
    assert ratio.ratio == pytest.approx(0.05 / math.exp(sum(map(math.log, firsts)) / len(firsts)), rel=0.1)


def test_a_record_with_a_number_for_a_failed_arm_or_a_verdict_without_bounds_cannot_be_made() -> None:
    bench = judged(plan(), Host(truth=TRUTH, seed=1))
    measured, ratio = bench.arms[0], bench.ratios[0]
    with pytest.raises(ValidationError, match="if and only if failed"):
        BenchArm.model_validate(measured.model_dump() | {"state": "failed"})
    with pytest.raises(ValidationError, match="not resolved"):
        type(ratio).model_validate(ratio.model_dump() | {"low": None})
