from __future__ import annotations

import itertools
import random
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import StatsError
from grader.stats.estimate import median_interval, quantile, summary

TIMES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40)


def coverage_by_counting(n: int, rank: int) -> Fraction:
    """Count, over all 2^n ways of falling below or above the median, those where the pair encloses it."""
    inside = sum(rank <= sum(sides) <= n - rank for sides in itertools.product((0, 1), repeat=n))
    return Fraction(inside, 2**n)


@pytest.mark.parametrize("n", range(6, 15))
def test_the_stated_level_is_the_true_coverage_of_the_narrowest_pair(n: int) -> None:
    values = [float(i) for i in range(n)]
    interval = median_interval(values).interval
    rank = int(interval.low) + 1
    assert interval.high == n - rank
    assert interval.level == pytest.approx(float(coverage_by_counting(n, rank)))
    assert coverage_by_counting(n, rank) >= Fraction(95, 100)
    assert coverage_by_counting(n, rank + 1) < Fraction(95, 100)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_five_rounds_are_refused_rather_than_given_a_narrow_interval(n: int) -> None:
    with pytest.raises(StatsError) as refused:
        median_interval([1.0] * n)
    assert refused.value.hint == "run at least 6 rounds"


def test_a_higher_level_asks_for_more_rounds() -> None:
    with pytest.raises(StatsError, match="99%") as refused:
        median_interval([1.0] * 7, level=0.99)
    assert refused.value.hint == "run at least 8 rounds"
    assert median_interval([1.0] * 8, level=0.99).interval.level > 0.99


@pytest.mark.parametrize("draw", ["exponential", "bimodal"])
def test_a_95_percent_interval_covers_the_true_median_of_skewed_times(draw: str) -> None:
    rng = random.Random(20251127)

    def one() -> float:
        if draw == "exponential":
            return rng.expovariate(1)
        return rng.gauss(1, 0.01) if rng.random() < 0.6 else rng.gauss(5, 1)

    truth = statistics.median(one() for _ in range(200_001))
    hits = 0
    for _ in range(2000):
        interval = median_interval([one() for _ in range(12)]).interval
        hits += interval.low <= truth <= interval.high
    # True coverage 0.9614 at n = 12; three standard deviations of 2000 trials are 0.013.
    assert 0.948 <= hits / 2000 <= 0.975


@given(TIMES)
def test_quantiles_agree_with_the_standard_library(values: list[float]) -> None:
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values))
    assert (quantile(values, 0), quantile(values, 1)) == (min(values), max(values))
    if len(values) > 1:
        twentieths = statistics.quantiles(values, n=20, method="inclusive")
        found = summary(values)
        assert [found.p5, found.p95] == pytest.approx([twentieths[0], twentieths[-1]])
        assert found.n == len(values)


@given(st.lists(st.floats(1e-6, 1e3), min_size=6, max_size=40))
def test_the_median_lies_in_its_interval_whatever_the_order(values: list[float]) -> None:
    estimate = median_interval(values)
    assert estimate.interval.low <= estimate.value <= estimate.interval.high
    assert median_interval(values[::-1]) == estimate


def test_no_values_are_refused() -> None:
    with pytest.raises(StatsError):
        summary([])
