"""The times of one arm in words: the median and what nine in ten runs lie between, with no digit too fine.  Pure."""

from __future__ import annotations

import math

from grader.model.grade import Spread
from grader.units import format_seconds

NOTCH = 3.14
"""Half the 95 % interval of a median is about 1.57 interquartile ranges / sqrt(n), and such a range about 2 MAD
(McGill, Tukey and Larsen, Variations of Box Plots, 1978).  It sets digits only."""


def digits_half_width(spread: Spread) -> float | None:
    """Return what sets the digits of a median; None if all runs took equally long."""
    return NOTCH * spread.mad / math.sqrt(spread.n) or None


def median_text(spread: Spread, unit: str | None = None) -> str:
    """Return the median: `2.10 ms`."""
    return format_seconds(spread.median, unit, half_width=digits_half_width(spread))


def tails_text(spread: Spread) -> str:
    """Return the 5th and 95th percentile, to a tenth of what lies between them or as fine as the median is."""
    half_width = min(digits_half_width(spread) or math.inf, (spread.p95 - spread.p5) / 10 or math.inf)
    known = None if math.isinf(half_width) else half_width
    unit = format_seconds(spread.median, half_width=known).rpartition(" ")[2]
    low, high = (format_seconds(s, unit, half_width=known).rpartition(" ")[0] for s in (spread.p5, spread.p95))
    return f"{low}–{high} {unit}"
