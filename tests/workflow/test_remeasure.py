"""What was timed is timed once, however it came out; `--remeasure` alone times it again, and loses nothing by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.errors import HostError, TimeLimitError
from grader.model.grade import Fact
from grader.model.run import Completed
from grader.testing import FakeEngine, FakeHost, FakeLock, FakeNoiseMeter, FakeServer, completed
from grader.workflow.measure import Measured
from tests.samplelab import engine, right_output, serving_lab
from tests.workflow.test_measure import Desk, facts
from tests.workflow.test_server import WAITS, dies, serves

TIME = "native.startup_time@process"
OLD_S, NEW_S = 0.01, 0.02
RUNS = 3 * (2 + 8)
"""Of a whole campaign: three arms, two warm-ups and eight rounds."""


def taking(seconds: float, *, stop_at: int = 0, error: BaseException | None = None) -> FakeEngine:
    """Return an engine whose native program takes so long; its run number `stop_at` raises `error`."""
    runs = 0

    def run() -> Completed:
        nonlocal runs
        runs += 1
        if error is not None and runs == stop_at:
            raise error
        return completed(right_output(), total_s=seconds)

    return engine(runs={"process": run})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose native program has been timed while the host was busy."""
    desk = Desk(tmp_path)
    desk.host = FakeHost(FakeNoiseMeter(0.0005, 0.005))
    noisy = facts(desk.measure(taking(OLD_S)))[TIME]
    assert (noisy.value, [reason.code for reason in noisy.noise]) == (OLD_S, ["noise.spawn"])
    desk.host = FakeHost()
    desk.clock.wall_s += 1
    return desk


def timed(measured: Measured) -> tuple[object, bool]:
    """Return the time that is told, and whether it is marked as noisy."""
    fact = facts(measured)[TIME]
    return fact.value, bool(fact.noise)


def test_a_noisy_measurement_is_reused_with_its_mark_and_nothing_runs(desk: Desk) -> None:
    fake = taking(NEW_S)
    assert timed(desk.measure(fake)) == (OLD_S, True)
    assert fake.ran == []
    assert desk.samples.saved() is None


def test_it_is_timed_again_on_demand_and_replaced_while_builds_and_probes_stay(desk: Desk) -> None:
    fake = taking(NEW_S)
    assert timed(desk.measure(fake, remeasure=True)) == (NEW_S, False)
    assert (len(fake.ran), fake.built) == (RUNS, [])
    later = taking(OLD_S)
    assert timed(desk.measure(later)) == (NEW_S, False)
    assert later.ran == []


def test_where_nothing_was_timed_before_it_is_timed_once(tmp_path: Path) -> None:
    fake = taking(NEW_S)
    assert timed(Desk(tmp_path).measure(fake, remeasure=True)) == (NEW_S, False)
    assert len(fake.ran) == 2 + RUNS, "two probes and the campaign"


def test_an_interrupted_one_leaves_the_old_times_and_goes_on_with_the_new_ones(desk: Desk) -> None:
    with pytest.raises(KeyboardInterrupt):
        desk.measure(taking(NEW_S, stop_at=9, error=KeyboardInterrupt()), remeasure=True)
    left = desk.samples.saved()
    assert left is not None
    fake = taking(NEW_S)
    assert timed(desk.measure(fake)) == (OLD_S, True), "a plain grade takes what is whole"
    assert fake.ran == []
    assert desk.samples.saved() == left, "and leaves what is not"
    resumed = desk.measure(fake, remeasure=True, resume=True)
    assert timed(resumed) == (NEW_S, False)
    assert (resumed.resumed_rounds, len(fake.ran)) == (5, 3 * (2 + 3))


def test_one_that_was_killed_after_it_was_whole_is_taken_by_the_next_grade(desk: Desk) -> None:
    desk.measure(taking(NEW_S), remeasure=True)
    assert desk.samples.saved() is not None, "the result would have been written next"
    assert timed(desk.measure(taking(OLD_S))) == (NEW_S, False)
    assert desk.samples.saved() is None


@pytest.mark.parametrize("stop_at", [1, 5, 9])
def test_one_that_the_time_limit_ends_leaves_the_old_times_and_says_so(desk: Desk, stop_at: int) -> None:
    measured = desk.measure(taking(NEW_S, stop_at=stop_at, error=TimeLimitError("up")), remeasure=True)
    assert timed(measured) == (OLD_S, True)
    assert measured.left_out == ("time",)
    assert "those of before stay" in desk.progress.lines[-1]
    assert timed(desk.measure(taking(NEW_S), remeasure=True, resume=True)) == (NEW_S, False)


class Taken(FakeLock):
    """A lock that somebody else has for as long as the time limit lets us wait."""

    @contextmanager
    def exclusive(self, timeout_s: float | None = None) -> Iterator[None]:
        raise TimeLimitError("the host lock was not free")
        yield


def test_one_for_which_the_host_was_never_free_leaves_the_old_times(desk: Desk) -> None:
    desk.lock = Taken()
    measured = desk.measure(taking(NEW_S), remeasure=True)
    assert timed(measured) == (OLD_S, True)
    assert measured.left_out == ("time",)


def test_one_that_broke_leaves_the_old_times_and_says_which_arm_did(desk: Desk) -> None:
    broken = taking(NEW_S, stop_at=5, error=HostError("no room"))
    measured = desk.measure(broken, remeasure=True)
    assert timed(measured) == (OLD_S, True)
    assert [(one.arm, one.reason.code) for one in measured.unrenewed] == [("process", "infra.run-broke")]
    later = desk.measure(taking(NEW_S))
    assert (timed(later), later.unrenewed) == ((OLD_S, True), ())


def starts(measured: Measured) -> Fact:
    (fact,) = (fact for fact in measured.facts if fact.id == "native.first_answer_time@process")
    return fact


@pytest.fixture
def served(tmp_path: Path) -> Desk:
    """A desk whose server has been timed."""
    desk = Desk(tmp_path, serving_lab())
    desk.waits = WAITS
    assert starts(desk.measure(serving(serves))).n == 7
    return desk


def serving(start: Callable[[], FakeServer]) -> FakeEngine:
    return engine(servers={"process": start, "wasmtime": lambda: dies("Netdev not set\n")})


def test_the_starts_of_a_server_are_timed_again_and_it_is_asked_no_more(served: Desk) -> None:
    fake = serving(serves)
    measured = served.measure(fake, remeasure=True)
    assert fake.served == ["process"] * 7
    assert starts(measured).n == 7
    later = serving(serves)
    served.measure(later)
    assert later.served == []


@pytest.mark.parametrize(
    ("error", "code"),
    [(None, None), (HostError("no namespaces"), "infra.run-broke"), (TimeLimitError("up"), "limit.time")],
)
def test_starts_that_do_not_come_to_their_end_leave_the_old_ones(
    served: Desk, error: HostError | None, code: str | None
) -> None:
    before = starts(served.measure(serving(serves)))
    number = 0

    def start() -> FakeServer:
        nonlocal number
        number += 1
        if number == 3 and error is not None:
            raise error
        return serves() if number < 3 else dies("panic: flaky\n")

    measured = served.measure(serving(start), remeasure=True)
    assert starts(measured) == before
    assert any("of before stay" in line for line in served.progress.lines)
    assert [one.reason.code for one in measured.unrenewed] == ([code] if code else [])
    assert starts(served.measure(serving(serves))) == before
