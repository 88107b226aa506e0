"""Derived cells: every convention is right for its own inputs, another number or the wrong side is right in none."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from grader.judging.conventions import Pair, agrees, has_number

SLOWER = Pair(reference=(0.29, 0.29), candidate=(0.666, 0.666))
SMALLER = Pair(reference=(4.5, 4.5), candidate=(2.4, 2.4))


def conventions(t: float, w: float) -> list[tuple[str, bool | None, str]]:
    """Every way that people write t against w: text, what its words say of w, unit of the column."""
    better, word = w < t, "faster" if w < t else "slower"
    larger, smaller = max(t, w), min(t, w)
    ways: list[tuple[str, bool | None, str]] = [
        (f"**{t / w:.3f}x**", None, "ratio"),
        (f"{t / w:.3f}", None, "ratio"),
        (f"WASM is ~{larger / smaller:.3f}× {word}", better, "ratio"),
        (f"Traditional is {larger / smaller:.3f}x {'slower' if better else 'faster'}²", better, "ratio"),
        (f"{larger / smaller - 1:.3f}x {word}", better, "ratio"),
        (f"{100 * (t - w) / t:.1f}%", None, "percent"),
        (f"{100 * abs(t - w) / t:.1f} % {'smaller' if better else 'larger'}", better, "percent"),
        (f"{100 * abs(t - w) / w:.1f}% {word}", better, "ratio"),
        (f"`{100 * w / t:.1f}% of the traditional one`", None, "percent"),
        (f"{100 * w / t:.1f}% the size", None, "percent"),
        (f"{100 * t / w:.1f}%", None, "ratio"),
        (f"{t / w:.3f}x smaller", None if w > t else True, "percent"),
    ]
    if not better:
        ways.append((f"-{100 * (w - t) / t:.1f}% (slower)", False, "ratio"))
        ways.append((f"-{w / t:.3f}x", None, "ratio"))
        ways.append((f"{t / w:.3f}x faster", True, "ratio"))  # the factor below 1 tells the direction
    return ways


quantities = st.floats(0.01, 100).map(lambda x: round(x, 3))


@given(t=quantities, w=quantities, which=st.integers(0, 20))
def test_every_convention_is_right_for_its_own_inputs(t: float, w: float, which: int) -> None:
    assume(0.02 < t / w < 50)
    assume(abs(t / w - 1) > 0.1)
    ways = conventions(t, w)
    text, better, unit = ways[which % len(ways)]
    assert agrees(text, better, Pair(reference=(t, t), candidate=(w, w)), unit=unit), text


@given(reduction=st.floats(5, 95), other=st.floats(5, 95))
def test_another_percentage_is_right_in_no_convention_of_a_plain_reduction(reduction: float, other: float) -> None:
    pair = Pair(reference=(100, 100), candidate=(100 - reduction, 100 - reduction))
    excess = 100 * reduction / (100 - reduction)
    assume(all(abs(other - right) > 1.1 for right in (reduction, excess)))
    assert not agrees(f"{other:.1f}% smaller", True, pair, unit="percent")


@given(factor=st.floats(1.3, 50), wrong=st.floats(1.15, 8))
def test_another_factor_is_right_in_no_convention(factor: float, wrong: float) -> None:
    pair = Pair(reference=(factor, factor), candidate=(1, 1))
    told = factor * wrong
    assert not agrees(f"{told:.3f}x faster", True, pair, unit="ratio")


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("2.3x faster", True),
        ("129% faster", True),
        ("Traditional is 2.3x slower", True),
        ("56% faster", True),
        ("44% faster", True),
    ],
)
def test_the_wrong_side_is_never_right(text: str, better: bool) -> None:
    assert not agrees(text, better, SLOWER, unit="ratio")


@pytest.mark.parametrize("text", ["0.44x faster", "0.44x slower", "0.44×", "x0.44"])
def test_a_factor_below_one_tells_its_own_direction(text: str) -> None:
    assert agrees(text, "faster" in text, SLOWER, unit="ratio")


def test_a_sign_says_slower_and_is_wrong_of_the_faster_one() -> None:
    assert agrees("-2.3x", None, SLOWER, unit="ratio")
    assert not agrees("-1.9x", None, SMALLER, unit="ratio")


def test_a_share_without_a_word_is_no_reduction_unless_it_can_be_none() -> None:
    assert not agrees("53.3%", None, SMALLER, unit="percent")
    assert agrees("187%", None, SMALLER, unit="percent")
    assert not agrees("187% smaller", True, SMALLER, unit="percent")


def test_a_footnote_is_no_digit() -> None:
    assert agrees("46.7%³ smaller", True, SMALLER, unit="percent")
    assert agrees("1.9x[^1]", None, SMALLER, unit="ratio")


def test_the_rounding_of_a_cell_is_no_mistake() -> None:
    printed = Pair(reference=(4.45, 4.55), candidate=(2.35, 2.45))
    assert agrees("47.84% smaller", True, printed, unit="percent")  # worked out from the exact bytes
    assert not agrees("52% smaller", True, printed, unit="percent")


@pytest.mark.parametrize("text", ["", "N/A", "similar", "one half"])
def test_words_are_neither_right_nor_wrong(text: str) -> None:
    assert not has_number(text, "percent")
    assert not agrees(text, None, SMALLER, unit="percent")


@given(text=st.text(max_size=80), better=st.none() | st.booleans())
def test_no_text_breaks_it(text: str, better: bool | None) -> None:
    agrees(text, better, SMALLER, unit="percent")
    agrees(text, better, SLOWER, unit="ratio")
