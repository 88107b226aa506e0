"""Text from a submission made harmless for the place where it is shown.  Pure."""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~$])")


def plain(text: str) -> str:
    r"""Make control codes, terminal escapes and bidi marks visible as `\xNN` or `\uNNNN`; keep newline and tab."""
    return "".join(c if c in "\n\t" or not _acts(c) else _named(c) for c in text)


def one_line(text: str, limit: int = 200) -> str:
    """Return text as one harmless line of at most `limit` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str) -> str:
    """Return text that Markdown, and the HTML in it, shows as written."""
    return _MARKDOWN.sub(r"\\\1", one_line(text)).replace("&", "&amp;").replace("\\<", "&lt;").replace("\\>", "&gt;")


def _acts(char: str) -> bool:
    """True for every control, format, surrogate, private or unassigned character and for line separators."""
    category = unicodedata.category(char)
    return category.startswith("C") or category in ("Zl", "Zp")


def _named(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
