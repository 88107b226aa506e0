"""The ratio of two arms' times, paired by round.  Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from grader.errors import StatsError
from grader.model.base import Record
from grader.model.grade import Interval
from grader.stats.bootstrap import median_bootstrap
from grader.stats.signedrank import centre, fewest, signed_rank_interval

LEVEL = 0.95

RESOLUTION = 1e-9
"""A nanosecond in a second: an interval narrower than that is made of rounding."""


class RatioEstimate(Record):
    """A ratio, dimensionless, with its interval; `lacks` says what there is too little of for one."""

    value: float = Field(gt=0)
    interval: Interval | None
    n: int = Field(ge=1)
    lacks: Literal["rounds", "resolution"] | None = None

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval relative to its middle, 0.05 for ± 5 %; None without an interval."""
        if self.interval is None:
            return None
        return math.sqrt(self.interval.high / self.interval.low) - 1


def log_ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Return ln(numerator / denominator) of each round.

    Raises: StatsError if there is no round, if the rounds do not pair or if a time is not above 0.
    """
    if len(numerator) != len(denominator):
        raise StatsError(f"{len(numerator)} and {len(denominator)} times cannot be paired by round")
    if not numerator:
        raise StatsError("no rounds to compare")
    if not min(*numerator, *denominator) > 0:
        raise StatsError(f"a time of {min(*numerator, *denominator)} s has no ratio", hint="use a finer clock")
    return [math.log(a) - math.log(b) for a, b in zip(numerator, denominator, strict=True)]


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float], *, level: float = LEVEL) -> RatioEstimate:
    """Estimate time(numerator) / time(denominator) from rounds that have both.

    On logarithms a ratio and its inverse are treated alike, and what both arms of a round share, such as a busy
    host, cancels.

    Args:
        numerator, denominator: Seconds, each > 0, same rounds in the same order.
    Returns: The Hodges-Lehmann centre with its signed-rank interval; without one if the rounds support none.
    Raises: StatsError as `log_ratios` does.
    """
    logs = log_ratios(numerator, denominator)
    lacks: Literal["rounds", "resolution"] = "rounds" if len(logs) < fewest(level) else "resolution"
    try:
        found = signed_rank_interval(logs, level=level)
    except StatsError:
        return RatioEstimate(value=math.exp(centre(logs)), interval=None, n=len(logs), lacks=lacks)
    if found.interval.high - found.interval.low < RESOLUTION:
        return RatioEstimate(value=math.exp(found.value), interval=None, n=found.n, lacks=lacks)
    return RatioEstimate(value=math.exp(found.value), interval=_exp(found.interval), n=found.n)


def bootstrap_ratio(
    numerator: Sequence[float], denominator: Sequence[float], *, seed: int, level: float = LEVEL
) -> Interval:
    """Return the bootstrap interval of the median ratio, a second opinion that leans on no symmetry.

    Raises: StatsError as `log_ratios` and `median_bootstrap` do.
    """
    return _exp(median_bootstrap(log_ratios(numerator, denominator), seed=seed, level=level))


def _exp(logs: Interval) -> Interval:
    return Interval(low=math.exp(logs.low), high=math.exp(logs.high), level=logs.level)
