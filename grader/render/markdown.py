"""Markdown that no text of a submission can break out of.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.render import escape


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; its texts are shown as they are."""
    lines = [heads, *rows]
    shown = ["| " + " | ".join(escape.markdown(cell) for cell in line) + " |" for line in lines]
    shown.insert(1, "|" + "---|" * len(heads))
    return "\n".join(shown) + "\n"


def fenced(text: str, more: str = "") -> str:
    """Return text in a fence that it cannot close; `more` is a last line of ours."""
    lines = [*escape.plain(text).splitlines(), *([more] if more else [])]
    fence = "`" * max(3, _longest_backticks(lines) + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def code_span(text: str) -> str:
    """Return text as one line of code that it cannot end."""
    line = escape.one_line(text, 1000)
    marks = "`" * (_longest_backticks([line]) + 1)
    blank = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{marks}{blank}{line}{blank}{marks}"


def _longest_backticks(lines: Sequence[str]) -> int:
    return max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
