"""What an interval of a ratio says about two arms, and how many more rounds would say it.  Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from grader.model.base import Message, Scalar
from grader.model.grade import RatioVerdict
from grader.stats.ratio import RatioEstimate
from grader.units import format_factors, format_reach

BAND = 0.10
"""Differences up to 10 % either way are none: the smallest effect that two virtual CPUs resolve in 40 rounds."""

FEWEST_ROUNDS = 10
"""Under ten rounds the signed-rank interval is about as wide as the range of the values."""

ROUND_STEP = 5

_Word = RatioVerdict | Literal["small_faster", "small_slower"]
_CODES: Mapping[_Word, str] = {
    "faster": "bench.faster",
    "slower": "bench.slower",
    "no_difference": "bench.no-difference",
    "small_faster": "bench.small-faster",
    "small_slower": "bench.small-slower",
}


def verdict_of(estimate: RatioEstimate, *, band: float = BAND) -> RatioVerdict:
    """Return what holds for every ratio of the interval; it speaks of the numerator.

    An interval inside the band is `no_difference` even where it excludes 1: what it excludes does not matter.
    """
    if estimate.interval is None:
        return "not_resolved"
    low, high, edge = estimate.interval.low, estimate.interval.high, 1 + band
    if low > edge:
        return "slower"
    if high < 1 / edge:
        return "faster"
    if 1 / edge <= low and high <= edge:
        return "no_difference"
    if low > 1 or high < 1:
        return "small_difference"
    return "not_resolved"


def more_rounds(estimate: RatioEstimate, *, band: float = BAND) -> int | None:
    """Return about how many more rounds would settle what is not resolved; None if nothing is open.

    In steps of 5, and with two digits from 100 on: the spread of a few rounds says no more.

    The width falls with the square root of the rounds.  It is enough when the interval, kept about the present
    centre, fits into the band or leaves 1 outside.  None also where more rounds do not help: too coarse a clock.
    """
    if verdict_of(estimate, band=band) != "not_resolved" or estimate.lacks == "resolution":
        return None
    if estimate.interval is None:
        return max(1, FEWEST_ROUNDS - estimate.n)
    off, edge = abs(math.log(estimate.value)), math.log1p(band)
    half = math.log(estimate.interval.high / estimate.interval.low) / 2
    enough = estimate.n * (half / max(edge - off, off)) ** 2
    lacking = max(1.0, enough - estimate.n)
    step = max(ROUND_STEP, int(10.0 ** (math.floor(math.log10(lacking)) - 1)))
    return math.ceil(lacking / step) * step


def in_words(numerator: str, denominator: str, estimate: RatioEstimate, *, band: float = BAND) -> Message:
    """Return the verdict as a sentence; `faster` and `slower` by a factor above 1, whichever way the ratio is.

    Its numbers are written with the digits that `format_factors` grants.
    """
    names: dict[str, Scalar] = {"numerator": numerator, "denominator": denominator}
    more = more_rounds(estimate, band=band)
    if estimate.interval is None:
        if estimate.lacks == "resolution":
            return Message(code="bench.too-coarse", params=names)
        return Message(code="bench.too-few-rounds", params={**names, "rounds": estimate.n, "more": more})
    low, high = estimate.interval.low, estimate.interval.high
    verdict: _Word = verdict_of(estimate, band=band)
    if verdict == "not_resolved":
        half = (high - low) / 2
        sides = {"faster": format_reach(1 / low, half), "slower": format_reach(high, half)}
        return Message(code="bench.not-resolved", params={**names, **sides, "more": more})
    if verdict == "small_difference":
        verdict = "small_faster" if high < 1 else "small_slower"
    factors = _factors(estimate.value, low, high)
    if verdict in ("faster", "small_faster"):
        factors = _factors(1 / estimate.value, 1 / high, 1 / low)
    within: dict[str, Scalar] = {"percent": round(band * 100)} if verdict == "no_difference" else {}
    return Message(code=_CODES[verdict], params={**names, **factors, **within})


def _factors(value: float, low: float, high: float) -> dict[str, Scalar]:
    return dict(zip(("factor", "low", "high"), format_factors(value, low, high), strict=True))
