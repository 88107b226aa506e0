"""One run of one arm of a comparison: started, timed, and set against what its caller expects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from pydantic import Field

from grader.errors import HostError, StillRunningError
from grader.judging.expected import Expectation, Printed, check_exit, check_printed, printed_keys, tail_of
from grader.judging.probes import WallClock
from grader.judging.server import why_no_answer
from grader.model.base import Message, Record
from grader.model.run import Answer, Completed, Outcome
from grader.model.trouble import trouble
from grader.ports import Clock, Clocked, Server, Stopped, Stopwatch
from grader.workflow.budget import Budget
from grader.workflow.firstanswer import First, first_answer
from grader.workflow.waits import STANDARD, Waits


class Ran(Record):
    """How a run went.  Times in seconds; all but `lasted_s` are None unless the outcome is `ok`."""

    outcome: Outcome
    exit_code: int | None
    lasted_s: float = Field(ge=0)
    first_output_s: float | None = None
    user_s: float | None = None
    system_s: float | None = None
    reason: Message | None = None
    tail: str = ""


Preparation = Callable[[Budget], None]
"""What is done before each run of an arm, outside its clock; see `Arm.prepare`."""


class Arm(Protocol):
    """One arm, to be prepared and run again and again."""

    def prepare(self, budget: Budget) -> None:
        """Do what has to be done before each run.

        Raises: TimeLimitError if the budget ends before that is done; HostError if it does not go well.
        """

    def run(self, timeout_s: float) -> Ran:
        """Run it once; no process of it is left."""


def nothing_to_do(budget: Budget) -> None:
    """Prepare a run that needs nothing done before it."""


class RunCheck:
    """What each run of one arm must do.  The keys that its first good run printed are those of all.

    Args:
        first_byte: Whether a run has to print something.
    """

    def __init__(self, expected: Expectation, *, first_byte: bool = False) -> None:
        self._expected = expected
        self._first_byte = first_byte
        self._keys: tuple[str, ...] | None = None

    def why_bad(
        self, exit_code: int | None, signal: int | None, stderr: bytes, printed: Printed
    ) -> tuple[Outcome, Message] | None:
        """Return what is wrong with a run that ended by itself, None for a good one."""
        reason = check_exit(self._expected, exit_code, signal, stderr)
        if reason is not None:
            return "failed", reason
        if self._first_byte and not printed.data:
            return "wrong-output", Message(code="bench.no-output")
        reason = check_printed(self._expected, printed, self._keys)
        if reason is not None:
            return "wrong-output", reason
        if self._keys is None:
            self._keys = printed_keys(self._expected, printed)
        return None


def why_bad(check: RunCheck, done: Completed, ended: float) -> tuple[Outcome, Message] | None:
    """Return what is wrong with a run that went through a boundary, None for a good one.

    Some limits are the boundary's own, and what it says of them goes before what the exit code does.

    Args:
        ended: Unix seconds; the clock is read after the boundary was taken down, which takes milliseconds.
    """
    if done.reason is not None:
        return done.outcome, done.reason
    first_s = done.total_s if done.first_output_s is None else done.first_output_s
    printed = Printed(data=done.stdout_bytes(), at=ended - done.total_s + first_s)
    return check.why_bad(done.exit_code, done.signal, done.stderr_bytes(), printed)


class CommandArm:
    """An arm whose runs end by themselves.

    Args:
        program: What was asked for, as a message names it.
    """

    def __init__(
        self,
        program: str,
        stopwatch: Stopwatch,
        check: RunCheck,
        *,
        prepare: Preparation = nothing_to_do,
    ) -> None:
        self._program = program
        self._stopwatch = stopwatch
        self._check = check
        self.prepare = prepare

    def run(self, timeout_s: float) -> Ran:
        try:
            clocked = self._stopwatch.run(timeout_s)
        except (OSError, ValueError) as error:
            return _not_started(self._program, error)
        bad = self._why_bad(clocked, timeout_s)
        if bad is not None:
            outcome, reason = bad
            streams = (clocked.stdout, clocked.stderr)
            tail = tail_of(*(streams if outcome == "wrong-output" else reversed(streams)))
            return Ran(outcome=outcome, exit_code=clocked.exit_code, lasted_s=clocked.total_s, reason=reason, tail=tail)
        return Ran(
            outcome="ok",
            exit_code=clocked.exit_code,
            lasted_s=clocked.total_s,
            first_output_s=clocked.first_output_s,
            user_s=clocked.user_s,
            system_s=clocked.system_s,
        )

    def _why_bad(self, clocked: Clocked, timeout_s: float) -> tuple[Outcome, Message] | None:
        if clocked.timed_out:
            return "timeout", Message(code="run.timeout", params={"seconds": shown_s(timeout_s)})
        first_s = clocked.first_output_s
        printed = Printed(
            data=clocked.stdout,
            at=clocked.began + (clocked.total_s if first_s is None else first_s),
            cut=clocked.stdout_cut,
        )
        return self._check.why_bad(clocked.exit_code, clocked.signal, clocked.stderr, printed)


@dataclass(frozen=True)
class Url:
    """Where a server of this host answers when it is ready."""

    port: int
    path: str


class ServerArm:
    """An arm that serves: a run lasts until its first valid answer, then it is ended.

    Args:
        serve: Starts it, for so many seconds at most.
    """

    def __init__(
        self,
        serve: Callable[[float], AbstractContextManager[Server]],
        url: Url,
        expected: Expectation,
        clock: Clock,
        *,
        waits: Waits = STANDARD,
        prepare: Preparation = nothing_to_do,
    ) -> None:
        self._serve = serve
        self._url = url
        self._expected = expected
        self._clock = clock
        self._waits = waits
        self.prepare = prepare
        self._keys: tuple[str, ...] | None = None

    def run(self, timeout_s: float) -> Ran:
        try:
            with self._serve(timeout_s + self._waits.request_s + self._waits.grace_s) as server:
                first = first_answer(
                    server,
                    self._url.path,
                    self._url.port,
                    self._checked,
                    within_s=shown_s(timeout_s),
                    pause_s=self._waits.connect_pause_s,
                    waits=self._waits,
                    clock=self._clock,
                )
                ended = server.ended()
                stopped = server.stop(self._waits.grace_s)
        except StillRunningError:
            raise
        except HostError as error:
            reason = trouble("infra.run-broke", error)
            return Ran(outcome="not-started", exit_code=None, lasted_s=0.0, reason=reason)
        return self._judged(first, stopped, timeout_s, ended=ended)

    def _checked(self, answer: Answer, came: WallClock) -> Answer:
        """Return the answer with what is wrong about it, if anything is."""
        if answer.reason is not None:
            return answer
        reason: Message | None = None
        if answer.status != 200:
            reason = Message(code="answer.status", params={"path": answer.path, "found": answer.status})
        else:
            printed = Printed(data=answer.body.encode("latin-1"), at=came.after)
            reason = check_printed(self._expected, printed, self._keys)
            if reason is None and self._keys is None:
                self._keys = printed_keys(self._expected, printed)
        return answer.model_copy(update={"reason": reason})

    def _judged(self, first: First, stopped: Stopped, timeout_s: float, *, ended: bool) -> Ran:
        answer, done = first.answer, stopped.completed
        if answer.reason is None:
            code = _as_in_a_shell(done)
            return Ran(outcome="ok", exit_code=code, lasted_s=done.total_s, first_output_s=first.seconds)
        body = answer.body.encode("latin-1")
        return Ran(
            outcome=_outcome(answer, done, ended=ended),
            exit_code=done.exit_code if ended else None,
            lasted_s=done.total_s,
            reason=why_no_answer(answer, done, ended=ended, waited_s=shown_s(timeout_s)),
            tail=tail_of(body, done.stderr_bytes(), done.stdout_bytes()),
        )


def _as_in_a_shell(done: Completed) -> int | None:
    """Return how a server ended that was told to: most let the signal end them, which is no failure of theirs."""
    return done.exit_code if done.signal is None else 128 + done.signal


def _outcome(answer: Answer, done: Completed, *, ended: bool) -> Outcome:
    if done.outcome == "not-started":
        return "not-started"
    if answer.status is not None:
        return "wrong-output"
    return "failed" if ended else "timeout"


def _not_started(program: str, error: OSError | ValueError) -> Ran:
    why = (error.strerror or "unknown") if isinstance(error, OSError) else str(error)
    reason = Message(code="run.not-started", params={"program": program, "error": why})
    return Ran(outcome="not-started", exit_code=None, lasted_s=0.0, reason=reason)


def shown_s(seconds: float) -> float:
    """Return a limit as a message tells it: with four digits, be it 0.5 ms or our share of a minute."""
    return float(f"{seconds:.4g}")
