"""Text from a submission made harmless for the place where it is shown.  Pure."""

from __future__ import annotations

import json
import re
import unicodedata

SENTENCE = 2000
"""Characters that are shown of a reason, which may name every cell of a table, and of a command."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#+!|~$])")
_LINKED = re.compile(r":(?=//)|[wW]{3}(?=\.)|[@#!](?=\S)")
_ZERO_WIDTH = "&#8203;"


def plain(text: str) -> str:
    r"""Make control codes, terminal escapes and bidi marks visible as `\xNN` or `\uNNNN`; keep newline and tab."""
    return "".join(c if c in "\n\t" or not _acts(c) else _named(c) for c in text)


def json_document(text: str) -> str:
    r"""Return a JSON document with each character that acts on a terminal written as `\uNNNN`: it says the same.

    JSON must escape the first 32 control codes only; the second 32, which terminals obey too, and bidi marks it need
    not.
    """
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return "".join(c if c == "\n" or not _acts(c) else json.dumps(c)[1:-1] for c in text)


def one_line(text: str, limit: int = 200) -> str:
    """Return text as one harmless line of at most `limit` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str, limit: int = 200) -> str:
    """Return text as one line of at most `limit` characters that Markdown, and the HTML in it, shows as written.

    A forge makes links of bare addresses, `@name`, `#1` and `!1` in the text that is shown, however it was escaped:
    a zero-width space in each keeps it text, and calls nobody.
    """
    safe = (
        _MARKDOWN.sub(r"\\\1", one_line(text, limit))
        .replace("&", "&amp;")
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )
    return _LINKED.sub(rf"\g<0>{_ZERO_WIDTH}", safe)


def _acts(char: str) -> bool:
    """True for every control, format, surrogate, private or unassigned character and for line separators."""
    category = unicodedata.category(char)
    return category.startswith("C") or category in ("Zl", "Zp")


def _named(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
