"""Words of a lab are found where words begin, and patterns of commands part by part."""

from __future__ import annotations

import re

import pytest

from grader.claims.vocabulary import SEVERAL, InOrder, Words, vocabulary
from grader.model.lab import Lab


@pytest.mark.parametrize(
    "pattern",
    [
        r"\btime\b.*\bspin\b.*\bdeploy",
        r"run\b(?!.*tinygo)",
        r"(ls|wc.*x)\b.*[.*]+",
        r"echo.*cold|echo.*warm",
        r"a\.*b",
        r"a.*?b",
    ],
)
@pytest.mark.parametrize(
    "line",
    [
        "time sudo spin cloud deploy",
        "spin deploy time",
        "docker run x",
        "docker run tinygo",
        "ls *.oci",
        "wc x .",
        "Echo COLD",
        "a...b a b",
        "",
    ],
)
def test_a_pattern_is_found_as_if_it_were_searched_whole(pattern: str, line: str) -> None:
    assert InOrder(pattern).found_in(line) == bool(re.search(pattern, line, re.IGNORECASE))


def test_the_longest_name_at_a_place_counts_and_only_where_a_word_begins() -> None:
    words = Words({"image": ["image", "image size"], "age": ["age"]})
    assert [(n.key, n.end) for n in words.find("Image-Size of an image")] == [("image", 10), ("image", 22)]


def test_a_text_about_both_sides_is_about_several(spoken: Lab) -> None:
    known = vocabulary(spoken)
    assert known.subject_of("Task 3: app.wasm") == "wasm"
    assert known.subject_of("traditional and WASM") == SEVERAL
    assert known.subject_of("nothing of the kind") is None
