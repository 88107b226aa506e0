"""`--explain` tells where a value was read, why that one, what a label means and what was left out."""

from __future__ import annotations

import pytest

from grader.adapters.labfile import load_lab
from grader.claims.reader import read_report
from grader.model.base import Language
from grader.render.explain import explained

LAB = load_lab("lab12-f25").lab

REPORT = """## Task 2: traditional

Traditional image size from `docker images`: 4.7MB
Startup runs:

0.51 s
0.52 s

| Metric | Traditional | WASM |
|---|---|---|
| Image size | 4.7 MB | 0.82 MB |

![stats](stats.png)
"""


def lines(language: Language = "en") -> str:
    return "\n".join(explained(read_report(REPORT.encode(), LAB, ""), LAB, language))


def test_value_place_meaning_and_rule_are_told() -> None:
    text = lines()
    assert "Image size (native) [native.image_size]" in text
    assert "line 11; `4.7 MB`; MB in powers of 1000; meets another number of the report" in text
    assert "the comparison table comes before text and output" in text
    assert "line 3" in text


def test_what_was_left_out_and_the_pictures_are_told() -> None:
    text = lines()
    assert "line 6: one of several runs: 0.51 s" in text
    assert "line 13: stats.png" in text


@pytest.mark.parametrize("code", ["explain.", "why.", "rejected.", "meaning.", "notion."])
def test_every_code_has_its_words_in_both_languages(code: str) -> None:
    assert code not in lines()
    assert code not in lines("ru")
    assert "строка 11" in lines("ru")
