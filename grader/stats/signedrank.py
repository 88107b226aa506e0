"""Wilcoxon's signed ranks: the Hodges-Lehmann centre and the interval that inverting the test gives.  Pure.

With the order of arms shuffled anew in every round, two equal arms could as well have swapped their times in any
round, whatever drift or autocorrelation the host has: under "no difference" the sign of each paired difference is a
fair coin.  That is all the test assumes, so the shuffle, not a model of the noise, gives it its level.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from grader.errors import StatsError
from grader.model.grade import Interval
from grader.stats.estimate import Estimate

EXACT_UP_TO = 100
"""Most values for which the null distribution is counted out; above, the normal one states the coverage
at most 0.001 too low."""

_LISTED_UP_TO = 100
"""Most values whose averages are listed; 5,000 values have 12.5 million."""


def centre(values: Sequence[float]) -> float:
    """Return the Hodges-Lehmann centre: the median of the averages of all pairs, each value with itself among them.

    Raises: StatsError if there are no values.
    Source: Hodges and Lehmann, Estimates of Location Based on Rank Tests, Ann. Math. Statist. 34 (1963).
    """
    if not values:
        raise StatsError("no values to summarise")
    count = _averages(len(values))
    low, high = _order_statistics(sorted(values), ((count + 1) // 2, count // 2 + 1))
    return low + (high - low) / 2


def signed_rank_interval(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Estimate the centre of a symmetric distribution from its values.

    Args:
        values: One paired difference per round, any order.
        level: Smallest acceptable coverage, 0 < level < 1.
    Returns: The Hodges-Lehmann centre and all values that the two-sided signed-rank test does not reject.  The
        interval's own `level` is its true coverage.  It is closed, so that ties and zeros only raise the coverage;
        no value is dropped for being zero.
    Raises: StatsError if no such interval exists (at 0.95: fewer than 6 values), or if it has no width: differences
        that repeat to the last bit come from a clock too coarse for them, not from a centre known without error.
    Source: Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed. (2014), section 3.3; ties:
        Noether, Wilcoxon Confidence Intervals for Location Parameters in the Discrete Case, JASA 62 (1967).
    """
    n = len(values)
    rank, coverage = interval_rank(n, level)
    if rank == 0:
        raise StatsError(f"{n} rounds support no {level:.0%} interval", hint=f"run at least {fewest(level)} rounds")
    low, high = _order_statistics(sorted(values), (rank, _averages(n) + 1 - rank))
    if low == high:
        raise StatsError(
            f"{n} rounds differ by exactly the same: times this coarse support no interval",
            hint="time a longer command, or use a finer clock",
        )
    # Rounding may put the middle a hair outside where all averages are neighbours.
    middle = min(max(centre(values), low), high)
    return Estimate(value=middle, interval=Interval(low=low, high=high, level=coverage), n=n)


def fewest(level: float) -> int:
    """Return the smallest number of values with an interval of at least `level`: below, 2 / 2^n is too much."""
    return math.ceil(1 - math.log2(1 - level))


@functools.cache
def interval_rank(n: int, level: float) -> tuple[int, float]:
    """Return which average, from the smallest and from the largest, bounds the interval, and its true coverage.

    The rank is 0, and the coverage as well, if no interval of `n` values reaches `level`.
    """
    if n > EXACT_UP_TO:
        return _normal_rank(n, level)
    tail, coverage, rank = 0, 0.0, 0
    for k, ways in enumerate(_subset_counts(n), 1):
        tail += ways
        if 2 * tail > (1 - level) * 2**n:
            break
        rank, coverage = k, 1 - tail / 2 ** (n - 1)
    return rank, coverage


def _normal_rank(n: int, level: float) -> tuple[int, float]:
    """Return the same from the normal approximation with its correction for continuity."""
    null = NormalDist(_averages(n) / 2, math.sqrt(n * (n + 1) * (2 * n + 1) / 24))
    rank = math.floor(null.inv_cdf((1 - level) / 2) + 0.5)
    return rank, 1 - 2 * null.cdf(rank - 0.5)


def _subset_counts(n: int) -> list[int]:
    """Return how many of the 2^n sets of ranks 1..n have the sum 0, 1, 2, ... up to half of the greatest sum."""
    half = _averages(n) // 2
    ways = [1] + [0] * half
    for rank in range(1, n + 1):
        for total in range(half, rank - 1, -1):
            ways[total] += ways[total - rank]
    return ways


def _averages(n: int) -> int:
    return n * (n + 1) // 2


def _order_statistics(ordered: Sequence[float], ranks: Sequence[int]) -> list[float]:
    """Return the averages of these ranks, 1 for the smallest, of all pairs of `ordered` values."""
    if len(ordered) > _LISTED_UP_TO:
        return [_by_bisection(ordered, rank) for rank in ranks]
    averages = sorted(_pair_averages(ordered))
    return [averages[rank - 1] for rank in ranks]


def _pair_averages(ordered: Sequence[float]) -> Iterator[float]:
    for i, a in enumerate(ordered):
        for b in ordered[i:]:
            yield (a + b) / 2


def _by_bisection(ordered: Sequence[float], rank: int) -> float:
    """Return the average of that rank without listing them: the smallest float with as many averages up to it."""
    below, high = math.nextafter(ordered[0], -math.inf), ordered[-1]
    while True:
        middle = below + (high - below) / 2
        if not below < middle < high:
            return high
        if _count_up_to(ordered, middle) >= rank:
            high = middle
        else:
            below = middle


def _count_up_to(ordered: Sequence[float], limit: float) -> int:
    """Return how many averages are at most `limit`, in one walk from both ends.

    `(a + b) / 2` never falls when `a` or `b` rises, rounded as it is, so the walk counts exactly what listing would.
    """
    count, right = 0, len(ordered) - 1
    for left, a in enumerate(ordered):
        while right >= left and (a + ordered[right]) / 2 > limit:
            right -= 1
        if right < left:
            break
        count += right - left + 1
    return count
