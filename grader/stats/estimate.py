"""Medians and ratios with intervals that assume nothing about the shape of the distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from grader.errors import StatsError
from grader.model.base import Record
from grader.model.bench import Spread
from grader.model.grade import Interval


class Estimate(Record):
    """A median of `n` values and the interval that holds the true one with probability `interval.level`."""

    value: float
    interval: Interval
    n: int = Field(ge=1)


def quantile(values: Sequence[float], q: float) -> float:
    """Return the q-quantile, 0 <= q <= 1, interpolated between order statistics.

    Raises: StatsError if there are no values.
    Source: Hyndman and Fan, Sample Quantiles in Statistical Packages (1996), definition 7.
    """
    if not values:
        raise StatsError("no values to summarise")
    ordered = sorted(values)
    position = (len(ordered) - 1) * q
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def mad(values: Sequence[float]) -> float:
    """Return the median distance from the median, unscaled.  Raises: StatsError if there are no values."""
    middle = quantile(values, 0.5)
    return quantile([abs(v - middle) for v in values], 0.5)


def summary(values: Sequence[float]) -> Spread:
    """Return median, 5th and 95th percentile and MAD.

    Raises: StatsError if there are no values.
    """
    return Spread(
        median=quantile(values, 0.5),
        p5=quantile(values, 0.05),
        p95=quantile(values, 0.95),
        mad=mad(values),
        n=len(values),
    )


def median_interval(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Estimate the median with a pair of order statistics.

    Args:
        values: Independent draws, any order.
        level: Smallest acceptable coverage, 0 < level < 1.
    Returns: The narrowest symmetric pair of order statistics that reaches `level`; the interval's own `level` is its
        true coverage, exact for any continuous distribution and never below it with ties.
    Raises: StatsError if no such pair exists (at 0.95: fewer than 6 values); never an interval of a lower level.
    Source: Conover, Practical Nonparametric Statistics, 3rd ed. (1999), section 3.2.
    """
    ordered, n = sorted(values), len(values)
    # The k-th smallest and k-th largest miss the median if fewer than k values fall on one side of it.
    missed, rank, coverage = 0.0, 0, 0.0
    for k in range(1, n // 2 + 1):
        missed += math.comb(n, k - 1) / 2**n
        if 1 - 2 * missed < level:
            break
        rank, coverage = k, 1 - 2 * missed
    if rank == 0:
        need = math.ceil(1 - math.log2(1 - level))
        raise StatsError(f"{n} rounds support no {level:.0%} interval of a median", hint=f"run at least {need} rounds")
    return Estimate(
        value=quantile(values, 0.5),
        interval=Interval(low=ordered[rank - 1], high=ordered[n - rank], level=coverage),
        n=n,
    )
