from __future__ import annotations

import pytest

from grader.errors import HostError, StillRunningError
from grader.judging.expected import Expectation, Freshness
from grader.model.base import Message
from grader.model.run import Command, Completed, Limits
from grader.testing import FakeEngine, completed
from grader.workflow.benchimage import ImageArm
from grader.workflow.benchrun import Ran, RunCheck

COMMAND = Command(argv=("/docker",), limits=Limits(timeout_s=60))


class Recording(FakeEngine):
    """Keeps the limits that each command came with."""

    limits_s: tuple[float, ...] = ()

    def run_once(self, command: Command) -> Completed:
        self.limits_s += (command.limits.timeout_s,)
        return super().run_once(command)


def ran(done: Completed, expected: Expectation | None = None, *, now: float = 1000.0) -> Ran:
    engine = Recording({}, {"docker": lambda: done})
    found = ImageArm(engine, COMMAND, RunCheck(expected or Expectation()), wall=lambda: now).run(2.5)
    assert engine.limits_s == (2.5,)
    return found


def test_a_good_run_has_the_times_of_the_client() -> None:
    found = ran(completed("hello", total_s=0.3, first_output_s=0.2))
    assert (found.outcome, found.lasted_s, found.first_output_s) == ("ok", 0.3, 0.2)


@pytest.mark.parametrize(
    ("done", "expected", "outcome", "code", "tail"),
    [
        (completed(outcome="failed", exit_code=3, stderr="no\n"), Expectation(), "failed", "bench.exit", "no"),
        (completed("x", stderr="why"), Expectation(json_=True), "wrong-output", "probe.not-json", "x"),
        (
            completed(outcome="failed", exit_code=137, reason=Message(code="run.memory-limit", params={"bytes": 1})),
            Expectation(exit=137),
            "failed",
            "run.memory-limit",
            "",
        ),
    ],
)
def test_a_bad_run_says_what_was_wrong(
    done: Completed, expected: Expectation, outcome: str, code: str, tail: str
) -> None:
    found = ran(done, expected)
    assert found.reason is not None
    assert (found.outcome, found.reason.code, found.first_output_s) == (outcome, code, None)
    assert found.tail.startswith(tail)


def test_a_limit_is_told_in_few_digits() -> None:
    late = completed(outcome="timeout", exit_code=None, reason=Message(code="run.timeout", params={"seconds": 2.50001}))
    assert ran(late).reason == Message(code="run.timeout", params={"seconds": 2.5})


def test_output_is_as_old_as_its_first_byte_however_long_the_image_took_to_load() -> None:
    fresh = Expectation(fresh=Freshness(key="unix", within_s=1.0))
    done = completed('{"unix": 990}', total_s=10.0, first_output_s=0.5)
    assert ran(done, fresh, now=1000.0).outcome == "ok"
    assert ran(done, fresh, now=1005.0).outcome == "wrong-output"


def test_a_broken_daemon_ends_the_arm_without_a_number() -> None:
    def broken() -> Completed:
        raise HostError("the Docker daemon cannot be reached", where="/run/secret.sock")

    arm = ImageArm(FakeEngine({}, {"docker": broken}), COMMAND, RunCheck(Expectation()))
    reason = Message(code="infra.run-broke", params={"detail": "the Docker daemon cannot be reached"})
    assert arm.run(1.0) == Ran(outcome="not-started", exit_code=None, lasted_s=0.0, reason=reason)


def test_what_cannot_be_ended_ends_the_comparison() -> None:
    def stuck() -> Completed:
        raise StillRunningError("process 1 goes on")

    with pytest.raises(StillRunningError):
        ImageArm(FakeEngine({}, {"docker": stuck}), COMMAND, RunCheck(Expectation())).run(1.0)
