"""What other tools would have printed for the same runs.  Pure."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence

from grader.errors import StatsError
from grader.model.bench import LoopAverage, LoopRatio, MeanSpread, OtherTools, RelativeSpeed
from grader.model.run import Sample

LOOP_TICK = 100
"""GNU time's `%e` divides microseconds by 10,000 and forgets the rest: hundredths of a second, never rounded."""


def loop_average(samples: Sequence[Sample]) -> LoopAverage:
    """Return what the course's loop would print for these runs of one arm: `time -f %e … | tail -n 1 | awk`.

    It takes the time of a run whatever its exit code, and it averages.

    Returns: The average as awk's `print` writes it, to 6 significant digits.
    Raises: StatsError if no run has a time.
    """
    times = [seconds for s in samples if (seconds := s.total_s if s.total_s is not None else s.lasted_s) is not None]
    if not times:
        raise StatsError("no run has a time to average")
    average = sum(_cut(seconds) for seconds in times) / len(times)
    bad = sum(s.outcome != "ok" for s in samples)
    return LoopAverage(
        arm=samples[0].arm, runs=len(times), bad_runs=bad, average_s=average, printed=f"Average: {average:.6g} seconds"
    )


def _cut(seconds: float) -> float:
    # A time of 0.57 s is 56.99… hundredths in binary; the kernel gave whole microseconds.
    return round(seconds * 1_000_000) // (1_000_000 // LOOP_TICK) / LOOP_TICK


def mean_spread(arm: str, seconds: Sequence[float]) -> MeanSpread:
    """Return hyperfine's summary: mean, standard deviation of a sample, extremes.

    Raises: StatsError if there are no times.
    """
    if not seconds:
        raise StatsError("no values to summarise")
    return MeanSpread(
        arm=arm,
        mean_s=statistics.fmean(seconds),
        stddev_s=statistics.stdev(seconds) if len(seconds) > 1 else None,
        min_s=min(seconds),
        max_s=max(seconds),
    )


def relative_speed(numerator: MeanSpread, denominator: MeanSpread) -> RelativeSpeed:
    """Return hyperfine's `x ± y times`: a ratio of means with the standard deviations of single runs propagated.

    Unlike half the width of an interval, the spread does not shrink as runs are added.
    """
    ratio = numerator.mean_s / denominator.mean_s
    spread = None
    if numerator.stddev_s is not None and denominator.stddev_s is not None:
        spread = ratio * math.hypot(numerator.stddev_s / numerator.mean_s, denominator.stddev_s / denominator.mean_s)
    return RelativeSpeed(numerator=numerator.arm, denominator=denominator.arm, ratio=ratio, spread=spread)


def other_tools(samples: Sequence[Sample], pairs: Sequence[tuple[str, str]]) -> OtherTools:
    """Summarise the same runs as the course's loop and as hyperfine would.

    Args:
        samples: Runs of all arms; those without any time are no arm of the loop's.
        pairs: Numerators and denominators.
    Returns: hyperfine stops at a run that fails, so an arm with one is not among its summaries.
    """
    by_arm = {arm: list(runs) for arm, runs in itertools.groupby(sorted(samples, key=_arm), key=_arm)}
    loops = {
        arm: loop_average(runs)
        for arm, runs in by_arm.items()
        if any(s.total_s is not None or s.lasted_s is not None for s in runs)
    }
    good = {arm: [s.total_s for s in runs if s.total_s is not None] for arm, runs in by_arm.items()}
    spreads = {arm: mean_spread(arm, times) for arm, times in good.items() if times and len(times) == len(by_arm[arm])}
    return OtherTools(
        loop=tuple(loops.values()),
        loop_ratios=tuple(_loop_ratio(loops[a], loops[b]) for a, b in pairs if a in loops and b in loops),
        hyperfine=tuple(spreads.values()),
        relative=tuple(relative_speed(spreads[a], spreads[b]) for a, b in pairs if a in spreads and b in spreads),
    )


def _loop_ratio(numerator: LoopAverage, denominator: LoopAverage) -> LoopRatio:
    ratio = numerator.average_s / denominator.average_s if denominator.average_s else None
    return LoopRatio(numerator=numerator.arm, denominator=denominator.arm, ratio=ratio)


def _arm(sample: Sample) -> str:
    return sample.arm
