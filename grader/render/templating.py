"""The templates of feedback: how they are filled in a language, and how much of a tool's message they show.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from grader.model.base import Language, Scalar
from grader.render.catalogue import phrase

LOG_LINES, LOG_LINE_CHARACTERS = 30, 500
"""Of a tool's message that feedback shows: a screen of lines as a compiler writes them; all of it is in `steps/`."""


class Words(Protocol):
    """The wording of a code of the catalogue in the page's language."""

    def __call__(self, code: str, /, **params: Scalar) -> str: ...


def words_of(language: Language) -> Words:
    """Return the wordings of a language."""

    def t(code: str, /, **params: Scalar) -> str:
        return phrase(code, language, **params)

    return t


def environment(
    language: Language, *, autoescape: bool, finalize: Callable[[object], object] | None = None
) -> Environment:
    """Return what fills a template, in which `t` words a code; a name that nobody gave is an error.

    Args:
        finalize: Applied to all that a template shows, before it is escaped.
    """
    made = Environment(
        loader=PackageLoader("grader.render", "templates"),
        undefined=StrictUndefined,
        autoescape=autoescape,
        finalize=finalize,
        keep_trailing_newline=not autoescape,  # Markdown ends with a line end, as every text file does
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["t"] = words_of(language)
    return made


def first_lines(log: str, language: Language) -> tuple[list[str], str]:
    """Return the lines of a log that are shown, each cut, and a sentence on how many there are more, else empty."""
    lines = log.splitlines()
    kept = [x if len(x) <= LOG_LINE_CHARACTERS else x[:LOG_LINE_CHARACTERS] + "…" for x in lines[:LOG_LINES]]
    more = len(lines) - LOG_LINES
    return kept, phrase("feedback.more-lines", language, count=more) if more > 0 else ""
