"""The times of one arm in words: the median and what nine in ten runs lie between, with no digit too fine.  Pure."""

from __future__ import annotations

import math

from grader.model.grade import Spread
from grader.units import format_seconds

NOTCH = 3.14
"""Half the 95 % interval of a median is about 1.57 interquartile ranges / sqrt(n), and such a range about 2 MAD
(McGill, Tukey and Larsen, Variations of Box Plots, 1978).  It sets digits only."""


def notch(spread: Spread) -> float | None:
    """Return about how far a median may be off, in its own unit; None if all runs were equal."""
    return NOTCH * spread.mad / math.sqrt(spread.n) or None


def digits_half_width(spread: Spread) -> float | None:
    """Return what sets the digits of a median of seconds: its notch, or what sets those of its tails.

    The latter where the notch alone would show it in another unit than its tails, or outside them: `7 ms (7.1–8.3 ms)`.
    """
    number, unit = format_seconds(spread.median, half_width=notch(spread)).split()
    tails = [tail.split() for tail in _tails(spread)]
    low, high = (float(shown) for shown, _ in tails)
    as_it_is = {unit} == {tail_unit for _, tail_unit in tails} and low <= float(number) <= high
    return notch(spread) if as_it_is else _fine(spread)


def median_text(spread: Spread) -> str:
    """Return the median: `2.10 ms`."""
    return format_seconds(spread.median, half_width=digits_half_width(spread))


def tails_text(spread: Spread) -> str:
    """Return the 5th and 95th percentile: `2.05–2.31 ms`, or `8 ms–0.23 s`."""
    (low, unit), (high, unit_of_high) = (tail.split() for tail in _tails(spread))
    return f"{low}–{high} {unit}" if unit == unit_of_high else f"{low} {unit}–{high} {unit_of_high}"


def _tails(spread: Spread) -> tuple[str, str]:
    """Return both tails, in the unit of the median with the same digits where they are not far too small for it."""
    fine = _fine(spread)
    unit = format_seconds(spread.median, half_width=fine).split()[1]
    low, high = (format_seconds(s, unit, half_width=fine, centre=spread.median) for s in (spread.p5, spread.p95))
    return low, high


def _fine(spread: Spread) -> float | None:
    """Return a tenth of what lies between the tails, or the notch where that is finer; None if all runs were equal."""
    widths = (notch(spread), (spread.p95 - spread.p5) / 10)
    return min((width for width in widths if width), default=None)
