"""Nothing that a submission writes acts where it is shown."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.render import escape
from grader.render.markdown import fenced


@pytest.mark.parametrize("hidden", ["\x1b[2J", "\x07", "\x9b31m", "\u202e", "\u2066", "\r", "\x00"])
def test_terminal_codes_and_bidi_marks_become_visible(hidden: str) -> None:
    shown = escape.plain(f"a{hidden}b")
    assert hidden[0] not in shown
    assert shown.startswith("a\\")


@given(st.text(st.characters(codec="utf-8"), max_size=50))
@example("\x85")
@example("\u2028")
def test_a_json_document_says_the_same_and_acts_on_no_terminal(text: str) -> None:
    marked = {"text": text + "\x9b2J\u202e\x7f\U000e0001é → Ж"}
    document = escape.json_document(json.dumps(marked, ensure_ascii=False, indent=1))
    assert json.loads(document) == marked
    assert [c for c in document if c != "\n" and unicodedata.category(c)[0] == "C"] == []
    assert "é → Ж" in document


@given(st.text(max_size=200))
def test_one_line_is_one_line_without_control_codes(text: str) -> None:
    shown = escape.one_line(text, 50)
    assert len(shown) <= 50
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in shown)


@given(st.text(alphabet="<>*_`[]()!|\\&#~$ab\n-+.1", max_size=80))
def test_markdown_shows_student_text_as_text(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render("x " + escape.markdown(text) + " y")
    assert "<" not in html.removeprefix("<p>").removesuffix("</p>\n")


@given(st.text(alphabet="`a\n~", max_size=100))
def test_a_tools_message_cannot_close_its_fence(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(fenced(text))
    assert [t.type for t in tokens] == ["fence"]
