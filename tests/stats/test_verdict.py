from __future__ import annotations

import math
import random
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from grader.model.grade import Interval
from grader.stats.ratio import RatioEstimate, paired_ratio
from grader.stats.verdict import in_words, more_rounds, verdict_of

FACTORS = st.floats(0.05, 20)


def estimate(low: float, high: float, *, value: float | None = None, n: int = 20) -> RatioEstimate:
    middle = math.sqrt(low * high) if value is None else value
    return RatioEstimate(value=middle, interval=Interval(low=low, high=high, level=0.95), n=n)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.11, 1.4, "slower"),
        (0.5, 0.9, "faster"),
        (0.95, 1.05, "no_difference"),
        (1.02, 1.08, "no_difference"),
        (1 / 1.1, 1.1, "no_difference"),
        (1.02, 1.12, "small_difference"),
        (0.85, 0.99, "small_difference"),
        (0.97, 1.2, "not_resolved"),
        (0.5, 1.01, "not_resolved"),
        (0.5, 2.0, "not_resolved"),
        (1.10, 1.3, "small_difference"),
    ],
)
def test_a_verdict_holds_for_every_ratio_of_the_interval(low: float, high: float, verdict: str) -> None:
    assert verdict_of(estimate(low, high)) == verdict


@given(FACTORS, FACTORS)
def test_swapping_the_arms_swaps_faster_and_slower_and_nothing_else(a: float, b: float) -> None:
    assume(a != b)
    # Bounds within rounding of an edge may fall either side of it once inverted.
    edges = (1.0, 1.1, 1 / 1.1)
    assume(all(abs(x - edge) > 1e-9 for x in (a, b) for edge in edges))
    low, high = sorted((a, b))
    swapped = {"faster": "slower", "slower": "faster"}
    here, there = verdict_of(estimate(low, high)), verdict_of(estimate(1 / high, 1 / low))
    assert there == swapped.get(here, here)


@given(FACTORS, FACTORS, st.integers(6, 5000))
def test_the_rounds_it_asks_for_would_settle_an_interval_about_the_same_centre(a: float, b: float, n: int) -> None:
    low, high = sorted((a, b))
    assume(high / low > 1 + 1e-6)
    open_ = estimate(low, high, n=n)
    more = more_rounds(open_)
    if verdict_of(open_) != "not_resolved":
        assert more is None
        return
    assert more is not None
    assert more % 5 == 0

    def at(rounds: int) -> str:
        half = math.log(high / low) / 2 * math.sqrt(n / rounds)
        return verdict_of(estimate(open_.value * math.exp(-half), open_.value * math.exp(half)))

    # A hair more, for an interval that would touch an edge.
    assert at(n + more + 1) != "not_resolved"
    assert more < 100 or str(more)[2:].strip("0") == ""
    step = max(5, 10 ** (len(str(more)) - 2))
    if more > step:
        assert at(n + more - step - 1) == "not_resolved"


def test_under_six_rounds_nothing_is_resolved_and_ten_are_asked_for() -> None:
    few = RatioEstimate(value=3, interval=None, n=4, lacks="rounds")
    assert (verdict_of(few), more_rounds(few)) == ("not_resolved", 6)
    said = in_words("a", "b", few)
    assert (said.code, said.params["rounds"], said.params["more"]) == ("bench.too-few-rounds", 4, 6)


def test_more_rounds_are_not_asked_for_where_the_clock_is_too_coarse() -> None:
    coarse = RatioEstimate(value=1, interval=None, n=30, lacks="resolution")
    assert (verdict_of(coarse), more_rounds(coarse)) == ("not_resolved", None)
    assert in_words("a", "b", coarse).code == "bench.too-coarse"


@pytest.mark.parametrize(
    ("low", "high", "value", "code", "shown"),
    [
        (2.69, 3.46, 3.07, "bench.slower", ("3.1", "2.7", "3.5")),
        (2.93, 3.22, 3.07, "bench.slower", ("3.1", "2.9", "3.3")),
        (1 / 3.22, 1 / 2.93, 1 / 3.07, "bench.faster", ("3.1", "2.9", "3.3")),
        (1.02, 1.12, 1.07, "bench.small-slower", ("1.1", "1.02", "1.2")),
        (1.15, 1.65, 1.35, "bench.slower", ("1.4", "1.1", "1.7")),
        (300, 359, 326, "bench.slower", ("330", "300", "360")),
        (5, 65, 35, "bench.slower", ("40", "5", "70")),
        (1.081, 1.112, 1.096, "bench.small-slower", ("1.10", "1.08", "1.12")),
        (1 / 1.112, 1 / 1.081, 1 / 1.096, "bench.small-faster", ("1.10", "1.08", "1.12")),
        (0.97, 1.05, 1.01, "bench.no-difference", ("1.0", "0.9", "1.1")),
        (12, 31, 19, "bench.slower", ("19", "12", "31")),
    ],
)
def test_the_words_name_a_factor_above_one_with_digits_that_the_interval_supports(
    low: float, high: float, value: float, code: str, shown: tuple[str, str, str]
) -> None:
    said = in_words("a", "b", estimate(low, high, value=value))
    assert said.code == code
    assert tuple(said.params[k] for k in ("factor", "low", "high")) == shown


@pytest.mark.parametrize(
    ("low", "high", "faster", "slower"),
    [(0.67, 1.17, "1.5", "1.2"), (0.96, 1.9, "1.1", "1.9"), (0.33, 3, "4", "3"), (0.08, 12, "20", "20")],
)
def test_a_wide_interval_does_not_make_its_sides_reach_much_further(
    low: float, high: float, faster: str, slower: str
) -> None:
    said = in_words("a", "b", estimate(low, high))
    assert (said.code, said.params["faster"], said.params["slower"]) == ("bench.not-resolved", faster, slower)


def test_what_is_not_resolved_is_told_both_ways_with_the_rounds_that_would_settle_it() -> None:
    said = in_words("a", "b", estimate(0.97, 1.2))
    assert said.code == "bench.not-resolved"
    assert (said.params["faster"], said.params["slower"]) == ("1.1", "1.2")
    assert said.params["more"] == more_rounds(estimate(0.97, 1.2))


@given(FACTORS, FACTORS)
def test_what_is_not_resolved_reaches_as_far_as_its_interval_and_other_bounds_lose_hardly_anything(
    a: float, b: float
) -> None:
    low, high = sorted((a, b))
    assume(high / low > 1 + 1e-6)
    said = in_words("a", "b", estimate(low, high))
    if said.code == "bench.not-resolved":
        assert float(str(said.params["faster"])) >= 1 / low * (1 - 1e-12)
        assert float(str(said.params["slower"])) >= high * (1 - 1e-12)
        return
    if said.code in ("bench.faster", "bench.small-faster"):
        low, high = 1 / high, 1 / low
    shown = [str(said.params[name]) for name in ("low", "factor", "high")]
    assert all(re.fullmatch(r"\d+(\.\d+)?", one) for one in shown)
    assert float(shown[0]) <= low + (high - low) / 40
    assert float(shown[2]) >= high - (high - low) / 40


@pytest.mark.parametrize(("truth", "expected"), [(1.0, "no_difference"), (1.3, "slower"), (1 / 1.3, "faster")])
def test_forty_rounds_of_ten_percent_noise_settle_what_is_equal_and_what_is_not(truth: float, expected: str) -> None:
    rng = random.Random(4)
    verdicts: list[str] = []
    for _ in range(100):
        above = [truth * rng.lognormvariate(0, 0.07) for _ in range(40)]
        below = [rng.lognormvariate(0, 0.07) for _ in range(40)]
        verdicts.append(verdict_of(paired_ratio(above, below)))
    assert verdicts.count(expected) >= 95
