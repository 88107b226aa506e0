"""The feedback page: what it says, and that a student's text in it is only ever text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.claims.reader import read_report
from grader.model.base import Language
from grader.model.grade import Score
from grader.model.lab import Lab
from grader.render.catalogue import LANGUAGES
from grader.render.page import comparison_source, feedback_html, score_parts, shown, table_html
from tests.render.pages import grade, page, the_lab, timed_runs

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1)) ![b](https://example.org/x.png)",
    "<https://example.org> <a href='https://example.org'>x</a>",
    "</style></title></textarea><style>*{background:url(https://example.org)}</style>",
    "</svg><svg onload=alert(1)><use href='https://example.org/#x'/></svg>",
    '" onmouseover="alert(1)" style="position:fixed',
    "{{ 7 * 7 }} {% include 'page.css' %} {0.__class__}",
    "<!-- --><iframe src=//example.org></iframe><meta http-equiv=refresh content=0>",
    "]]><![CDATA[<script>x</script>",
    "a\u202eb\u200bc\x1b[31md\x00e\ufefff",
    "&#x202e;&#0;&lt;script&gt;",
)
ALLOWED = {
    "charset", "class", "content", "cx", "cy", "d", "data-label", "fill", "height", "href", "http-equiv", "id", "lang",
    "name", "r", "role", "scope", "tabindex", "viewbox", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip


class Seen(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def acting(text: str) -> Iterator[str]:
    yield from (c for c in text if c != "\n" and re.match(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ufeff]", c))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_makes_no_element_and_no_attribute(text: str) -> None:
    harmless, hostile = Seen(page("x")), Seen(page(text))
    assert set(hostile.tags) <= set(harmless.tags) | {"code", "p", "strong", "em"}
    assert "script" not in hostile.tags
    assert hostile.tags.count("style") == 1
    assert {name for name, _ in hostile.attributes if not name.startswith("aria-")} <= ALLOWED


@pytest.mark.parametrize("text", HOSTILE)
def test_no_character_that_acts_on_its_neighbours_is_left(text: str) -> None:
    assert list(acting(page(text))) == []


def test_hostile_text_is_still_shown() -> None:
    said = "".join(Seen(page("<script>alert(1)</script>")).text)
    assert said.count("<script>alert(1)</script>") >= 5


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_any_text_makes_a_page_without_scripts_handlers_or_links_out_of_it(text: str) -> None:
    seen = Seen(page(text or "-"))
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "style")]
    assert all(re.fullmatch("#c[0-9]+", value) for name, value in seen.attributes if name == "href")


def test_the_page_names_nothing_outside_itself() -> None:
    text = page()
    for word in ("src=", "url(", "@import", "http://", "https://", "//cdn"):
        assert word not in text


def test_the_policy_allows_exactly_the_style_sheet_that_is_there() -> None:
    text = page()
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    allowed = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{allowed}';" in text


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_equal_grades_give_equal_bytes_in_the_pages_language(language: Language) -> None:
    text = page(language=language)
    assert text == page(language=language)
    assert f'<html lang="{language}">' in text
    assert not re.search(r"\bpage\.[a-z]", "".join(Seen(text).text)), "a code stands where its wording should"


def test_russian_pages_hold_no_english_sentence() -> None:
    english = {v for k, v in LANGUAGES["en"].items() if k.startswith("page.") and len(v) > 3 and "{" not in v}
    said = {part.strip() for part in Seen(page(language="ru")).text}
    assert said & english == set()


def test_everything_that_a_student_needs_is_there_in_order() -> None:
    text = page()
    places = [text.index(f'id="h-{name}"') for name in ("compare", "own", "times", "criteria", "findings", "logs")]
    assert places == sorted(places)
    said = "".join(Seen(text).text)
    for words in ("contradicted", "steps/build-native/meta.json", "report line 43", "undefined: clock", "a" * 12):
        assert words in said


def test_the_head_names_the_criteria_that_cost_most_and_leads_to_them() -> None:
    text = page()
    named = re.findall(r'<span class="points">−(\S+)</span> <a href="#(c\d+)">(.*?)</a>', text)
    assert [points for points, _, _ in named] == ["1", "1"]
    for _, anchor, title in named:
        assert re.search(rf'<li class="criterion" id="{anchor}">\s*<h4>{title}</h4>', text)


def test_where_a_reason_is_seen_is_a_line_or_a_file_and_never_an_id_of_ours() -> None:
    text = page()
    assert "Seen in: report line 41, <code>steps/build-native/meta.json</code>" in text
    assert "native.binary_size@build" not in text
    raw = grade()
    bare = tuple(f.model_copy(update={"evidence": ()}) for f in raw.facts)
    without = feedback_html(the_lab(), raw.model_copy(update={"facts": bare}), timed_runs(), None, ())
    assert "native.binary_size@build" not in without


def test_what_a_person_wrote_stands_with_the_criterion() -> None:
    said = "".join(Seen(page("well argued")).text)
    assert "Note: well argued" in " ".join(said.split())


def test_verdicts_and_outcomes_have_a_word_and_a_symbol() -> None:
    badges = re.findall(r'<span class="badge [a-z_]+">(.*?)</span>', page(), re.DOTALL)
    assert len(badges) >= 9
    for badge in badges:
        assert re.search(r'<svg class="icon"[^>]*aria-hidden="true"><path d="M', badge)
        assert re.search(r"</svg>\s*\w+", badge)


def test_the_starts_of_the_server_are_drawn_and_told_in_numbers() -> None:
    text = page()
    plot = text[text.index('<svg class="plot"') :].partition("</svg>")[0]
    name = "native process: server"
    assert f'<text class="arm" x="0" y="{6 + 92 + 14}">{name}</text>' in plot
    first = r"[\d.]+ (?:ms|s) \([\d.–]+ (?:ms|s)\)"
    assert re.search(rf'<th scope="row">{name}</th><td>native</td><td>—</td><td>{first}</td><td>7</td>', text)


def test_without_timed_runs_the_plots_place_says_why() -> None:
    text = page(timed=False)
    assert 'class="plot"' not in text
    assert "<li>No sandbox works on this host</li>" in text


def test_a_host_that_could_run_nothing_is_said_at_the_top_and_only_there() -> None:
    note = "<code>grader doctor</code> names the command that mends that host"
    without, with_one = page(timed=False), page()
    assert without.index(note) < without.index('class="score"')
    assert note not in with_one


def test_a_megabyte_without_a_space_is_cut() -> None:
    assert len(page("A" * 1_000_000)) < 120_000


def test_marks_piled_on_one_letter_are_thinned() -> None:
    assert shown("e" + "\u0301" * 500) == "e\u0301\u0301"


@pytest.mark.parametrize("cell", ["[" * 50_000, ">" * 50_000, "`" * 50_000, "*a" * 20_000, "![" * 20_000])
def test_a_markdown_bomb_in_the_table_is_cut(lab: Lab, cell: str) -> None:
    report = f"| Metric | Traditional | WASM |\n|---|---|---|\n| Binary size | 4.5 MiB | {cell} |\n".encode()
    reading = read_report(report, lab, "")
    source = comparison_source(report, reading)
    if source is not None:  # a row that the reader took for no row of the lab
        assert len(table_html(source)) < 50_000


def test_a_table_of_ten_thousand_rows_is_cut(lab: Lab) -> None:
    rows = "| Binary size | 4.5 MiB | 2 MiB |\n" * 10_000
    report = f"\n| Metric | Traditional | WASM |\n|---|---|---|\n{rows}".encode()
    source = comparison_source(report, read_report(report, lab, ""))
    assert source is not None
    assert source.count("\n") < 100


def test_the_table_is_taken_from_its_first_line_to_its_end(lab: Lab) -> None:
    report = (
        b"text\n\n> | Metric | Traditional | WASM |\n> |---|---|---|\n> | Binary size | 1 MB | 2 MB |\n\nmore | text\n"
    )
    source = comparison_source(report, read_report(report, lab, ""))
    assert source is not None
    assert source.splitlines()[0].startswith("| Metric")
    assert source.splitlines()[-1] == "| Binary size | 1 MB | 2 MB |"


def test_a_students_own_marks_stay_and_links_are_text() -> None:
    html = table_html("| a | b |\n|---|---|\n| **1** `x` | [t](https://example.org) <b>x</b> &#x202e; |\n")
    assert "<strong>1</strong> <code>x</code>" in html
    assert "[t](https://example.org) &lt;b&gt;x&lt;/b&gt; \\u202e" in html


def test_bold_and_code_of_a_claim_are_shown_as_such() -> None:
    assert '<td role="cell" data-label="Claimed"><div><strong>4.5</strong> <code>MiB</code></div></td>' in page(
        "**4.5** `MiB`"
    )


def test_the_parts_of_the_score_fill_the_bar() -> None:
    parts = score_parts(
        Score(points=2, lost=3, pending_review=1, not_assessed=4, manual=0, max=10, bonus=0, state="final")
    )
    assert [(p.kind, p.start, p.width) for p in parts] == [
        ("earned", 0, 20), ("review", 20, 10), ("apart", 30, 40), ("lost", 70, 30)
    ]  # fmt: skip
