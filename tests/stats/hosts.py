"""The hosts on which intervals and verdicts are tried, made up and recorded; tests and benchmarks share them."""

from __future__ import annotations

import random
from collections.abc import Callable

from grader.stats.ratio import RatioEstimate
from tests.stats.simulated import Host, Recorded, series

MakeHost = Callable[[int, float], Host]


def truth(ratio: float) -> dict[str, float]:
    return {"a": 0.1, "b": 0.1 * ratio}


def recorded(name: str) -> MakeHost:
    rows = series(name)
    return lambda seed, ratio: Recorded(
        truth={"a": 1, "b": ratio}, seed=seed, times=rows, start=random.Random(seed).randrange(len(rows))
    )


HOSTS: dict[str, MakeHost] = {
    "autocorrelation 0.5": lambda seed, ratio: Host(truth=truth(ratio), seed=seed, autocorrelation=0.5),
    "autocorrelation 0.9": lambda seed, ratio: Host(truth=truth(ratio), seed=seed, autocorrelation=0.9),
    "drift and heavy tails": lambda seed, ratio: Host(truth=truth(ratio), seed=seed, drift=0.003, tail=0.05),
    "load that comes and goes": lambda seed, ratio: Host(truth=truth(ratio), seed=seed, hogs=((20, 28), (60, 66))),
    "settles late, unknown": lambda seed, ratio: Host(truth=truth(ratio), seed=seed, settles=25, known=None),
    "ctr_quiet": recorded("ctr_quiet"),
    "ctr_hogs": recorded("ctr_hogs"),
    "docker_quiet": recorded("docker_quiet"),
}


def holds(estimate: RatioEstimate, ratio: float) -> bool:
    return estimate.interval is not None and estimate.interval.low <= ratio <= estimate.interval.high
