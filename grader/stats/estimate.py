"""Medians, quantiles and an estimate with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from grader.errors import StatsError
from grader.model.base import Record
from grader.model.grade import Interval, Spread


class Estimate(Record):
    """A centre of `n` values and the interval that holds the true one with probability `interval.level`."""

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
