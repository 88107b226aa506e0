from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pytest

from grader.errors import HostError
from grader.judging.expected import Expectation
from grader.model.base import TIME_IS_UP, Message
from grader.model.bench import Bench
from grader.model.run import Completed, MemoryReading
from grader.testing import FakeProgress, FakeScales, completed
from grader.workflow.benchmemory import Weighable, Weighing
from grader.workflow.benchrun import RunCheck
from grader.workflow.budget import Budget
from tests.benches import arm, bench, failed_arm, times

RUN_S = 5.0
PEAKS = {"/bin/true": 1000, "/a": 5000}
EXIT_1 = completed(outcome="failed", exit_code=1)


def weigh(scales: FakeScales, program: str) -> Callable[[float], Completed]:
    return partial(scales.weigh, program, (program,), {})


def weighed(
    scales: FakeScales, *, expected: Expectation | None = None, budget: Budget | None = None, prepared: str = ""
) -> Bench:
    """Read the peaks of `/a`, of `/b`, and not of one that failed; `prepared` notes what comes before each run."""
    given = bench([arm("a", times(0.1, 3)), arm("b", times(0.1, 3)), failed_arm("gone")])
    arms = {
        name: Weighable(
            weigh(scales, f"/{name}"),
            RunCheck(expected or Expectation()),
            *([lambda budget: scales.weighed.append(prepared)] if prepared else []),
        )
        for name in ("a", "b", "gone")
    }
    noop = Weighable(weigh(scales, "/bin/true"), RunCheck(Expectation()))
    return Weighing(noop, RUN_S, budget or Budget(), FakeProgress()).read_peaks(given, arms)


def reasons(result: Bench) -> Mapping[str, Message | None]:
    return {arm.name: arm.no_memory for arm in result.arms}


def test_the_median_is_of_the_runs_after_the_first_and_the_floor_is_told() -> None:
    scales = FakeScales(PEAKS | {"/b": 7000})
    result = weighed(scales)
    assert [arm.memory_peak and (arm.memory_peak.median, arm.memory_peak.n) for arm in result.arms] == [
        (5000.0, 3),
        (7000.0, 3),
        None,
    ]
    assert result.memory is not None
    assert (result.memory.notion, result.memory.runs, result.memory.floor_bytes) == ("cgroup", 3, 1000)
    assert scales.weighed == ["/bin/true"] * 4 + ["/a"] * 4 + ["/b"] * 4
    assert set(reasons(result).values()) == {None}


def test_each_run_is_prepared_as_the_timed_ones_are() -> None:
    scales = FakeScales(PEAKS)
    weighed(scales, prepared="prepared")
    assert scales.weighed[4:12] == ["prepared", "/a"] * 4


@pytest.mark.parametrize(
    ("run", "expected", "code"),
    [
        (EXIT_1, Expectation(), "bench.exit-silent"),
        (completed("wrong"), Expectation(regex="^right$"), "bench.no-match"),
        (
            completed(outcome="timeout", exit_code=None, reason=Message(code="run.timeout", params={"seconds": RUN_S})),
            Expectation(),
            "run.timeout",
        ),
    ],
)
def test_a_bad_run_gives_no_peak_and_is_told(run: Completed, expected: Expectation, code: str) -> None:
    good = completed("right")
    scales = FakeScales(PEAKS | {"/b": 7000}, {"/a": [good], "/b": [good, good, run]})
    result = weighed(scales, expected=expected)
    told = reasons(result)["b"]
    assert told is not None
    assert told.code == code
    assert [arm.memory_peak is not None for arm in result.arms] == [True, False, False]
    assert scales.weighed.count("/b") == 3


def test_the_keys_of_the_first_run_count_for_the_others() -> None:
    scales = FakeScales(PEAKS, {"/a": [completed('{"unix": 1}'), completed('{"error": 1}')]})
    told = reasons(weighed(scales, expected=Expectation(json_=True)))["a"]
    assert told is not None
    assert told.code == "bench.other-keys"


def test_times_are_not_lost_to_a_run_that_could_not_be_made() -> None:
    def fails(budget: Budget) -> None:
        raise HostError("`rm` ended with exit code 1")

    given = bench([arm("a", times(0.1, 3))])
    arms = {"a": Weighable(weigh(FakeScales(PEAKS), "/a"), RunCheck(Expectation()), fails)}
    (told,) = Weighing(None, RUN_S, Budget(), FakeProgress()).read_peaks(given, arms).arms
    assert told.n == 3
    assert told.no_memory == Message(code="infra.run-broke", params={"detail": "`rm` ended with exit code 1"})


def test_what_is_no_program_of_this_host_has_no_floor_and_only_its_own_group_is_read() -> None:
    def container(timeout_s: float) -> Completed:
        beside = MemoryReading(notion="shim", size_bytes=9000, method="smaps of the shim")
        own = MemoryReading(notion="cgroup", size_bytes=5000, method="memory.peak")
        return completed().model_copy(update={"memory_peak": (beside, own)})

    given = bench([arm("a", times(0.1, 3))])
    arms = {"a": Weighable(container, RunCheck(Expectation()))}
    result = Weighing(None, RUN_S, Budget(), FakeProgress()).read_peaks(given, arms)
    assert result.arms[0].memory_peak is not None
    assert result.arms[0].memory_peak.median == 5000
    assert result.memory is not None
    assert (result.memory.floor_bytes, result.memory.notion) == (None, "cgroup")


def test_a_host_that_cannot_tell_a_peak_says_so() -> None:
    result = weighed(FakeScales({}))
    assert result.memory is None
    assert reasons(result) == {"a": (told := Message(code="bench.memory-not-told")), "b": told, "gone": None}


def test_memory_is_read_within_the_time_limit_and_what_it_left_out_is_told() -> None:
    now = 0.0

    class Slow(FakeScales):
        def weigh(self, *args: object) -> Completed:
            nonlocal now
            done = super().weigh(*args)  # type: ignore[arg-type]
            now += min(1.5, self.timeouts_s[-1])
            return done

    scales = Slow(PEAKS | {"/b": 7000}, {"/b": [completed(), completed(outcome="timeout", exit_code=None)]})
    result = weighed(scales, budget=Budget(14.0, lambda: now))
    assert reasons(result) == {"a": None, "b": Message(code=TIME_IS_UP), "gone": None}
    assert (now, scales.timeouts_s[-2:]) == (14.0, [2.0, 0.5])
    assert reasons(weighed(scales, budget=Budget(0.0, lambda: now)))["a"] == Message(code=TIME_IS_UP)
