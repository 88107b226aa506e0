"""Markdown that no text of a submission can break out of, as a reader of Markdown sees it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.render.markdown import code_span, fenced, table

HOSTILE = st.text(alphabet="`~ax \\|*<>&\n", max_size=40)


def parsed(markdown: str) -> list[tuple[str, str]]:
    """Return the blocks, with what is inline in them, as a reader sees them."""
    return [
        (inline.type, inline.content)
        for token in MarkdownIt("commonmark").enable("table").parse(markdown)
        for inline in (token.children or (token,))
        if inline.content
    ]


@given(HOSTILE.map(lambda text: " ".join(text.split())).filter(bool))
def test_a_code_span_holds_the_whole_text_and_nothing_else(text: str) -> None:
    assert parsed(f"x{code_span(text)}x") == [("text", "x"), ("code_inline", text), ("text", "x")]


@given(HOSTILE)
def test_a_fence_holds_all_lines_and_ends_where_we_end_it(text: str) -> None:
    ((kind, content), after) = parsed(f"{fenced(text, 'last')}\n\nafter")
    assert kind == "fence"
    assert content == "".join(f"{line}\n" for line in [*text.splitlines(), "last"])
    assert after == ("text", "after")


@given(st.lists(st.lists(HOSTILE, min_size=2, max_size=2), max_size=3))
def test_no_cell_makes_another_cell_or_row(rows: list[list[str]]) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(table(["one", "two"], rows))
    assert [token.type for token in tokens if token.type in ("tr_open", "th_open", "td_open")] == (
        ["tr_open", "th_open", "th_open"] + ["tr_open", "td_open", "td_open"] * len(rows)
    )
