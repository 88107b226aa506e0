"""A median and its tails as people read them together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grader.model.grade import Spread
from grader.render.spreads import median_text, tails_text

SHARES = st.floats(0.05, 1)


def spread(median: float, low: float, high: float, mad: float, n: int = 12) -> Spread:
    return Spread(median=median, p5=low, p95=high, mad=mad, n=n)


@given(st.floats(1e-5, 100), SHARES, st.floats(1, 20), st.floats(0, 1), st.integers(1, 60))
def test_a_median_is_never_shown_outside_its_tails(
    median: float, below: float, above: float, share: float, n: int
) -> None:
    low, high = median * below, median * above
    shown = spread(median, low, high, share * (high - low) / 2, n)
    (number, unit), (tails, unit_of_tails) = median_text(shown).split(), tails_text(shown).split()
    first, last = tails.split("–")
    assert unit == unit_of_tails
    assert float(first) <= float(number) <= float(last)


def test_a_median_has_the_digits_that_its_runs_bear_where_its_tails_allow_that() -> None:
    assert median_text(spread(0.258, 0.250, 0.266, 0.004, 7)) == "0.26 s"
    assert median_text(spread(0.00742, 0.0071, 0.0083, 0.0003)) == "7.4 ms"


def test_a_tail_that_is_far_too_small_for_the_unit_of_the_other_has_its_own() -> None:
    assert tails_text(spread(0.16, 0.008, 0.228, 0.001)) == "8 ms–0.228 s"


def test_equal_runs_have_three_digits() -> None:
    assert (median_text(spread(2, 2, 2, 0)), tails_text(spread(2, 2, 2, 0))) == ("2.00 s", "2.00–2.00 s")
