"""The shift between two groups, against brute force and a published table."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from fractions import Fraction
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import StatsError
from grader.stats import shift
from grader.stats.shift import shift_interval, shift_rank

VALUES = st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=4, max_size=9)


def counts(fewer: int, more: int) -> list[int]:
    """Return for every order of both groups how many pairs have the smaller group's value above."""
    places = range(fewer + more)
    return [sum(place - at for at, place in enumerate(own)) for own in itertools.combinations(places, fewer)]


@pytest.mark.parametrize(("fewer", "more"), [(3, 3), (4, 4), (4, 7), (5, 5), (6, 8), (2, 9)])
def test_the_rank_is_the_largest_whose_coverage_counted_over_all_orders_reaches_the_level(
    fewer: int, more: int
) -> None:
    every = counts(fewer, more)

    def counted(rank: int) -> Fraction:
        return 1 - 2 * Fraction(sum(count < rank for count in every), len(every))

    rank, coverage = shift_rank(fewer, more, 0.95)
    assert counted(rank + 1) < Fraction(95, 100)
    if rank:
        assert counted(rank) >= Fraction(95, 100)
        assert coverage == pytest.approx(float(counted(rank)), abs=1e-12)


def test_ranks_agree_with_the_published_table_of_the_rank_sum_test() -> None:
    """Critical values of U at two-sided 0.05 for equal groups of 4 to 20 (Mann and Whitney's table, extended)."""
    table = [0, 2, 5, 8, 13, 17, 23, 30, 37, 45, 55, 64, 75, 87, 99, 113, 127]
    assert [shift_rank(n, n, 0.95)[0] - 1 for n in range(4, 21)] == table


@pytest.mark.parametrize(("fewer", "more"), [(20, 20), (20, 200), (30, 90)])
def test_the_normal_approximation_meets_the_exact_coverage(fewer: int, more: int) -> None:
    ways = shift._rank_sum_counts(fewer, more)
    rank, stated = shift._normal_rank(fewer, more, 0.95)
    covers = 1 - 2 * Fraction(sum(ways[:rank]), math.comb(fewer + more, fewer))
    assert covers >= Fraction(95, 100)
    assert stated == pytest.approx(float(covers), abs=0.002)


@pytest.mark.parametrize(("fewer", "more", "rank"), [(1, 38, 0), (1, 39, 1), (1, 401, 10), (1, 5000, 125)])
def test_one_value_against_many_has_the_rank_of_a_place_among_them(fewer: int, more: int, rank: int) -> None:
    """A single value is equally likely in each of the `more + 1` gaps between the others: 2 ranks of 40 are 5 %."""
    assert shift_rank(fewer, more, 0.95)[0] == rank
    assert shift._normal_rank(fewer, more, 0.95)[0] in (0, *range(rank + 1))


def test_groups_too_large_to_count_and_too_lopsided_for_the_normal_distribution_are_refused() -> None:
    with mock.patch.object(shift, "COUNTED_STEPS", 0):
        shift_rank.cache_clear()
        with pytest.raises(StatsError, match="support no"):
            shift_interval([0.0], [float(n) for n in range(60)])
    shift_rank.cache_clear()


@given(VALUES, VALUES)
def test_ends_and_middle_are_order_statistics_of_all_differences(old: list[float], new: list[float]) -> None:
    differences = sorted(b - a for a in old for b in new)
    rank, _ = shift_rank(*sorted((len(old), len(new))), 0.95)
    if differences[rank - 1] == differences[-rank]:
        with pytest.raises(StatsError, match="coarse"):
            shift_interval(old, new)
        return
    found = shift_interval(old, new)
    assert found.interval.low == differences[rank - 1]
    assert found.interval.high == differences[-rank]
    assert found.value == pytest.approx(statistics.median(differences), abs=1e-12)


def test_three_values_each_are_refused_rather_than_given_a_narrow_interval() -> None:
    with pytest.raises(StatsError, match="3 and 3"):
        shift_interval([1, 2, 3], [4, 5, 6])


def test_a_95_percent_interval_covers_the_true_shift_about_as_often() -> None:
    rng = random.Random(20)
    covered = 0
    for _ in range(1000):
        old = [math.log(rng.lognormvariate(0, 0.2)) for _ in range(15)]
        new = [math.log(rng.lognormvariate(0.3, 0.2)) for _ in range(25)]
        interval = shift_interval(old, new).interval
        covered += interval.low <= 0.3 <= interval.high
    assert 0.93 <= covered / 1000 <= 0.975


@given(VALUES, VALUES)
def test_halving_finds_the_same_as_listing(old: list[float], new: list[float]) -> None:
    below, above = sorted(old), sorted(new)
    with mock.patch.object(shift, "_LISTED_UP_TO", 3):
        halved = [shift._difference(below, above, rank + 1) for rank in range(len(old) * len(new))]
    assert halved == sorted(b - a for a in old for b in new)


def test_thousands_of_values_need_no_list_of_all_differences() -> None:
    rng = random.Random(3)
    found = shift_interval([rng.gauss(0, 1) for _ in range(3000)], [rng.gauss(1, 1) for _ in range(3000)])
    assert found.interval.low < 1 < found.interval.high
    assert found.interval.high - found.interval.low < 0.15
