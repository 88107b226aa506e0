from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from grader.stats.estimate import mad
from grader.stats.outliers import outliers


def test_the_median_distance_from_the_median() -> None:
    assert mad([1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]) == 1


def test_a_run_ten_times_as_slow_is_marked_and_its_neighbours_are_not() -> None:
    assert outliers([1.0, 1.1, 0.9, 1.05, 0.95, 10.0]) == (False,) * 5 + (True,)


def test_a_tail_that_belongs_to_the_values_is_not_marked() -> None:
    rng = random.Random(1)
    assert not any(outliers([rng.gauss(1, 0.1) for _ in range(500)]))


def test_the_only_other_value_among_equal_ones_stands_apart() -> None:
    assert outliers([2.0] * 9 + [2.1]) == (False,) * 9 + (True,)
    assert not any(outliers([2.0] * 9))


def test_a_value_beyond_the_outer_fence_is_marked_where_the_median_distance_is_too_kind() -> None:
    # Quartiles 0 and 1, so the fence is at 4; the median distance is 0.5, so its limit is 7.9.
    values = [0.0] * 10 + [1.0] * 10 + [5.0]
    assert outliers(values) == (False,) * 20 + (True,)


def test_a_value_far_beyond_the_median_distance_is_marked_where_the_quartiles_are_too_wide() -> None:
    # The median distance is 0.02, so its limit is 0.296; the upper quartile is above 1.8, so the fence is above 4.
    values = [0.99, 1.0, 1.01] * 4 + [1.5] + [2.0] * 5
    assert outliers(values) == (False,) * 12 + (True,) * 6


@given(st.lists(st.floats(0.001, 10), max_size=30))
def test_there_is_a_mark_for_every_value_and_never_on_most_of_them(values: list[float]) -> None:
    marks = outliers(values)
    assert len(marks) == len(values)
    assert sum(marks) <= len(values) / 2
