"""Pictures are found however they are written, and code is not searched."""

from __future__ import annotations

from grader.claims.markdown import read_document
from grader.claims.pictures import MAX_PICTURES, pictures


def found(text: str) -> list[tuple[int, str]]:
    return [(p.line, p.path) for p in pictures(read_document(text.encode()))]


def test_markdown_obsidian_and_html_pictures_are_found_with_their_lines() -> None:
    text = "![a](img/one.png)\n\n![[two.png|200]] and <img width=3 src='three.jpg'>\n![x](<four%20.png> \"t\")\n"
    assert found(text) == [(1, "img/one.png"), (3, "two.png"), (3, "three.jpg"), (4, "four%20.png")]


def test_code_and_links_are_no_pictures() -> None:
    assert found("```\n![a](b.png)\n```\n[a](b.png)\n") == []


def test_a_flood_of_pictures_is_cut() -> None:
    assert len(found("![a](b.png)\n" * (MAX_PICTURES + 5))) == MAX_PICTURES
