"""Read the peak of memory of each arm of a comparison, in runs that nobody times."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from grader.errors import HostError
from grader.model.base import TIME_IS_UP, Message
from grader.model.bench import Bench, BenchArm, BenchMemory
from grader.model.run import Completed, MemoryReading
from grader.model.trouble import trouble
from grader.ports import Progress
from grader.stats.estimate import summary
from grader.workflow.benchrun import Preparation, RunCheck, nothing_to_do, why_bad
from grader.workflow.budget import Budget

DISCARDED = 1
"""The pages of a file are charged to whoever touches them first."""
COUNTED = 3


@dataclass(frozen=True)
class Weighable:
    """An arm whose peak is to be read.  Its runs are prepared and checked as the timed ones are.

    `weigh` runs it once, for so many seconds at most, and reads its peak.
    """

    weigh: Callable[[float], Completed]
    check: RunCheck
    prepare: Preparation = nothing_to_do


@dataclass(frozen=True)
class Weighing:
    """How the runs are made: each for `run_s` seconds at most, all of them within the budget.

    `noop` is a program that does nothing, None where the arms have nothing in common with one.
    """

    noop: Weighable | None
    run_s: float
    budget: Budget
    progress: Progress

    def read_peaks(self, bench: Bench, arms: Mapping[str, Weighable]) -> Bench:
        """Return the result with the peaks of every arm that has numbers, or why there are none.

        What a program that does nothing reads in the same way is the floor of this method, told and never subtracted.
        """
        self.progress.step("memory", f"{DISCARDED + COUNTED} runs of each arm")
        noop = self._peaks(self.noop) if self.noop is not None else ()
        floor = () if isinstance(noop, Message) else noop
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
                floor_bytes=max((reading.size_bytes for reading in floor), default=None),
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
                done = arm.weigh(timeout_s)
                ended = time.time()
            except HostError as error:
                return trouble("infra.run-broke", error)  # The times are there, and worth more than the memory.
            if done.outcome == "timeout" and timeout_s < self.run_s:
                return Message(code=TIME_IS_UP)
            bad = why_bad(arm.check, done, ended)
            if bad is not None:
                return bad[1]
            own = next((reading for reading in done.memory_peak if reading.notion in ("cgroup", "smaps")), None)
            if own is None:
                return Message(code="bench.memory-not-told")
            peaks.append(own)
        return tuple(peaks[DISCARDED:])
