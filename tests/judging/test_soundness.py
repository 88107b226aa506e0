"""Soundness: a quote that contradicts itself is seen, one that says nothing of the kind is left alone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.judging.soundness import is_sound
from grader.model.lab import Lab
from grader.model.report import Claim, Span

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def quoted(claim_id: str, quote: str) -> Claim:
    return Claim(id=claim_id, value="x", quote=quote, line=1, source="output", span=Span(start=0, end=1))


def output(lab: Lab, moment: int, hours: float = 3) -> bool | None:
    local = datetime.fromtimestamp(moment, UTC) + timedelta(hours=hours)
    said = {"moscow_time": f"{local:%Y-%m-%d %H:%M:%S} MSK", "timestamp": moment}
    return is_sound(lab, quoted("native.cli_output", json.dumps(said, indent=2)))


@given(moment=st.integers(1_600_000_000, 1_900_000_000))
def test_both_times_of_one_call_are_one_instant(lab: Lab, moment: int) -> None:
    assert output(lab, moment) is True


@pytest.mark.parametrize("hours", [0, 4, 3 + 1 / 60])
def test_another_zone_or_a_retyped_time_is_seen(lab: Lab, hours: float) -> None:
    assert output(lab, 1_764_272_795, hours) is False


@pytest.mark.parametrize("quote", ["{", "[]", "{}", '{"timestamp": 1}', '{"city": "Moscow", "unix": 5}', "text"])
def test_an_output_without_both_times_is_neither(lab: Lab, quote: str) -> None:
    assert is_sound(lab, quoted("native.cli_output", quote)) is None


@given(day=st.dates(date(2024, 1, 1), date(2035, 12, 31)), shift=st.integers(0, 6))
def test_a_weekday_is_right_for_its_own_date_alone(lab: Lab, day: date, shift: int) -> None:
    name = WEEKDAYS[(day.weekday() + shift) % 7]
    for text in (
        f"{name} {day:%Y-%m-%d} 13:00",
        f"{name} {day:%b} {day.day} 13:22:11 UTC {day.year}",
        f"{name}, {day.day:02} {day:%b} {day.year} 10:00:00 GMT",
        f"{name} {day.day} {day:%b} 01:22:11 PM MSK {day.year}",
        f"{day:%A} {day:%B} {day.day}, {day.year}" if shift == 0 else f"{name}. {day:%Y-%m-%d}",
    ):
        assert is_sound(lab, quoted("printed.date", text)) is (shift == 0), text


@pytest.mark.parametrize(
    "text",
    [
        "Month 2026-04-20",
        "monitor 2026-04-20 10:00:00",
        "Wed Apr 22, as in the course of 2025",
        "Monday is a holiday",
        "Fri 2026-13-40",
        "Wed Feb 30 10:00:00 UTC 2026",
        "May 2026",
        "Sun 20261-01-01",
    ],
)
def test_no_date_is_neither_right_nor_wrong(lab: Lab, text: str) -> None:
    assert is_sound(lab, quoted("printed.date", text)) is None


@given(text=st.text(max_size=200))
def test_no_text_breaks_it(lab: Lab, text: str) -> None:
    is_sound(lab, quoted("printed.date", text or "x"))
    is_sound(lab, quoted("native.cli_output", text or "x"))
