"""The drawing of a comparison: every run and every ratio in it, one file that needs nothing else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from grader.model.base import Language
from grader.model.bench import Bench
from grader.render.benchplot import WIDTH, bench_svg
from tests.benches import arm, bench, failed_arm, times, uncounted_arm

SVG = "{http://www.w3.org/2000/svg}"
RUNS = 20


@pytest.fixture(scope="module")
def result() -> Bench:
    slow, same = arm("slow", times(0.08, RUNS)), arm("same", times(0.05, RUNS, seed=5))
    return bench([arm("quick", times(0.05, RUNS)), slow, same, failed_arm("gone", good=[0.07])])


def drawn(given: Bench, language: Language = "en") -> ET.Element:
    return ET.fromstring(bench_svg(given, language))


def texts(drawing: ET.Element) -> str:
    return "\n".join("".join(text.itertext()) for text in drawing.iter(f"{SVG}text"))


def test_the_same_result_gives_the_same_bytes(result: Bench) -> None:
    assert bench_svg(result) == bench_svg(result.model_copy())


def test_every_run_that_counts_is_a_dot_and_a_failed_one_a_cross(result: Bench) -> None:
    dots = [c for c in drawn(result).iter(f"{SVG}circle") if c.get("class") != "ratio"]
    assert len(dots) == 3 * RUNS + 1
    assert len([s for s in drawn(result).iter(f"{SVG}svg") if s.get("class") == "failed"]) == 1


def test_ratios_lie_where_they_belong(result: Bench) -> None:
    drawing = drawn(result)
    slow, same = (float(c.get("cx") or 0) for c in drawing.iter(f"{SVG}circle") if c.get("class") == "ratio")
    band = next(r for r in drawing.iter(f"{SVG}rect") if r.get("class") == "same")
    left, right = float(band.get("x") or 0), float(band.get("x") or 0) + float(band.get("width") or 0)
    assert left < same < right < slow < WIDTH
    assert (left + right) / 2 == pytest.approx(WIDTH / 2, abs=0.1)


def test_verdicts_and_intervals_are_in_words(result: Bench) -> None:
    said = texts(drawn(result))
    assert re.search(r"slow / quick: 1\.\d+ \(1\.\d+–1\.\d+\)", said)
    assert "`slow` is 1.6 times slower than `quick`" in said
    assert "failed in its run 2" in said
    assert "The host was quiet" in said


def test_the_grey_part_is_explained_where_there_is_one(result: Bench) -> None:
    alone = result.model_copy(update={"ratios": ()})
    assert "grey part" in bench_svg(result).decode()
    assert "grey part" not in bench_svg(alone).decode()


def test_it_needs_nothing_else(result: Bench) -> None:
    data = bench_svg(result).decode()
    assert re.findall(r"(?:href|src|@import|url\(|<script|<image|<foreignObject)", data) == []
    assert set(re.findall(r'[a-z]+://[^"<\s]+', data)) == {"http://www.w3.org/2000/svg"}


def test_hostile_names_stay_text() -> None:
    wild = "<script>alert(1)</script>&\x1b[2J\u202e"
    data = bench_svg(bench([arm(wild, times(0.05, 8)), arm("b", times(0.05, 8)), failed_arm("]]>")])).decode()
    assert "<script" not in data
    assert "\x1b" not in data
    assert "\u202e" not in data
    ET.fromstring(data)


def test_a_long_verdict_goes_on_in_the_next_line() -> None:
    long = "a-rather-long-name-of-an-arm-" * 3
    drawing = drawn(bench([arm(long, times(0.05, 8)), arm(long + "2", times(0.09, 8))]))
    verdicts = [t for t in drawing.iter(f"{SVG}text") if t.get("class") == "verdict soft"]
    assert len(verdicts) > 1
    assert len({t.get("y") for t in verdicts}) == len(verdicts)


@pytest.mark.parametrize(
    "given",
    [
        bench([failed_arm("gone")]),
        bench([uncounted_arm("slow", 0.3), failed_arm("gone")]),
        bench([arm("alone", times(0.05, 8))]),
        bench([arm("a", times(0.05, 3)), arm("b", times(0.05, 3))]),
        bench([arm("a", times(0.0005, 8)), arm("b", times(30, 8))]),
        bench([arm("a", [0.05] * 8), arm("b", [0.05] * 8)]),
    ],
    ids=["failed", "no round", "alone", "too few", "60,000-fold", "equal"],
)
def test_odd_results_are_drawn_within_their_frame(given: Bench) -> None:
    drawing = drawn(given)
    assert float(drawing.get("height") or 0) > 80
    for circle in drawing.iter(f"{SVG}circle"):
        if circle.get("class") == "ratio":
            assert 0 <= float(circle.get("cx") or -1) <= WIDTH
    for tick in [t for g in drawing.iter(f"{SVG}g") if g.get("class") == "ticks" for t in g]:
        x = tick.get("x") or ""
        assert x.endswith("%") or 0 <= float(x) <= WIDTH


def test_a_logarithmic_axis_says_so() -> None:
    apart = bench([arm("a", times(0.001, 8)), arm("b", times(1, 8))])
    assert "logarithmic" in texts(drawn(apart))
    assert "logarithmic" not in texts(drawn(bench([arm("a", times(0.8, 8)), arm("b", times(1, 8))])))


def test_the_other_language_has_its_own_decimal_mark(result: Bench) -> None:
    said = texts(drawn(result, "ru"))
    assert re.search(r"slow / quick: 1,\d+ \(1,\d+–1,\d+\)", said)
    assert "медленнее" in said
