from __future__ import annotations

import pytest

from grader.model.report import Claim, Span


def claim(value: float | str, **changes: object) -> Claim:
    made = {
        "id": "wasm.image_size",
        "value": value,
        "quote": "q",
        "line": 1,
        "source": "text",
        "span": Span(start=0, end=1),
    }
    return Claim.model_validate(made | changes)


def test_the_bounds_of_a_number_are_those_of_its_digits_or_the_number_itself() -> None:
    assert claim(5, low=4, high=6).bounds == (4, 6)
    assert claim(5, low=0).bounds == (0, 5)
    assert claim(5).bounds == (5, 5)


def test_a_word_has_no_bounds() -> None:
    with pytest.raises(ValueError, match=r"wasm\.image_size"):
        assert claim("N/A").bounds
