"""Read the peak of memory of each arm of a comparison, in runs that nobody times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.judging.expected import Expectation, check_exit
from grader.model.bench import Bench, BenchArm
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
    floor, _ = _peaks(scales, _NOOP, env, Expectation(), timeout_s)
    arms: list[BenchArm] = []
    for arm in bench.arms:
        if arm.state == "measured":
            peaks, method = _peaks(scales, programs[arm.name], env, expected, timeout_s)
            if peaks:
                arm = arm.model_copy(update={"memory_peak": summary(peaks)})
                progress.note(f"{arm.name}: {method}")
        arms.append(arm)
    if floor:
        progress.note(f"a program that does nothing reads {summary(floor).median:.0f} bytes in the same way")
    return bench.model_copy(update={"arms": tuple(arms)})


def _peaks(
    scales: Scales,
    program: tuple[str, Sequence[str]],
    env: Mapping[str, str],
    expected: Expectation,
    timeout_s: float,
) -> tuple[list[float], str]:
    """Return the peaks of the runs that count, bytes, and how they were read; none if a run was bad."""
    peaks: list[float] = []
    method = ""
    for number in range(DISCARDED + COUNTED):
        done = scales.weigh(*program, env, timeout_s)
        if not _good(done, expected) or not done.memory_peak:
            return [], ""
        reading: MemoryReading = done.memory_peak[0]
        if number >= DISCARDED:
            peaks.append(float(reading.size_bytes))
            method = reading.method
    return peaks, method


def _good(done: Completed, expected: Expectation) -> bool:
    ended = done.outcome in ("ok", "failed")
    return ended and check_exit(expected, done.exit_code, done.signal, done.stderr_bytes()) is None
