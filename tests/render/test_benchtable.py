"""A comparison on terminals of every width and encoding."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from grader.model.base import Language
from grader.model.bench import Bench
from grader.render.benchtable import bench_report, close_axis
from tests.benches import arm, bench, failed_arm, times, uncounted_arm

FAR = [*times(0.05, 19), 0.06]
ARMS = [arm("native", FAR), arm("wasm", times(0.08, 20)), failed_arm("gone", tail="a\n\x1b[31mred\nno such image\n")]
ESCAPES = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture(scope="module")
def result() -> Bench:
    return bench(ARMS)


def printed(
    given_: Bench, *, width: int = 80, encoding: str = "utf-8", language: Language = "en", colour: bool = False
) -> str:
    """Return what a terminal of that width and encoding gets."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    console = Console(file=file, width=width, highlight=False, force_terminal=colour, no_color=not colour)
    console.print(bench_report(given_, language))
    file.flush()
    return raw.getvalue().decode(encoding)


def strip_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.search("[░▒▓█]", line)]


@pytest.mark.parametrize("width", [40, 80, 120, 250])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_line_is_wider_than_the_terminal(result: Bench, width: int, language: Language) -> None:
    assert max(cell_len(line) for line in printed(result, width=width, language=language).splitlines()) <= width


def test_at_80_columns_no_word_of_the_numbers_is_broken(result: Bench) -> None:
    text = printed(result)
    assert "Median" in text
    assert "5 to 95 %" in text
    assert "First output" in text


def test_every_arm_is_named_with_its_verdict(result: Bench) -> None:
    text = " ".join(printed(result, width=200).split())
    assert "wasm / native" in text
    assert "`wasm` is 1.6 times slower than `native`" in text


def test_a_failed_arm_shows_its_reason_and_the_end_of_its_output_but_no_strip(result: Bench) -> None:
    text = printed(result)
    said = "the program ended with exit code 125, expected: 0: no such image"
    assert f"gone: failed in its run 1: {said}" in " ".join(text.split())
    assert "| no such image" in text
    assert r"\x1b[31mred" in text
    assert not any(line.startswith("gone") for line in strip_lines(text))


def test_every_run_darkens_its_strip(result: Bench) -> None:
    few = bench([arm("a", [0.01, 0.02, 0.03, 0.03])])
    (line,) = strip_lines(printed(few))
    assert sorted(line.replace(" ", "").removeprefix("a")) == sorted("░░▒")


def test_a_strip_keeps_its_shape_however_many_runs_there_are() -> None:
    many = bench([arm("a", [0.01] * 10 + [0.02] * 100 + [0.03] * 1000)])
    (line,) = strip_lines(printed(many))
    assert line.replace(" ", "").removeprefix("a") == "░░█"


@pytest.mark.parametrize("width", [30, 79, 80, 133])
def test_a_strip_is_one_line_and_its_whisker_the_next(result: Bench, width: int) -> None:
    lines = printed(result, width=width).splitlines()
    strips = [at for at, line in enumerate(lines) if re.search("[░▒▓█]", line)]
    assert len(strips) == 2
    assert all("┼" in lines[at + 1] for at in strips)
    assert cell_len(lines[strips[1]]) == width


def test_a_slower_arm_lies_further_right(result: Bench) -> None:
    first, second = strip_lines(printed(result))
    assert re.search("[░▒▓█]", first).start() < re.search("[░▒▓█]", second).start()  # type: ignore[union-attr]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "koi8-r", "cp866"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_terminal_without_unicode_gets_every_cell(result: Bench, encoding: str, language: Language) -> None:
    text = printed(result, encoding=encoding, language=language)
    rich_one = printed(result, language=language)
    assert [cell_len(line) for line in text.splitlines()] == [cell_len(line) for line in rich_one.splitlines()]
    assert re.search(r"[.:+#]{3,}", text)


def test_a_pipe_and_no_color_get_no_escape_codes(result: Bench) -> None:
    assert "\x1b" not in printed(result)


def test_colour_only_repeats_what_the_words_say(result: Bench) -> None:
    coloured = printed(result, colour=True)
    assert "\x1b[" in coloured
    assert ESCAPES.sub("", coloured) == printed(result)


def test_a_terminal_too_narrow_for_strips_gets_none(result: Bench) -> None:
    assert strip_lines(printed(result, width=24)) == []


def test_a_logarithmic_axis_says_so(result: Bench) -> None:
    assert "logarithmic" in printed(bench([arm("a", times(0.001, 8)), arm("b", times(1, 8))]))
    assert "logarithmic" not in printed(result)


def test_arms_without_one_whole_round_still_make_a_report() -> None:
    text = printed(bench([uncounted_arm("slow", 0.3), failed_arm("gone")]))
    assert "gone: failed in its run 1" in text
    assert not strip_lines(text)


def test_only_failed_arms_still_make_a_report() -> None:
    text = printed(bench([failed_arm("gone"), failed_arm("lost")]))
    assert "gone: failed" in text
    assert "lost: failed" in text


def test_wide_letters_and_long_names_keep_the_strips_in_line() -> None:
    given_ = bench([arm("漢字" * 30, times(0.05, 12)), arm("b", times(0.05, 12))])
    assert max(cell_len(line) for line in printed(given_).splitlines()) <= 80
    assert len(strip_lines(printed(given_))) == 2


def test_a_noisy_host_is_said_in_the_report(result: Bench) -> None:
    noisy = result.model_copy(update={"noise": result.noise.model_copy(update={"state": "noisy"})})
    assert "The host was noisy" in printed(noisy)
    assert "The host was quiet" in printed(result)


@given(st.lists(st.floats(min_value=1e-6, max_value=1e4), min_size=1, max_size=40))
def test_every_time_lies_on_the_axis_and_ticks_rise(seconds: list[float]) -> None:
    axis = close_axis(seconds)
    assert all(-1e-9 <= axis.share(s) <= 1 + 1e-9 for s in seconds)
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert len(axis.ticks) <= 12


def test_a_title_is_not_folded_to_the_width_of_a_narrow_table() -> None:
    assert printed(bench([failed_arm("gone")])).splitlines()[0] == "Time from spawn to exit"
