from __future__ import annotations

import pytest

from grader.errors import TimeLimitError
from grader.model.run import Command, Completed, Limits
from grader.testing import FakeHost, FakeLock, FakeNoiseMeter, FakeRunner, FakeServer, completed
from grader.workflow.budget import BoundedHost, BoundedLock, BoundedRunner, Budget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


COMMAND = Command(argv=("/program",), limits=Limits(timeout_s=60))


def cut_short(command: Command) -> Completed:
    return completed("", outcome="timeout", exit_code=None, reason={"code": "run.timeout"})


def test_without_a_limit_nothing_is_capped(clock: Clock) -> None:
    budget = Budget(None, clock)
    clock.now += 1e9
    assert (budget.left_s(), budget.cap(60)) == (None, 60)
    runner = FakeRunner(cut_short)
    assert BoundedRunner(runner, budget).run(COMMAND).outcome == "timeout"
    assert runner.commands == [COMMAND]


def test_a_command_gets_what_is_left_and_no_more_than_its_own_timeout(clock: Clock) -> None:
    runner = FakeRunner(lambda _: completed())
    bounded = BoundedRunner(runner, Budget(100, clock))
    bounded.run(COMMAND)
    clock.now += 90
    bounded.run(COMMAND)
    assert [command.limits.timeout_s for command in runner.commands] == [60, 10]


def test_a_command_that_only_the_limit_cut_short_gives_no_result(clock: Clock) -> None:
    """A program that may take 60 s and was given 10 did not hang: nobody may be blamed, and nothing kept."""
    bounded = BoundedRunner(FakeRunner(cut_short), Budget(70, clock))
    assert bounded.run(COMMAND).outcome == "timeout", "it had all of its own 60 s"
    clock.now += 60
    with pytest.raises(TimeLimitError) as caught:
        bounded.run(COMMAND)
    assert caught.value.hint


def test_nothing_is_started_once_the_time_is_up(clock: Clock) -> None:
    runner = FakeRunner(lambda _: completed())
    budget = Budget(10, clock)
    clock.now += 10
    with pytest.raises(TimeLimitError):
        BoundedRunner(runner, budget).run(COMMAND)
    with pytest.raises(TimeLimitError), BoundedRunner(runner, budget).serve(COMMAND, 8080):
        pytest.fail("it was started")
    lock = FakeLock()
    with pytest.raises(TimeLimitError), BoundedLock(lock, budget).exclusive():
        pytest.fail("it was taken")
    assert (runner.commands, lock.events) == ([], [])


def test_a_server_is_not_waited_for_once_the_time_is_up_and_is_stopped(clock: Clock) -> None:
    server = FakeServer(refusals=None)
    bounded = BoundedRunner(FakeRunner(lambda _: completed(), serve=lambda _: server), Budget(10, clock))

    def wait_for_it() -> None:
        with bounded.serve(COMMAND, 8080) as served:
            assert served.ask("/", 8080, timeout_s=1).reason is not None
            clock.now += 10
            served.ask("/", 8080, timeout_s=1)

    with pytest.raises(TimeLimitError):
        wait_for_it()
    assert server.stops == 1


def test_the_lock_is_waited_for_no_longer_than_the_limit(clock: Clock) -> None:
    waits: list[float | None] = []

    class Noting(FakeLock):
        def shared(self, timeout_s: float | None = None):  # type: ignore[no-untyped-def]
            waits.append(timeout_s)
            return super().shared(timeout_s)

    lock = BoundedLock(Noting(), Budget(30, clock))
    for wanted in (None, 100, 5):
        with lock.shared(wanted):
            pass
    assert waits == [30, 30, 5]
    with BoundedLock(FakeLock(busy=True), Budget(None, clock)).exclusive():
        pass


def test_a_quiet_host_is_waited_for_only_for_a_share_of_what_is_left(clock: Clock) -> None:
    meter = FakeNoiseMeter()
    host = BoundedHost(FakeHost(meter), Budget(50, clock))
    noise = host.listen()
    assert noise.read(1.0, 2.0).at_s == 1.0
    clock.now += 45
    noise.read(2.0, 2.0)
    clock.now += 45
    noise.read(3.0, 2.0)
    assert meter.pauses == [2.0, 0.5, 0.0]
    assert (host.load_average(), host.fingerprint(())) == ((0.0, 0.0, 0.0), FakeHost().fingerprint(()))
    unbounded = BoundedHost(FakeHost(meter), Budget(None, clock)).listen()
    unbounded.read(4.0, 2.0)
    assert meter.pauses[-1] == 2.0
