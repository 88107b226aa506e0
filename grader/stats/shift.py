"""By how much one group of values lies above another: two sessions, not paired.  Pure."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from grader.errors import StatsError
from grader.model.grade import Interval
from grader.stats.estimate import Estimate

_LISTED_UP_TO = 20_000
"""Most differences that are listed and sorted; of two sessions of 5,000 rounds there are 25 million."""

COUNTED_STEPS = 2_000_000
"""Most steps in which the null distribution of the rank sum is counted out, about a fifth of a second.  Sessions of up
to 5,000 rounds need more only if both have over 20: there the normal distribution is at most 0.002 off, while it has no
rank at all for 1 and 400."""


def shift_interval(old: Sequence[float], new: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Estimate by how much `new` lies above `old`.

    Args:
        old, new: Independent values of distributions that differ by a shift only.
        level: Smallest acceptable coverage, 0 < level < 1.
    Returns: The Hodges-Lehmann shift, the median of all differences of a new and an old value, and all shifts that
        the two-sided rank-sum test does not reject (Moses).  The interval's own `level` is its coverage.
    Raises: StatsError if no such interval exists (at 0.95: fewer than 4 values each), or if it has no width.
    Source: Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed. (2014), sections 4.2 and 4.3.
    """
    pairs = len(old) * len(new)
    rank, coverage = shift_rank(*sorted((len(old), len(new))), level)
    if rank == 0:
        raise StatsError(f"{len(old)} and {len(new)} values support no {level:.0%} interval", hint="run more rounds")
    below, above = sorted(old), sorted(new)
    low, high = _difference(below, above, rank), _difference(below, above, pairs + 1 - rank)
    if low == high:
        raise StatsError("all values differ by exactly the same: values this coarse support no interval")
    first, second = _difference(below, above, (pairs + 1) // 2), _difference(below, above, pairs // 2 + 1)
    middle = min(max(first + (second - first) / 2, low), high)
    return Estimate(value=middle, interval=Interval(low=low, high=high, level=coverage), n=min(len(old), len(new)))


@functools.cache
def shift_rank(fewer: int, more: int, level: float) -> tuple[int, float]:
    """Return which difference, from the smallest and from the largest, bounds the interval, and its coverage.

    Args:
        fewer, more: How many values either group has.
    Returns: The rank is 0, and the coverage as well, if no interval reaches `level`.
    """
    if fewer * fewer * more > COUNTED_STEPS:
        return _normal_rank(fewer, more, level)
    tail, coverage, rank = 0, 0.0, 0
    every = math.comb(fewer + more, fewer)
    for k, ways in enumerate(_rank_sum_counts(fewer, more), 1):
        tail += ways
        if 2 * tail > (1 - level) * every:
            break
        rank, coverage = k, 1 - 2 * tail / every
    return rank, coverage


def _normal_rank(fewer: int, more: int, level: float) -> tuple[int, float]:
    """Return the same from the normal approximation with its correction for continuity."""
    null = NormalDist(fewer * more / 2, math.sqrt(fewer * more * (fewer + more + 1) / 12))
    rank = math.floor(null.inv_cdf((1 - level) / 2) + 0.5)
    return (rank, 1 - 2 * null.cdf(rank - 0.5)) if rank > 0 else (0, 0.0)


def _rank_sum_counts(fewer: int, more: int) -> list[int]:
    """Return how many orders of both groups have 0, 1, 2, ... pairs in which the smaller group's value is above.

    These are the coefficients of the Gaussian binomial: the product of (1 - q^(more + i)) / (1 - q^i).
    """
    pairs = fewer * more
    ways = [1] + [0] * pairs
    for i in range(1, fewer + 1):
        for total in range(pairs, more + i - 1, -1):
            ways[total] -= ways[total - more - i]
        for total in range(i, pairs + 1):
            ways[total] += ways[total - i]
    return ways


def _difference(below: Sequence[float], above: Sequence[float], rank: int) -> float:
    """Return the difference `above - below` of that rank, 1 for the smallest, without listing all of them.

    Halving keeps it among the differences above `low` and up to `high` until these are few.
    """
    low, high = math.nextafter(above[0] - below[-1], -math.inf), above[-1] - below[0]
    under, upto = 0, len(below) * len(above)
    while upto - under > _LISTED_UP_TO:
        middle = low + (high - low) / 2
        if not low < middle < high:
            return high
        count = _count_up_to(below, above, middle)
        if count >= rank:
            high, upto = middle, count
        else:
            low, under = middle, count
    return sorted(_between(below, above, low, high))[rank - under - 1]


def _count_up_to(below: Sequence[float], above: Sequence[float], limit: float) -> int:
    """Return how many differences are at most `limit`, in one walk: `above - below` never falls with `above`."""
    count, first = 0, 0
    for one in above:
        while first < len(below) and one - below[first] > limit:
            first += 1
        count += len(below) - first
    return count


def _between(below: Sequence[float], above: Sequence[float], low: float, high: float) -> Iterator[float]:
    """Yield the differences above `low` and at most `high`, in one walk with each."""
    first = 0
    for one in above:
        while first < len(below) and one - below[first] > high:
            first += 1
        for at in range(first, len(below)):
            if one - below[at] <= low:
                break
            yield one - below[at]
