"""Formatted quantities as Russian writes them; English keeps what `units` wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.render.numerals import agreeing, localised
from grader.units import format_bytes, format_percent, format_ratio, format_seconds, parse_quantity

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("written", "russian"),
    [
        ("4.48 MiB (4,698,112 B)", f"4,48 МиБ (4{NBSP}698{NBSP}112 Б)"),
        ("839.6 kB", "839,6 кБ"),
        ("2.10 ms", "2,10 мс"),
        ("12 µs", "12 мкс"),
        ("0.448 s", "0,448 с"),
        ("47.8%", f"47,8{NBSP}%"),
        ("1.62×", "1,62×"),
        ("0.63× (1.6× slower)", "0,63× (в 1,6 раза медленнее)"),
        ("0.50× (2× slower)", "0,50× (в 2 раза медленнее)"),
        ("0.20× (5× slower)", "0,20× (в 5 раз медленнее)"),
        ("0.08× (12× slower)", "0,08× (в 12 раз медленнее)"),
        ("0.05× (22× slower)", "0,05× (в 22 раза медленнее)"),
        ("0.6× (slower)", "0,6× (медленнее)"),
        ("—", "—"),
    ],
)
def test_marks_and_units_are_those_of_the_language(written: str, russian: str) -> None:
    assert localised(written, "ru") == russian
    assert localised(written, "en") == written


@given(st.integers(0, 2**44))
def test_a_size_read_back_from_its_russian_form_is_the_same(size: int) -> None:
    english, russian = (parse_quantity(localised(format_bytes(size), language), "byte") for language in ("en", "ru"))
    assert english is not None
    assert russian is not None
    assert (russian.value, russian.low, russian.high) == (english.value, english.low, english.high)


@given(st.floats(1e-6, 1e5))
def test_no_english_unit_is_left(value: float) -> None:
    for text in (format_seconds(value), format_percent(value), format_ratio(value)):
        assert not any(c.isascii() and c.isalpha() for c in localised(text, "ru"))


def test_a_sentence_agrees_with_the_number_in_it() -> None:
    said = "в 5 раза (4–6), в 1,5 раза, в 22 раза, в 300 раза, в 12 раза"
    assert agreeing(said, "ru") == "в 5 раз (4–6), в 1,5 раза, в 22 раза, в 300 раз, в 12 раз"
    assert agreeing("5 раза", "en") == "5 раза"
