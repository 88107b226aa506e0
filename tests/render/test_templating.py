"""What Markdown and page have in common: wordings in their language, and the first lines of a tool's message."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from grader.model.base import Language
from grader.model.lab import Lab
from grader.render.catalogue import translated
from grader.render.feedback import feedback_markdown
from grader.render.page import feedback_html
from grader.render.templating import LOG_LINE_CHARACTERS, LOG_LINES, environment, first_lines
from tests.render.pages import grade, timed_runs


@pytest.mark.parametrize(("language", "more"), [("en", "… 2 more lines"), ("ru", "… ещё строк: 2")])
def test_a_long_log_says_how_many_lines_are_left_out(language: Language, more: str) -> None:
    lines, rest = first_lines("\n".join(f"line {n}" for n in range(LOG_LINES + 2)), language)
    assert (lines[0], lines[-1], len(lines), rest) == ("line 0", f"line {LOG_LINES - 1}", LOG_LINES, more)
    assert first_lines("one\ntwo", language) == (["one", "two"], "")


def test_a_log_of_one_endless_line_swells_neither_feedback_nor_page(lab: Lab) -> None:
    given, logs = translated(lab, grade(), "en"), (("build-native", "x" * 1_000_000),)
    for text in (feedback_markdown(lab, given, logs), feedback_html(lab, given, timed_runs(), None, logs)):
        assert "x" * LOG_LINE_CHARACTERS + "…" in text
        assert "x" * (LOG_LINE_CHARACTERS + 1) not in text


def test_a_name_that_a_template_was_not_given_is_an_error_and_no_gap() -> None:
    with pytest.raises(UndefinedError):
        environment("en", autoescape=False).from_string("{{ nobody_gave_this }}").render()
    assert environment("ru", autoescape=True).from_string("{{ t('page.score') }}").render() != "Score at a glance"
