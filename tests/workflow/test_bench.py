from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grader.errors import GraderError, HostError, StatsError, UsageError
from grader.model.base import canonical_json, digest
from grader.model.bench import Bench, Calibration, ExperimentPlan
from grader.model.run import Sample
from grader.testing import (
    FakeHost,
    FakeLock,
    FakeNoiseMeter,
    FakeProgress,
    FakeSamples,
    FakeStore,
)
from grader.workflow.bench import TimeLimits, Track, run_bench
from grader.workflow.benchrun import Ran
from grader.workflow.budget import Budget

QUIET_S, BUSY_S = 0.0005, 0.005


class Arm:
    """An arm whose runs take so long on the track's clock; `bad` gives what the n-th run is instead."""

    def __init__(self, clock: Clock, seconds: float, bad: Mapping[int, Ran | BaseException] | None = None) -> None:
        self.clock, self.seconds, self.bad = clock, seconds, bad or {}
        self.timeouts: list[float] = []
        self.preparing_s = 0.0
        self.rng = random.Random(seconds)

    def prepare(self, budget: Budget) -> None:
        self.clock.now += budget.cap(self.preparing_s) if self.preparing_s else 0.0
        budget.check()

    def run(self, timeout_s: float) -> Ran:
        self.timeouts.append(timeout_s)
        found = self.bad.get(len(self.timeouts))
        if isinstance(found, BaseException):
            raise found
        if found is not None:
            return found
        lasted_s = min(self.seconds, timeout_s)
        self.clock.now += lasted_s
        if lasted_s < self.seconds:
            return bad_run("timeout", "run.timeout", seconds=timeout_s)
        # No two runs take equally long: the signed ranks refuse so coarse a clock.
        return Ran(outcome="ok", exit_code=0, lasted_s=self.seconds * self.rng.uniform(1, 1.01))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Course:
    """A track of fakes with a clock that only runs and pauses move."""

    store: FakeStore
    limit_s: float | None = None
    clock: Clock = field(default_factory=Clock)
    noise: FakeNoiseMeter = field(default_factory=FakeNoiseMeter)
    samples: FakeSamples = field(default_factory=FakeSamples)
    progress: FakeProgress = field(default_factory=FakeProgress)
    lock: FakeLock = field(default_factory=FakeLock)

    def track(self) -> Track:
        return Track(
            lock=self.lock,
            noise=lambda: self.noise,
            samples=self.samples,
            progress=self.progress,
            store=self.store,
            host=FakeHost().fingerprint(()),
            budget=lambda: Budget(self.limit_s, self.clock),
            monotonic=self.clock,
            wall=lambda: 1e9,
        )


def bad_run(outcome: str, code: str, **params: str | float) -> Ran:
    return Ran.model_validate(
        {
            "outcome": outcome,
            "exit_code": 125,
            "lasted_s": 0.5,
            "reason": {"code": code, "params": params},
            "tail": "end",
        }
    )


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(FakeStore(tmp_path))


def compare(
    course: Course,
    arms: Mapping[str, Arm],
    *,
    rounds: int | None = None,
    limits: TimeLimits | None = None,
    before_leaving: Callable[[Bench, Budget], Bench] = lambda bench, budget: bench,
) -> Bench:
    plan = ExperimentPlan(arms=tuple(arms), baseline=next(iter(arms)), rounds=rounds, seed=3)
    return run_bench(
        plan,
        arms,
        {name: (f"/{name}",) for name in arms},
        course.track(),
        limits or TimeLimits(run_s=60.0, shared=False),
        version="1",
        before_leaving=before_leaving,
    )


def states(bench: Bench) -> dict[str, tuple[str, int]]:
    return {arm.name: (arm.state, arm.n) for arm in bench.arms}


def test_rounds_are_counted_after_warm_ups_and_every_run_is_saved_before_the_next(course: Course) -> None:
    saved: list[int] = []
    arms = {"a": Arm(course.clock, 0.1), "b": Arm(course.clock, 0.2)}
    remember = arms["a"].run

    def run(timeout_s: float) -> Ran:
        saved.append(len(course.samples.lines))
        return remember(timeout_s)

    arms["a"].run = run  # type: ignore[method-assign]
    bench = compare(course, arms, rounds=7)
    assert states(bench) == {"a": ("measured", 7), "b": ("measured", 7)}
    assert [sample.phase for sample in course.samples.lines] == ["warm-up"] * 4 + ["timed"] * 14
    # Whatever the order in a round, before each run of `a` all earlier ones are there.
    assert all(0 <= lines - 2 * number <= 1 for number, lines in enumerate(saved))
    assert (bench.ratios[0].verdict, bench.method.ending) == ("slower", "rounds")


def test_runs_of_an_earlier_comparison_are_kept_aside(course: Course) -> None:
    compare(course, {"a": Arm(course.clock, 0.1)}, rounds=1)
    first = list(course.samples.lines)
    compare(course, {"a": Arm(course.clock, 0.1)}, rounds=2)
    assert course.samples.aside == first
    assert len(course.samples.lines) == 2 + 2
    assert any("`aside`" in line for line in course.progress.lines)


def test_the_host_is_ours_alone_from_the_first_run_to_what_comes_before_leaving(course: Course) -> None:
    held: list[list[str]] = []

    def leave(bench: Bench, budget: Budget) -> Bench:
        held.append(list(course.lock.events))
        return bench

    compare(course, {"a": Arm(course.clock, 0.1)}, rounds=1, before_leaving=leave)
    assert held == [["+exclusive"]]
    assert course.lock.events == ["+exclusive", "-exclusive"]


def test_precision_ends_an_automatic_campaign(course: Course) -> None:
    bench = compare(course, {"a": Arm(course.clock, 0.1), "b": Arm(course.clock, 0.1001)})
    assert (states(bench)["a"], bench.method.ending) == (("measured", 10), "precision")
    assert bench.ratios[0].verdict == "no_difference"


def test_noise_is_read_before_every_five_rounds_and_after(course: Course) -> None:
    bench = compare(course, {"a": Arm(course.clock, 0.1), "b": Arm(course.clock, 0.2)}, rounds=12)
    assert len(bench.noise.probes) == 1 + 3
    assert bench.noise.state == "quiet"


def test_a_busy_host_is_waited_for_and_the_rounds_run_again(course: Course) -> None:
    course.noise = FakeNoiseMeter(QUIET_S, BUSY_S, QUIET_S)
    bench = compare(course, {"a": Arm(course.clock, 0.1), "b": Arm(course.clock, 0.2)}, rounds=5)
    assert max(course.noise.pauses) > 0
    assert (bench.noise.state, bench.noise.repeated) == ("quiet", 5)
    assert any("busy" in line for line in course.progress.lines)


def test_a_host_that_was_quieter_once_is_seen_to_be_busy_from_the_start(course: Course) -> None:
    arms = {"a": Arm(course.clock, 0.1), "b": Arm(course.clock, 0.2)}
    assert compare(course, arms, rounds=5).noise.state == "quiet"
    course.noise = FakeNoiseMeter(BUSY_S)
    bench = compare(course, {"a": Arm(course.clock, 0.1), "b": Arm(course.clock, 0.2)}, rounds=5)
    assert bench.noise.state == "noisy"
    assert bench.noise.calibration is not None
    assert bench.noise.calibration.spawn_s == QUIET_S


def test_a_damaged_calibration_counts_as_none(course: Course) -> None:
    key = digest(canonical_json(FakeHost().fingerprint(())))
    course.store.save("calibration", key, b"{}")
    assert compare(course, {"a": Arm(course.clock, 0.1)}, rounds=1).noise.calibration is None
    assert Calibration.model_validate_json(course.store.results["calibration", key]).spawn_s == QUIET_S


def test_an_arm_with_a_bad_run_has_no_number_and_is_run_no_more(course: Course) -> None:
    broken = Arm(course.clock, 0.1, {4: bad_run("failed", "bench.exit-silent", exit=125, expected=0)})
    bench = compare(course, {"a": Arm(course.clock, 0.1), "broken": broken}, rounds=6)
    assert states(bench) == {"a": ("measured", 6), "broken": ("failed", 0)}
    failure = bench.arms[1].failure
    assert failure is not None
    assert (failure.run, failure.exit, failure.tail, failure.reason.code) == (4, 125, "end", "bench.exit-silent")
    assert len(broken.timeouts) == 4
    assert bench.ratios == ()


def test_a_hang_costs_its_share_of_the_time_and_the_others_go_on(course: Course) -> None:
    course.limit_s = 60.0
    arms = {"a": Arm(course.clock, 0.1), "hangs": Arm(course.clock, 1e6)}
    bench = compare(course, arms, rounds=6, limits=TimeLimits.of(None, 60.0, 2))
    assert states(bench) == {"a": ("measured", 6), "hangs": ("failed", 0)}
    failure = bench.arms[1].failure
    assert failure is not None
    assert (failure.reason.code, failure.reason.params["seconds"]) == ("bench.timeout-share", 15.0)


def test_what_the_time_limit_cuts_off_is_no_failure_of_its_arm(course: Course) -> None:
    course.limit_s = 10.0
    arms = {"a": Arm(course.clock, 1.0), "b": Arm(course.clock, 1.1)}
    bench = compare(course, arms, limits=TimeLimits(run_s=5.0, shared=False))
    assert bench.method.ending == "time"
    # Ten seconds hold two rounds of warm-up and two or three more.
    assert states(bench)["a"] == states(bench)["b"] == ("measured", 2)
    assert bench.ratios[0].verdict == "not_resolved"


def test_what_prepares_a_run_is_within_the_time_limit_and_leaves_the_run_what_is_left(course: Course) -> None:
    course.limit_s = 20.0
    arm = Arm(course.clock, 1.0)
    arm.preparing_s = 2.5
    bench = compare(course, {"a": arm}, limits=TimeLimits(run_s=5.0, shared=False))
    assert course.clock.now == 20.0
    assert arm.timeouts == [5.0, 5.0, 5.0, 5.0, 3.5]
    assert (bench.method.ending, states(bench)) == ("time", {"a": ("measured", 3)})


def test_a_limit_too_small_for_one_round_is_wrong_usage(course: Course) -> None:
    course.limit_s = 1.0
    arms = {"a": Arm(course.clock, 5.0), "b": Arm(course.clock, 6.0)}
    with pytest.raises(UsageError) as caught:
        compare(course, arms, limits=TimeLimits.of(None, 1.0, 2))
    assert "too short for one round" in str(caught.value)
    course.clock.now, course.limit_s = 0.0, 2.0
    with pytest.raises(StatsError) as other:
        compare(course, {"a": Arm(course.clock, 0.7)}, limits=TimeLimits(run_s=5.0, shared=False))
    assert (other.value.exit_code, "--time-limit" in other.value.hint) == (2, True)


@pytest.mark.parametrize("broken", [KeyboardInterrupt(), HostError("no space left")])
def test_an_interrupt_or_a_broken_host_loses_no_sample(course: Course, broken: BaseException) -> None:
    with pytest.raises(type(broken)):
        compare(course, {"a": Arm(course.clock, 0.1, {6: broken}), "b": Arm(course.clock, 0.1)}, rounds=20)
    assert len([sample for sample in course.samples.lines if sample.arm == "a"]) == 5
    assert course.lock.events[-1] == "-exclusive"


def test_a_full_disk_ends_the_run_with_its_message(course: Course) -> None:
    class FullDisk(FakeSamples):
        def add(self, sample: Sample) -> None:
            if len(self.lines) == 7:
                raise HostError("cannot write results: No space left on device")
            super().add(sample)

    course.samples = FullDisk()
    with pytest.raises(GraderError, match="No space left"):
        compare(course, {"a": Arm(course.clock, 0.1), "b": Arm(course.clock, 0.1)}, rounds=20)
    assert len(course.samples.lines) == 7


@pytest.mark.parametrize(
    ("run_s", "whole_s", "expected"),
    [(None, None, (60.0, False)), (5.0, 60.0, (5.0, False)), (None, 60.0, (10.0, True)), (None, 6000.0, (60.0, True))],
)
def test_a_run_gets_half_of_its_arms_share_of_the_whole(
    run_s: float | None, whole_s: float | None, expected: tuple[float, bool]
) -> None:
    limits = TimeLimits.of(run_s, whole_s, 3)
    assert (limits.run_s, limits.shared) == expected
