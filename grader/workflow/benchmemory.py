"""Read the peak of memory of each arm of a comparison, in runs that nobody times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.judging.expected import Expectation, check_exit
from grader.model.bench import Bench, BenchArm, BenchMemory
from grader.model.run import Completed, MemoryReading
from grader.ports import Progress, Scales
from grader.stats.estimate import summary

DISCARDED = 1
"""The pages of a file are charged to whoever touches them first."""
COUNTED = 3

_NOOP = ("/bin/true", ("true",))


def read_peaks(
    bench: Bench,
    scales: Scales,
    programs: Mapping[str, tuple[str, Sequence[str]]],
    env: Mapping[str, str],
    expected: Expectation,
    timeout_s: float,
    progress: Progress,
) -> Bench:
    """Return the result with the peaks of every arm that has numbers and whose runs here ended well too.

    A program that does nothing is read in the same way: its figure is the floor of this method, told and never
    subtracted.

    Args:
        programs: By arm, the file that is started and its arguments.
    """
    progress.step("memory", f"{DISCARDED + COUNTED} runs of each arm")
    floor = _peaks(scales, _NOOP, env, Expectation(), timeout_s)
    arms: list[BenchArm] = []
    readings: list[MemoryReading] = []
    for arm in bench.arms:
        found = _peaks(scales, programs[arm.name], env, expected, timeout_s) if arm.state == "measured" else []
        readings += found
        spread = summary([float(reading.size_bytes) for reading in found]) if found else None
        arms.append(arm.model_copy(update={"memory_peak": spread}))
    memory = None
    if readings:
        memory = BenchMemory(
            notion=readings[0].notion,
            runs=COUNTED,
            floor_bytes=max((reading.size_bytes for reading in floor), default=None),
            method=readings[0].method,
        )
    return bench.model_copy(update={"arms": tuple(arms), "memory": memory})


def _peaks(
    scales: Scales,
    program: tuple[str, Sequence[str]],
    env: Mapping[str, str],
    expected: Expectation,
    timeout_s: float,
) -> list[MemoryReading]:
    """Return the peaks of the runs that count, by one notion; none if a run was bad or cannot be read."""
    peaks: list[MemoryReading] = []
    for number in range(DISCARDED + COUNTED):
        done = scales.weigh(*program, env, timeout_s)
        if not _good(done, expected) or not done.memory_peak:
            return []
        if number >= DISCARDED:
            peaks.append(done.memory_peak[0])
    return peaks


def _good(done: Completed, expected: Expectation) -> bool:
    ended = done.outcome in ("ok", "failed")
    return ended and check_exit(expected, done.exit_code, done.signal, done.stderr_bytes()) is None
