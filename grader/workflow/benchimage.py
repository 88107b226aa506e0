"""One run of one arm that is a container of an image: by the engine that a grading would have run it with."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from grader.errors import HostError, StillRunningError
from grader.judging.expected import tail_of
from grader.model.base import Message
from grader.model.run import Command, Completed
from grader.model.trouble import trouble
from grader.ports import Engine, Server
from grader.workflow.benchrun import Preparation, Ran, RunCheck, nothing_to_do, shown_s, why_bad


class ImageArm:
    """An arm whose containers end by themselves; implements `benchrun.Arm`.

    What an engine does around a run, such as loading the image before the first one, is not on the clock.
    """

    def __init__(
        self,
        engine: Engine,
        command: Command,
        check: RunCheck,
        *,
        prepare: Preparation = nothing_to_do,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._command = command
        self._check = check
        self._wall = wall
        self.prepare = prepare

    def run(self, timeout_s: float) -> Ran:
        try:
            done = self._engine.run_once(_within(self._command, timeout_s))
        except StillRunningError:
            raise
        except HostError as error:
            reason = trouble("infra.run-broke", error)
            return Ran(outcome="not-started", exit_code=None, lasted_s=0.0, reason=reason)
        bad = why_bad(self._check, done, self._wall())
        if bad is None:
            return Ran(
                outcome="ok", exit_code=done.exit_code, lasted_s=done.total_s, first_output_s=done.first_output_s
            )
        outcome, reason = bad
        if outcome == "timeout":
            reason = Message(code="run.timeout", params={"seconds": shown_s(timeout_s)})
        streams = (done.stdout_bytes(), done.stderr_bytes())
        tail = tail_of(*(streams if outcome == "wrong-output" else reversed(streams)))
        return Ran(outcome=outcome, exit_code=done.exit_code, lasted_s=done.total_s, reason=reason, tail=tail)

    def weigh(self, timeout_s: float) -> Completed:
        """Run it once and read the peak of its memory.  Raises: HostError if the engine fails."""
        return self._engine.memory(_within(self._command, timeout_s))


def serve_image(engine: Engine, command: Command, port: int, life_s: float) -> AbstractContextManager[Server]:
    """Start a container that serves at a port of its own network, for so many seconds at most."""
    return engine.serve(_within(command, life_s), port)


def _within(command: Command, timeout_s: float) -> Command:
    limits = command.limits.model_copy(update={"timeout_s": timeout_s})
    return command.model_copy(update={"limits": limits})
