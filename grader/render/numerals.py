"""Formatted quantities in the page's language: decimal mark, thousands and units.  Pure."""

from __future__ import annotations

import re

from grader.model.base import Language

NO_BREAK = "\u00a0"

UNITS_RU = {
    "B": "Б", "KiB": "КиБ", "MiB": "МиБ", "GiB": "ГиБ", "TiB": "ТиБ", "kB": "кБ", "MB": "МБ", "GB": "ГБ", "TB": "ТБ",
    "s": "с", "ms": "мс", "µs": "мкс",
}  # fmt: skip

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_UNIT = re.compile(r"(?<=[\d ])(?:[KMGT]i?B|kB|B|µs|ms|s)\b")
_FOLD = re.compile(r"(?<![\d,.])(\d+) раза\b")
_SLOWER = re.compile(r"\((\S+)× slower\)")


def localised(text: str, language: Language) -> str:
    """Return what `units` formatted as the language writes it: `4.48 MiB (4,698,112 B)`, `4,48 МиБ (4 698 112 Б)`."""
    if language == "en":
        return text
    text = _SLOWER.sub(lambda m: f"(в {m[1]} {_times(m[1])} медленнее)", text).replace("(slower)", "(медленнее)")
    text = _NUMBER.sub(lambda m: m[0].replace(",", NO_BREAK).replace(".", ","), text)
    text = _UNIT.sub(lambda m: UNITS_RU[m[0]], text)
    return re.sub(r"(?<=\d)%", f"{NO_BREAK}%", text)


def agreeing(text: str, language: Language) -> str:
    """Return a sentence in which `раза` agrees with the whole number before it: `в 5 раз`, `в 1,5 раза`."""
    return text if language == "en" else _FOLD.sub(lambda m: f"{m[1]} {_times(m[1])}", text)


def _times(number: str) -> str:
    """Return the form of `раз` after a number: `5 раз`, `2 раза`, `1,6 раза`."""
    if "." not in number and not (number[-1] in "234" and number[-2:-1] != "1"):
        return "раз"
    return "раза"
