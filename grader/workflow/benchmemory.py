"""Read the peak of memory of each arm of a comparison, in runs that nobody times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from grader.errors import HostError
from grader.judging.expected import Expectation, Printed
from grader.model.base import TIME_IS_UP, Message
from grader.model.bench import Bench, BenchArm, BenchMemory
from grader.model.run import Completed, MemoryReading
from grader.model.trouble import trouble
from grader.ports import Progress, Scales
from grader.stats.estimate import summary
from grader.workflow.benchrun import Preparation, RunCheck, nothing_to_do
from grader.workflow.budget import Budget

DISCARDED = 1
"""The pages of a file are charged to whoever touches them first."""
COUNTED = 3


@dataclass(frozen=True)
class Weighable:
    """An arm whose peak is to be read.  Its runs are prepared and checked as the timed ones are.

    `argv` begins with the name that the program is called by, `program` is the file that is started.
    """

    program: str
    argv: tuple[str, ...]
    check: RunCheck
    prepare: Preparation = nothing_to_do


NOOP = Weighable(program="/bin/true", argv=("true",), check=RunCheck(Expectation()))


@dataclass(frozen=True)
class Weighing:
    """How the runs are made: each for `run_s` seconds at most, all of them within the budget."""

    scales: Scales
    env: Mapping[str, str]
    run_s: float
    budget: Budget
    progress: Progress

    def read_peaks(self, bench: Bench, arms: Mapping[str, Weighable]) -> Bench:
        """Return the result with the peaks of every arm that has numbers, or why there are none.

        A program that does nothing is read in the same way: its figure is the floor of this method, told and never
        subtracted.
        """
        self.progress.step("memory", f"{DISCARDED + COUNTED} runs of each arm")
        floor = self._peaks(NOOP)
        told: list[BenchArm] = []
        readings: list[MemoryReading] = []
        for arm in bench.arms:
            found = self._peaks(arms[arm.name]) if arm.state == "measured" else ()
            if isinstance(found, Message):
                told.append(arm.model_copy(update={"no_memory": found}))
                continue
            readings += found
            spread = summary([float(reading.size_bytes) for reading in found]) if found else None
            told.append(arm.model_copy(update={"memory_peak": spread}))
        memory = None
        if readings:
            memory = BenchMemory(
                notion=readings[0].notion,
                runs=COUNTED,
                floor_bytes=None if isinstance(floor, Message) else max(reading.size_bytes for reading in floor),
                method=readings[0].method,
            )
        return bench.model_copy(update={"arms": tuple(told), "memory": memory})

    def _peaks(self, arm: Weighable) -> tuple[MemoryReading, ...] | Message:
        """Return the peaks of the runs that count, by one notion; or why a run was bad or could not be read."""
        peaks: list[MemoryReading] = []
        for _ in range(DISCARDED + COUNTED):
            try:
                arm.prepare(self.budget)
                timeout_s = self.budget.cap(self.run_s)
                began = time.time()
                done = self.scales.weigh(arm.program, arm.argv, self.env, timeout_s)
            except HostError as error:
                return trouble("infra.run-broke", error)  # The times are there, and worth more than the memory.
            if done.outcome == "timeout" and timeout_s < self.run_s:
                return Message(code=TIME_IS_UP)
            reason = _why_bad(arm.check, done, began)
            if reason is not None:
                return reason
            if not done.memory_peak:
                return Message(code="bench.memory-not-told")
            peaks.append(done.memory_peak[0])
        return tuple(peaks[DISCARDED:])


def _why_bad(check: RunCheck, done: Completed, began: float) -> Message | None:
    """Return what a timed run would have been bad for, or what ended this one: some limits are of these runs only."""
    if done.reason is not None:
        return done.reason
    first_s = done.first_output_s
    printed = Printed(data=done.stdout_bytes(), at=began + (done.total_s if first_s is None else first_s))
    bad = check.why_bad(done.exit_code, done.signal, done.stderr_bytes(), printed)
    return None if bad is None else bad[1]
