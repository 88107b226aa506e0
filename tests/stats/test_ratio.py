from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import StatsError
from grader.stats.ratio import bootstrap_ratio, log_ratios, paired_ratio

TIMES = st.floats(1e-4, 1e3)
PAIRS = st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=15)


def noisy(rng: random.Random, truth: float, rounds: int, sd: float = 0.1) -> tuple[list[float], list[float]]:
    load = [rng.uniform(1, 10) for _ in range(rounds)]
    return (
        [truth * x * rng.lognormvariate(0, sd) for x in load],
        [x * rng.lognormvariate(0, sd) for x in load],
    )


@given(PAIRS)
def test_swapping_the_arms_inverts_the_ratio_and_its_interval(pairs: list[tuple[float, float]]) -> None:
    above, below = [a for a, _ in pairs], [b for _, b in pairs]
    found, inverse = paired_ratio(above, below), paired_ratio(below, above)
    assert found.value * inverse.value == pytest.approx(1)
    assert found.lacks == inverse.lacks
    assert (found.interval is None) == (len(pairs) < 6 or found.lacks == "resolution")
    if found.interval is not None and inverse.interval is not None:
        assert found.interval.low == pytest.approx(1 / inverse.interval.high)
        assert found.interval.low <= found.value <= found.interval.high


def test_a_load_that_a_round_shares_cancels() -> None:
    above, below = noisy(random.Random(7), 3, 30, sd=0.01)
    found = paired_ratio(above, below)
    assert found.interval is not None
    assert found.interval.low < 3 < found.interval.high
    assert found.half_width is not None
    assert found.half_width < 0.01


def test_the_half_width_is_relative_and_the_same_for_a_ratio_and_its_inverse() -> None:
    above, below = noisy(random.Random(2), 2, 12)
    found = paired_ratio(above, below)
    assert found.interval is not None
    middle = math.sqrt(found.interval.low * found.interval.high)
    assert found.half_width == pytest.approx(found.interval.high / middle - 1)
    assert paired_ratio(below, above).half_width == pytest.approx(found.half_width)


def test_five_rounds_have_a_ratio_and_no_interval_of_either_kind() -> None:
    above, below = [2.0, 4.1, 6.0, 8.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    found = paired_ratio(above, below)
    assert found.value == pytest.approx(2)
    assert (found.interval, found.lacks, found.half_width) == (None, "rounds", None)
    with pytest.raises(StatsError):
        bootstrap_ratio(above, below, seed=1)


def test_times_of_a_coarse_clock_have_no_interval() -> None:
    found = paired_ratio([0.02] * 20, [0.01] * 20)
    assert found.value == pytest.approx(2)
    assert (found.interval, found.lacks) == (None, "resolution")


def test_ratios_that_differ_by_rounding_alone_have_no_interval() -> None:
    drifting = [0.1 * 1.01**r for r in range(20)]
    times = [2.025 * t for t in drifting]
    assert len(set(log_ratios(times, drifting))) > 1, "the last bits must differ for this to say anything"
    found = paired_ratio(times, drifting)
    assert found.value == pytest.approx(2.025)
    assert (found.interval, found.lacks) == (None, "resolution")


def test_the_bootstrap_of_the_median_is_a_second_opinion_on_the_same_ratio() -> None:
    above, below = noisy(random.Random(3), 1.3, 31)
    found, check = paired_ratio(above, below), bootstrap_ratio(above, below, seed=1)
    assert found.interval is not None
    assert max(check.low, found.interval.low) < found.value < min(check.high, found.interval.high)
    ratios = sorted(a / b for a, b in zip(above, below, strict=True))
    assert check.low <= ratios[15] <= check.high


@pytest.mark.parametrize(
    ("above", "below", "said"),
    [
        ([1.0] * 7, [1.0] * 6, "7 and 6 times"),
        ([], [], "no rounds"),
        ([0.0, 1.0], [1.0, 1.0], "0.0 s has no ratio"),
        ([1.0, 1.0], [-1.0, 1.0], "-1.0 s has no ratio"),
        ([math.nan, 1.0], [1.0, 1.0], "nan s has no ratio"),
    ],
)
def test_times_without_a_ratio_are_refused(above: list[float], below: list[float], said: str) -> None:
    with pytest.raises(StatsError, match=said):
        log_ratios(above, below)
