"""A bootstrap interval of the median, the cross-check of the signed ranks.  Pure: the draws come from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from grader.errors import StatsError
from grader.model.grade import Interval
from grader.stats.estimate import quantile
from grader.stats.signedrank import fewest

REPLICATES = 2000


def median_bootstrap(values: Sequence[float], *, seed: int, level: float = 0.95) -> Interval:
    """Return the percentile interval of the medians of resamples; `level` is nominal.

    A resample is not drawn value by value: its middle order statistics are drawn at once, which has the same
    distribution and costs the same for 6 and for 5,000 values.

    Raises: StatsError with fewer values than an interval of order statistics needs (at 0.95: 6); their resamples
        would give one, and a narrow one.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3; order statistics of uniform
        draws: David and Nagaraja, Order Statistics, 3rd ed. (2003), section 2.3.
    """
    n = len(values)
    if n < fewest(level):
        raise StatsError(f"{n} rounds support no {level:.0%} interval", hint=f"run at least {fewest(level)} rounds")
    ordered, rng = sorted(values), random.Random(seed)
    medians = sorted(_resampled_median(ordered, rng) for _ in range(REPLICATES))
    tail = (1 - level) / 2
    return Interval(low=quantile(medians, tail), high=quantile(medians, 1 - tail), level=level)


def _resampled_median(ordered: Sequence[float], rng: random.Random) -> float:
    """Return the median of one resample of as many values.

    The k-th smallest of n uniform draws is Beta(k, n + 1 - k); the next one is the smallest of the n - k draws that
    fall uniformly between it and 1.  A uniform draw u picks the value at place n * u.
    """
    n = len(ordered)
    k = (n + 1) // 2
    u = rng.betavariate(k, n + 1 - k)
    low = ordered[min(int(n * u), n - 1)]
    if n % 2:
        return low
    next_u = u + (1 - u) * rng.betavariate(1, n - k)
    high = ordered[min(int(n * next_u), n - 1)]
    return low + (high - low) / 2
