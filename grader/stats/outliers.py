"""Which values stand apart.  They are marked and kept: a run that counts is never dropped for being slow.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.stats.estimate import mad, quantile

MAD_LIMIT = 14.8
"""hyperfine's: a modified z-score of 10, 0.6745 |x - median| / MAD (Iglewicz and Hoaglin, 1993)."""

FENCE = 3.0
"""Tukey's outer fences: three interquartile ranges beyond the quartiles (Exploratory Data Analysis, 1977)."""


def outliers(values: Sequence[float]) -> tuple[bool, ...]:
    """Return for each value whether it is beyond either limit."""
    if not values:
        return ()
    middle, apart = quantile(values, 0.5), MAD_LIMIT * mad(values)
    lower, upper = quantile(values, 0.25), quantile(values, 0.75)
    fence = FENCE * (upper - lower)
    return tuple(abs(v - middle) > apart or v < lower - fence or v > upper + fence for v in values)
