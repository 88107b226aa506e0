from __future__ import annotations

import itertools
import math
import random
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import StatsError
from grader.stats import signedrank
from grader.stats.signedrank import centre, fewest, interval_rank, signed_rank_interval

DIFFERENCES = st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=6, max_size=12)


def averages(values: list[float]) -> list[float]:
    return sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2))


def signed_rank_tail(values: list[float]) -> Fraction:
    """Return the two-sided p of "symmetric about 0", counted over all 2^n ways to give the ranks a sign."""
    ranks = range(1, len(values) + 1)
    signs = [v > 0 for v in sorted(values, key=abs)]
    observed = sum(rank for rank, positive in zip(ranks, signs, strict=True) if positive)
    extreme = min(observed, sum(ranks) - observed)
    sums = [sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign) for signs in _all_signs(len(values))]
    return Fraction(min(len(sums), 2 * sum(s <= extreme for s in sums)), len(sums))


def _all_signs(n: int) -> list[tuple[bool, ...]]:
    return list(itertools.product((False, True), repeat=n))


@pytest.mark.parametrize("n", range(1, 15))
def test_the_rank_is_the_largest_whose_coverage_counted_over_all_signs_reaches_the_level(n: int) -> None:
    sums = [sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in _all_signs(n)]

    def counted(rank: int) -> Fraction:
        return 1 - 2 * Fraction(sum(s < rank for s in sums), 2**n)

    rank, coverage = interval_rank(n, 0.95)
    assert (rank == 0) == (n < 6)
    assert counted(rank + 1) < Fraction(95, 100)
    if rank:
        assert counted(rank) >= Fraction(95, 100)
        assert coverage == pytest.approx(float(counted(rank)), abs=1e-15)


def test_ranks_agree_with_a_published_table() -> None:
    """Critical values of T at two-sided 0.05 for n = 6..25: Wilcoxon and Wilcox, 1964; the rank is one more."""
    table = [0, 2, 3, 5, 8, 10, 13, 17, 21, 25, 29, 34, 40, 46, 52, 58, 65, 73, 81, 89]
    assert [interval_rank(n, 0.95)[0] - 1 for n in range(6, 26)] == table


def test_the_normal_approximation_that_follows_the_exact_ranks_never_claims_more_coverage_than_there_is() -> None:
    for n in range(60, signedrank.EXACT_UP_TO + 1, 10):
        exact, coverage = interval_rank(n, 0.95)
        rank, approximate = signedrank._normal_rank(n, 0.95)
        assert rank in (exact, exact - 1)
        if rank == exact:
            assert coverage - 1e-3 <= approximate <= coverage
    assert interval_rank(signedrank.EXACT_UP_TO + 1, 0.95)[0] >= interval_rank(signedrank.EXACT_UP_TO, 0.95)[0]


@given(DIFFERENCES)
def test_the_centre_and_the_bounds_are_order_statistics_of_all_averages(values: list[float]) -> None:
    listed = averages(values)
    assert centre(values) == pytest.approx(statistics.median(listed))
    rank, level = interval_rank(len(values), 0.95)
    low, high = listed[rank - 1], listed[-rank]
    if low == high:
        with pytest.raises(StatsError, match="coarse"):
            signed_rank_interval(values)
    else:
        found = signed_rank_interval(values)
        assert (found.interval.low, found.interval.high, found.interval.level) == (low, high, level)
        assert low <= found.value <= high


@pytest.mark.parametrize("n", [6, 7, 9, 11])
def test_the_interval_holds_exactly_the_centres_that_the_test_does_not_reject(n: int) -> None:
    rng = random.Random(n)
    values = [rng.gauss(0.3, 1) for _ in range(n)]
    interval = signed_rank_interval(values).interval
    width = interval.high - interval.low
    for at, inside in ((-1e-9, False), (1e-9, True), (0.5, True), (1 - 1e-9, True), (1 + 1e-9, False)):
        shift = interval.low + at * width
        rejected = signed_rank_tail([v - shift for v in values]) <= Fraction(5, 100)
        assert rejected is not inside


@given(DIFFERENCES, st.integers(-3, 3), st.sampled_from((0.5, 1.0, 4.0)))
def test_shift_scale_and_sign_act_on_the_interval_as_on_the_values(values: list[float], by: int, scale: float) -> None:
    values = [round(v * 1024) / 1024 for v in values]  # exact in binary, so that no rounding blurs the equalities
    try:
        found = signed_rank_interval(values)
    except StatsError:
        return
    moved = signed_rank_interval([v * scale + by for v in values])
    assert moved.value == found.value * scale + by
    assert moved.interval.low == found.interval.low * scale + by
    turned = signed_rank_interval([-v for v in values])
    assert (turned.interval.low, turned.interval.high) == (-found.interval.high, -found.interval.low)
    assert signed_rank_interval(values[::-1]) == found


@given(st.lists(st.floats(-1, 1) | st.sampled_from((0.0, 0.25)), min_size=1, max_size=60), st.data())
def test_bisection_finds_the_same_average_as_listing(values: list[float], data: st.DataObject) -> None:
    listed = averages(values)
    rank = data.draw(st.integers(1, len(listed)))
    assert signedrank._by_bisection(sorted(values), rank) == listed[rank - 1]


def test_five_thousand_rounds_have_an_interval_too() -> None:
    rng = random.Random(5)
    values = [rng.gauss(0.1, 1) for _ in range(5000)]
    found = signed_rank_interval(values)
    # Efficiency of signed ranks at the normal distribution is 3 / pi against the mean (Hodges and Lehmann, 1963).
    half = 1.96 / math.sqrt(5000 * 3 / math.pi)
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(half, rel=0.05)
    assert abs(found.value - statistics.fmean(values)) < half


@pytest.mark.parametrize("n", [0, 1, 5])
def test_fewer_than_six_differences_are_refused_rather_than_given_a_narrow_interval(n: int) -> None:
    with pytest.raises(StatsError) as refused:
        signed_rank_interval([0.1 * i for i in range(n)])
    assert refused.value.hint == "run at least 6 rounds"


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_the_fewest_values_are_those_from_which_on_a_rank_exists(level: float) -> None:
    assert interval_rank(fewest(level), level)[0] == 1
    assert interval_rank(fewest(level) - 1, level)[0] == 0


def test_differences_of_a_coarse_clock_are_refused_rather_than_called_equal_without_error() -> None:
    with pytest.raises(StatsError, match="coarse"):
        signed_rank_interval([0.0] * 12)
    with pytest.raises(StatsError, match="coarse"):
        signed_rank_interval([0.0] * 11 + [0.4])


@pytest.mark.parametrize("step", [0.0, 0.5, 1.0])
def test_ties_and_zeros_never_lower_the_coverage(step: float) -> None:
    """Values rounded to a grid are symmetric about the same centre; exact coverage at n = 10 is 0.951."""
    rng = random.Random(17)
    hits = trials = 0
    while trials < 3000:
        values = [rng.gauss(0, 1) for _ in range(10)]
        values = [round(v / step) * step for v in values] if step else values
        trials += 1
        try:
            interval = signed_rank_interval(values).interval
        except StatsError:
            hits += 1  # refused: nothing false was said
            continue
        hits += interval.low <= 0 <= interval.high
    # Three standard deviations of 3000 trials are 0.012.
    assert hits / trials >= 0.951 - 0.012


def test_no_values_have_no_centre() -> None:
    with pytest.raises(StatsError):
        centre([])
