from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import StatsError
from grader.model.run import Sample
from grader.stats.othertools import loop_average, mean_spread, other_tools, relative_speed


def good(arm: str, seconds: float, round_index: int = 0) -> Sample:
    return Sample(
        arm=arm, round_index=round_index, outcome="ok", total_s=seconds, first_output_s=None, exit_code=0, started_s=0
    )


def bad(arm: str, lasted_s: float | None) -> Sample:
    return Sample(
        arm=arm,
        round_index=0,
        outcome="failed",
        total_s=None,
        first_output_s=None,
        exit_code=125,
        started_s=0,
        lasted_s=lasted_s,
    )


def loop(*seconds: float) -> str:
    return loop_average([good("a", s) for s in seconds]).printed


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [
        # What GNU time prints for these was seen 8 of 8 times each: 9 ms is 0.00, 19 is 0.01, 39 is 0.03, 59 is 0.05.
        (0.009, "0"),
        (0.0191, "0.01"),
        (0.0397, "0.03"),
        (0.059, "0.05"),
        (0.57, "0.57"),
        (1.0, "1"),
    ],
)
def test_a_time_is_cut_to_hundredths_and_never_rounded(seconds: float, printed: str) -> None:
    assert loop(seconds) == f"Average: {printed} seconds"


def test_the_average_has_six_significant_digits() -> None:
    assert loop(0.25, 0.25, 0.27) == "Average: 0.256667 seconds"


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=10))
def test_the_loop_is_never_above_the_mean_and_less_than_a_tick_below(seconds: list[float]) -> None:
    average = loop_average([good("a", s) for s in seconds]).average_s
    assert -1e-6 < statistics.fmean(seconds) - average < 0.01 + 1e-6


def test_a_run_that_failed_at_once_makes_the_loops_average_smaller() -> None:
    found = loop_average([good("a", 0.5)] * 4 + [bad("a", 0.004)])
    assert (found.runs, found.bad_runs, found.printed) == (5, 1, "Average: 0.4 seconds")


def test_runs_without_any_time_have_no_average() -> None:
    with pytest.raises(StatsError):
        loop_average([bad("a", None)])


def test_the_spread_is_the_standard_deviation_of_single_runs() -> None:
    found = mean_spread("a", [1.0, 2.0, 3.0, 6.0])
    assert (found.mean_s, found.min_s, found.max_s) == (3, 1, 6)
    assert found.stddev_s == pytest.approx(math.sqrt((4 + 1 + 0 + 9) / 3))
    assert mean_spread("a", [1.0]).stddev_s is None
    with pytest.raises(StatsError):
        mean_spread("a", [])


def test_the_relative_speed_propagates_both_deviations() -> None:
    slow, fast = mean_spread("slow", [9.0, 10.0, 11.0]), mean_spread("fast", [4.0, 5.0, 6.0])
    found = relative_speed(slow, fast)
    assert found.ratio == 2
    assert found.spread == pytest.approx(2 * math.sqrt(0.1**2 + 0.2**2))
    assert relative_speed(mean_spread("a", [1.0]), fast).spread is None


def test_an_arm_with_a_bad_run_is_averaged_by_the_loop_and_left_out_by_hyperfine() -> None:
    samples = [good("docker", 0.25), good("wasm", 0.1), good("docker", 0.27), bad("wasm", 0.01), bad("none", None)]
    found = other_tools(samples, [("docker", "wasm"), ("none", "wasm")])
    assert {one.arm: one.printed for one in found.loop} == {
        "docker": "Average: 0.26 seconds",
        "wasm": "Average: 0.055 seconds",
    }
    assert [one.arm for one in found.hyperfine] == ["docker"]
    assert found.relative == ()
    (ratio,) = found.loop_ratios
    assert (ratio.numerator, ratio.denominator) == ("docker", "wasm")
    assert ratio.ratio == pytest.approx(0.26 / 0.055)


def test_a_loop_that_prints_zero_has_no_ratio() -> None:
    found = other_tools([good("a", 0.25), good("b", 0.006)], [("a", "b")])
    assert found.loop_ratios[0].ratio is None
    assert found.relative[0].ratio == pytest.approx(0.25 / 0.006)
