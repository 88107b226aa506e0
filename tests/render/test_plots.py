"""The drawing of timed runs: every run in it, nothing invented, the same bytes each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.render.plots import PlotWords, TimedArm, choose_axis, strip_plot, strips, tick_text
from tests.render.pages import ROUNDS, STARTS, campaign, facts

WORDS = PlotWords(language="en", title="Runs", failed="failed", no_number="no number")
NUMBERS = {"process": "2.7 ms (2.3 to 3)", "wasmtime": "0.4 s (0.34 to 0.45)", "sandbox-noop": "2.2 ms"}
SECONDS = st.floats(min_value=1e-6, max_value=1e4)


def drawn(*, failed: bool = False, names: str = "{}") -> ET.Element:
    numbers = {arm: text for arm, text in NUMBERS.items() if not (failed and arm == "wasmtime")}
    made, by_arm = campaign(failed=failed), {(f.metric, f.arm): f for f in facts(failed=failed)}
    arms = [
        TimedArm(
            name=names.format(arm),
            number=numbers.get(arm),
            fact=by_arm["startup_time", arm],
            times=tuple(s.total_s for s in made.samples if s.arm == arm),
        )
        for arm in reversed(made.arms)
    ]
    server = by_arm["first_answer_time", "process"]
    arms.append(TimedArm(name="server", number="15 ms (12 to 18)", fact=server, times=STARTS))
    return ET.fromstring(strip_plot(strips(arms, ("native", "wasm")), WORDS))


def row(plot: ET.Element, kind: str) -> ET.Element:
    return next(g for g in plot.iter("g") if g.get("class") == kind)


def percent(element: ET.Element, name: str) -> float:
    return float((element.get(name) or "").removesuffix("%"))


def test_every_run_is_one_mark() -> None:
    assert len(list(drawn().iter("circle"))) == 3 * ROUNDS + len(STARTS)


def test_runs_of_one_arm_are_spread_so_that_equal_times_do_not_hide_each_other() -> None:
    heights = [circle.get("cy") for circle in row(drawn(), "s0").iter("circle")]
    assert len(set(heights)) == ROUNDS


def test_the_control_comes_last() -> None:
    kinds = [g.get("class") for g in drawn().iter("g") if g.get("class") in ("s0", "s1", "control")]
    assert kinds == ["s0", "s0", "s1", "control"]


def test_the_median_lies_in_its_band_and_the_slower_arm_further_right() -> None:
    medians = []
    for kind in ("s0", "s1"):
        arm = row(drawn(), kind)
        band = next(r for r in arm.iter("rect"))
        median = next(line for line in arm.iter("line") if line.get("class") == "median")
        assert percent(band, "x") < percent(median, "x1") < percent(band, "x") + percent(band, "width")
        medians.append(percent(median, "x1"))
    assert medians[0] < medians[1]


def test_an_arm_with_a_failed_run_has_no_median_and_its_failure_lies_beyond_the_axis() -> None:
    plot = drawn(failed=True)
    arm = row(plot, "s1")
    assert [line for line in arm.iter("line") if line.get("class") == "median"] == []
    assert [text.text for text in arm.iter("text")] == ["wasmtime", "no number"]
    (cross,) = [inner for inner in arm.iter("svg") if inner.get("class") == "failed"]
    assert percent(cross, "x") > max(percent(circle, "cx") for circle in plot.iter("circle"))


def test_starts_of_a_server_stand_below_the_runs_of_its_arm_with_their_own_median() -> None:
    runs, server = (g for g in drawn().iter("g") if g.get("class") == "s0")
    assert [text.text for text in server.iter("text")] == ["server", "15 ms (12 to 18)"]
    assert len(list(server.iter("circle"))) == len(STARTS)
    assert len([line for line in server.iter("line") if line.get("class") == "median"]) == 1
    assert len(list(runs.iter("circle"))) == ROUNDS


def test_a_screen_reader_is_told_what_is_drawn() -> None:
    plot = drawn()
    told = {child.get("id"): child.text or "" for child in plot if child.tag in ("title", "desc")}
    assert set((plot.get("aria-labelledby") or "").split()) == set(told)
    assert all(f"{arm}: {text}" in told["plot-d"] for arm, text in NUMBERS.items())


def test_names_are_text_and_never_markup() -> None:
    plot = drawn(names="<script>alert(1)</script><g onload='x'>{}\u202e")
    assert not list(plot.iter("script"))
    assert not any(element.get("onload") for element in plot.iter())
    shown = [t.text or "" for t in plot.iter("text") if t.get("class") == "arm"]
    assert shown[0] == "<script>alert(1)</script><g onload='x'>process\\u202e"


def test_no_runs_give_no_drawing() -> None:
    assert strip_plot((), WORDS) == ""


def test_the_same_runs_give_the_same_bytes() -> None:
    assert ET.tostring(drawn()) == ET.tostring(drawn())


def test_times_of_one_size_stand_on_a_linear_axis_from_zero() -> None:
    axis = choose_axis([0.010, 0.199])
    assert (axis.kind, axis.low, axis.ticks[0]) == ("linear", 0.0, 0.0)


def test_times_that_differ_twentyfold_stand_on_a_logarithmic_axis() -> None:
    assert choose_axis([0.010, 0.201]).kind == "log"


@given(st.lists(SECONDS, min_size=1, max_size=30))
def test_every_time_and_every_label_is_on_the_axis_and_labels_keep_their_distance(times: list[float]) -> None:
    axis = choose_axis(times)
    assert all(0 <= axis.share(t) <= 1 for t in times)
    shares = [axis.share(t) for t in axis.ticks]
    assert len(shares) >= 2
    assert all(0 <= s <= 1 for s in shares)
    assert all(b - a >= 0.19 for a, b in pairwise(shares))


@given(SECONDS)
def test_one_time_alone_has_an_axis_too(time: float) -> None:
    assert choose_axis([time]).share(time) > 0.5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (0.003, "3 ms"),
        (0.00002, "20 µs"),
        (1.0, "1 s"),
        (0.5, "500 ms"),
        (200.0, "200 s"),
        (3e-7, "0.3 µs"),
    ],
)
def test_a_label_has_the_unit_that_fits(seconds: float, text: str) -> None:
    assert tick_text(seconds, "en") == text


@pytest.mark.parametrize(("seconds", "text"), [(1.5, "1,5 с"), (0.5, "500 мс"), (3e-7, "0,3 мкс")])
def test_a_label_is_written_as_its_language_writes_numbers(seconds: float, text: str) -> None:
    assert tick_text(seconds, "ru") == text


def test_places_are_percentages_so_that_text_keeps_its_size_on_a_phone() -> None:
    plot = drawn()
    assert plot.get("viewBox") is None
    assert all(re.fullmatch(r"\d+\.\d\d%", c.get("cx") or "") for c in plot.iter("circle"))
