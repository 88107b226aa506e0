"""Text from a submission made harmless for the place where it is shown.  Pure."""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~$])")
_HIDDEN_FORMATS = frozenset("\u200b\u200e\u200f\u2028\u2029\ufeff\u061c") | {
    chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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


def csv_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _acts(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") or char in _HIDDEN_FORMATS


def _named(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
