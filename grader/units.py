"""Quantities as people write them: read sizes, times, percentages and factors, and write them with honest digits.

Reading never decides more than the text says.  `MB` is 10^6 in `docker images` and 2^20 in `ls -lh` or PowerShell, so
a label with two meanings gives one `value` (by the caller's `base`) and a range `low..high` that covers both.  `kB`,
with its small `k`, is what SI and the tools that count in powers of 1000 write, and always 1000 bytes.

Reading a number
    A point is a decimal mark.  Groups of three behind spaces, no-break spaces or apostrophes are thousands, and so
    are several groups behind commas (`4,698,112`) or points (`4.698.112`).
    One comma before exactly three digits is ambiguous.  It is a thousands mark with a unit in which whole numbers are
    usual (none, B, KB, ms, us, ns: `1,600ms` is 1600 ms) and a decimal mark otherwise (`1,823 MB` is 1.823 MB);
    behind a leading zero it is always decimal (`0,932`).  Any other comma is decimal: `1,5 s`.
    One point before exactly three digits is a thousands mark only with plain bytes, which have no fractions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Literal

Dimension = Literal["byte", "second", "percent", "ratio"]
Base = Literal["binary", "decimal"]
Number = int | float
Rounding = Literal["nearest", "down", "up"]


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as printed, in base units (byte, second, percent, ratio).

    `low..high` encloses every value that the printed digits may stand for: half a unit of the last digit to each
    side, and both meanings of a label such as `MB`.  A whole count of bytes is exact.  `dimension` is None where no
    unit was written; `value` is then the bare number.  `start..end` are characters of the text, sign and unit
    included.  `digits` counts significant digits.
    """

    value: Number
    low: Number
    high: Number
    dimension: Dimension | None
    written_unit: str | None
    start: int
    end: int
    digits: int
    signed: bool = False
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class _Label:
    """What a unit label stands for: its scale, and the other scale that the same letters may mean."""

    dimension: Dimension
    scale: Fraction
    binary: Fraction | None = None
    whole: bool = False


_PREFIXES = {"k": 1, "m": 2, "g": 3, "t": 4}
_CYRILLIC_PREFIXES = {"к": 1, "м": 2, "г": 3, "т": 4}


def _labels() -> dict[str, _Label]:
    """Return the unit labels by case-folded spelling; those whose case matters are in `_EXACT`."""
    table: dict[str, _Label] = {}
    for prefixes, byte in ((_PREFIXES, "b"), (_CYRILLIC_PREFIXES, "б")):
        for letter, power in prefixes.items():
            middle = "i" if byte == "b" else "и"
            decimal, binary = Fraction(1000) ** power, Fraction(1024) ** power
            table[letter + byte] = _Label("byte", decimal, binary, whole=power == 1)
            table[letter + middle + byte] = _Label("byte", binary, whole=power == 1)
            if byte == "b":
                table[letter + middle] = table[letter + middle + byte]  # `4.5 Mi`, as Kubernetes writes it
    for names, dimension, scale, whole in (
        ("byte bytes байт байта байтов", "byte", Fraction(1), True),
        ("sec secs second seconds сек секунд секунды секунда", "second", Fraction(1), False),
        ("ms msec msecs millis millisecond milliseconds мс миллисекунд", "second", Fraction(1, 1000), True),
        ("us µs μs usec microseconds мкс микросекунд", "second", Fraction(1, 10**6), True),
        ("ns nanoseconds нс", "second", Fraction(1, 10**9), True),
        ("min mins minute minutes мин минут", "second", Fraction(60), False),
        ("% percent процент процента процентов", "percent", Fraction(1), False),
        ("x × х times fold раз раза", "ratio", Fraction(1), False),
    ):
        for name in names.split():
            table[name] = _Label(dimension, scale, whole=whole)  # type: ignore[arg-type]
    return table


_LABELS = _labels()
_EXACT = {
    "kB": _Label("byte", Fraction(1000), whole=True),
    "B": _Label("byte", Fraction(1), whole=True),
    "Б": _Label("byte", Fraction(1), whole=True),
    "K": _LABELS["kb"],
    "k": _LABELS["kb"],
    "К": _LABELS["kb"],
    "M": _LABELS["mb"],
    "М": _LABELS["mb"],
    "G": _LABELS["gb"],
    "Г": _LABELS["gb"],
    "s": _LABELS["sec"],
    "S": _LABELS["sec"],
    "с": _LABELS["sec"],
}


def _label(written: str) -> _Label | None:
    return _EXACT.get(written) or _LABELS.get(written.casefold())


_SPACE = r"[ \t\u00a0\u2007\u2009\u202f]"
_LETTER = r"[^\W\d_]"
_UNIT = "|".join(sorted((re.escape(u) for u in _LABELS if u != "%"), key=len, reverse=True))
_UNIT_LETTERS = "".join(spelling for spelling in _EXACT if len(spelling) == 1)
_QUANTITY = re.compile(
    rf"""
    (?<![\w.,])(?<!\d:)                             # not inside a word, a version, a clock time, a longer number
    (?P<times>[x×х]{_SPACE}?)?
    (?P<sign>[-+\u2212])?
    (?:(?P<minutes>\d{{1,4}})m[ ]?(?=\d{{1,2}}(?:[.,]\d{{1,9}})?[ ]?s))?  # `0m0.580s`, as bash's `time` prints
    (?P<number>
        \d{{1,3}}(?:[ \u00a0\u2007\u2009\u202f'’]\d{{3}}(?!\d))+(?:[.,]\d{{1,12}})?
      | \d{{1,20}}(?:[.,]\d{{1,20}})*
      | \.\d{{1,20}}
    )
    (?!:?\d)
    (?P<exponent>[eE][-+]?\d{{1,2}}(?!\d))?
    (?P<unit>
        {_SPACE}*\\?%
      | {_SPACE}?-?(?i:{_UNIT})(?!{_LETTER})
      | {_SPACE}?[{_UNIT_LETTERS}](?!{_LETTER})
    )?
    """,
    re.VERBOSE,
)
_GROUPS = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
_SPACING = re.compile(r"[\s'’\u00a0\u2007\u2009\u202f]")
_MARK = re.compile(r"[.,]")


def find_quantities(text: str, *, base: Base = "binary", most: int | None = None) -> tuple[Printed, ...]:
    """Read every number in `text`, in order; those without a unit have no dimension.

    Args:
        base: What `KB`, `MB`, `GB` and `K`, `M`, `G` stand for in `value`; the range covers both.
        most: How many are read at most; None for all.
    """
    return tuple(islice(_quantities(text, base), most))


def parse_quantity(text: str, dimension: Dimension, *, base: Base = "binary") -> Printed | None:
    """Return the first number of that dimension, None if there is none."""
    return next((q for q in _quantities(text, base) if q.dimension == dimension), None)


def in_unit(bare: Printed, unit: str, *, base: Base = "binary") -> Printed | None:
    """Return a bare number with the unit that its row or column states, None if that is no unit.

    The number keeps its place in the text; its decimal mark is the one that was read without a unit.
    """
    label = _label(unit)
    if bare.dimension is not None or label is None:
        return None
    scale, other = _scales(label, base)
    ends = [Fraction(end) * s for end in (bare.low, bare.high) for s in (scale, other)]
    return Printed(
        value=_number(Fraction(bare.value) * scale),
        low=_number(min(ends)),
        high=_number(max(ends)),
        dimension=label.dimension,
        written_unit=unit,
        start=bare.start,
        end=bare.end,
        digits=bare.digits,
        signed=bare.signed,
        ambiguous=scale != other,
    )


def label_scales(unit: str) -> tuple[int, int] | None:
    """Return what a label may stand for in powers of 1000 and of 1024, None if it has one meaning (`MiB`, `kB`)."""
    label = _label(unit)
    if label is None or label.binary is None:
        return None
    return int(label.scale), int(label.binary)


def _quantities(text: str, base: Base) -> Iterator[Printed]:
    # Whole numbers over one denominator instead of fractions: a log has a hundred thousand numbers.
    for match in _QUANTITY.finditer(text):
        written = (match["unit"] or "").strip(" \t\u00a0\u2007\u2009\u202f\\-") or None
        if written is None and match["times"]:
            written = match["times"].strip()
        label = None if written is None else _label(written)
        read = _read_number(match["number"], label)
        if read is None:
            continue
        magnitude, decimals, digits = read
        place = (int(match["exponent"][1:]) if match["exponent"] else 0) - decimals
        last_digit, over = 10 ** max(place, 0), 10 ** max(-place, 0)
        number = magnitude * last_digit + 60 * int(match["minutes"] or 0) * over
        negative = match["sign"] in ("-", "\u2212")
        number = -number if negative else number
        half = last_digit  # over `2 * over`
        if label is not None and label.dimension == "byte" and label.scale == 1 and place == 0:
            half = 0  # bytes are counted: the last digit of a whole count is not rounded
        scale, other, scale_over = (1, 1, 1) if label is None else _whole_scales(label, base)
        low, high = 2 * number - half, 2 * number + half
        low, high = min(low * scale, low * other), max(high * scale, high * other)
        if label is not None and label.dimension in ("byte", "second") and not negative:
            low = max(low, 0)
        over *= scale_over
        yield Printed(
            value=_quotient(number * scale, over),
            low=_quotient(low, 2 * over),
            high=_quotient(high, 2 * over),
            dimension=label.dimension if label else None,
            written_unit=written,
            start=match.start(),
            end=match.end(),
            digits=digits,
            signed=bool(match["sign"]),
            ambiguous=scale != other,
        )


def _whole_scales(label: _Label, base: Base) -> tuple[int, int, int]:
    """Return both scales as whole numbers over a common third; labels with two meanings are whole already."""
    scale, other = _scales(label, base)
    return scale.numerator, other.numerator, scale.denominator


def _scales(label: _Label, base: Base) -> tuple[Fraction, Fraction]:
    """Return the scale that `value` takes and the other one that the label allows (the same if only one)."""
    if label.binary is None:
        return label.scale, label.scale
    if base == "decimal":
        return label.scale, label.binary
    return label.binary, label.scale


def _read_number(written: str, label: _Label | None) -> tuple[int, int, int] | None:
    """Return all digits as one whole number, how many are decimals, and how many are significant.

    None for what only looks like a number (`0.39.0`).
    """
    if written.isdecimal():
        return int(written), 0, max(1, len(written.lstrip("0")))
    plain = _SPACING.sub("", written)
    marks = _MARK.findall(plain)
    if len(marks) > 1 and marks[-1] not in marks[:-1]:
        whole, _, fraction = plain.rpartition(marks[-1])
        if not _GROUPS.fullmatch(whole):
            return None
    elif len(marks) > 1:
        if not _GROUPS.fullmatch(plain):
            return None
        whole, fraction = plain, ""
    elif marks and _GROUPS.fullmatch(plain) and len(plain) == len(written) and _is_thousands(plain, label):
        whole, fraction = plain, ""
    else:
        whole, _, fraction = plain.partition(marks[0]) if marks else (plain, "", "")
    digits = _MARK.sub("", whole) + fraction
    return int(digits), len(fraction), max(1, len(digits.lstrip("0")))


def _is_thousands(plain: str, label: _Label | None) -> bool:
    """Decide a single mark before exactly three digits; the rule stands at the top of this module."""
    if plain.startswith("0"):
        return False
    if "." in plain:
        return label is not None and label.dimension == "byte" and label.scale == 1
    return label is None or label.whole


def _number(exact: Fraction) -> Number:
    return _quotient(exact.numerator, exact.denominator)


def _quotient(number: int, over: int) -> Number:
    """Return a whole quotient as int, else the nearest float (which keeps the order of exact values)."""
    whole, rest = divmod(number, over)
    return number / over if rest else whole


_BYTE_STEPS = (("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40))
_DECIMAL_BYTE_STEPS = (("B", 1), ("kB", 10**3), ("MB", 10**6), ("GB", 10**9), ("TB", 10**12))
_BYTE_DECIMALS = {"B": 0, "KiB": 1, "kB": 1}
_SECOND_STEPS = (("µs", Fraction(1, 10**6)), ("ms", Fraction(1, 1000)), ("s", Fraction(1)))
_MOST_DECIMALS = 9
_SIGNIFICANT = 3
_CUT = Fraction(1, 20)
"""Share of the half-width, and of a bound itself, that rounding the bound may take off an interval."""
_AGREEING = Fraction(1, 10)
"""How far the product of a printed factor and its printed inverse may be from 1."""


_WRITTEN_UNIT = re.compile(rf"(?<![^\W\d_])(?:(?i:{_UNIT})|[{_UNIT_LETTERS}])(?![^\W\d_])")
_FORMATTED = {
    Fraction(1): "B",
    **{Fraction(1000) ** power: name for power, name in enumerate(("kB", "MB", "GB", "TB"), start=1)},
    **{Fraction(1024) ** power: name for power, name in enumerate(("KiB", "MiB", "GiB", "TiB"), start=1)},
}
_FORMATTED_SECONDS = {Fraction(1): "s", Fraction(1, 1000): "ms", Fraction(1, 10**6): "µs"}


def find_unit(text: str) -> str | None:
    """Return the first unit of size or time in a text, as `format_bytes` and `format_seconds` name it.

    `M` is what `ls -lh` prints and means MiB; `KB` is nearly always KiB, only `kB` is 1000 bytes.
    """
    for found in _WRITTEN_UNIT.finditer(text):
        written = found[0]
        label = _label(written)
        assert label is not None  # the pattern is made of labels
        binary = label.binary is not None and (len(written) == 1 or written in ("KB", "Kb", "КБ", "Кб"))
        names = {"byte": _FORMATTED, "second": _FORMATTED_SECONDS}.get(label.dimension, {})
        name = names.get(label.binary if binary and label.binary else label.scale)
        if name is not None:
            return name
    return None


def format_bytes(value: Number, unit: str | None = None, *, half_width: float | None = None) -> str:
    """Write a size: `4.48 MiB (4,698,112 B)`; the exact count only for a whole number without an interval.

    Args:
        value: Bytes, >= 0.
        unit: `B`, `KiB`, `MiB`, `GiB`, `TiB` or their decimal kin `kB`, `MB`, `GB`, `TB`; other spellings and None
            choose the binary unit that fits.
        half_width: Half the width of the interval in bytes; it sets the digits as `_place` says.

    Rounding is half to even, to 2 decimals (1 in KiB and kB) where no half-width is given.
    """
    steps = _DECIMAL_BYTE_STEPS if unit in {name for name, _ in _DECIMAL_BYTE_STEPS[1:]} else _BYTE_STEPS
    scales = [(name, Fraction(size)) for name, size in steps]
    exact = Fraction(value)
    name, scale = _fitting(exact, scales, unit, half_width)
    decimals = _BYTE_DECIMALS.get(name, 2) if not half_width else _decimals(exact / scale, Fraction(half_width) / scale)
    decimals = decimals if name != "B" else 0  # no part of a byte, and `1.000 B` would read as a thousand
    shown = f"{_rounded(exact / scale, decimals)} {name}"
    if half_width or exact.denominator != 1 or name == "B":
        return shown
    return f"{shown} ({exact.numerator:,} B)"


def format_seconds(
    value: Number, unit: str | None = None, *, half_width: float | None = None, centre: Number | None = None
) -> str:
    """Write a time: `2.10 ms`, `0.448 s`.

    Args:
        value: Seconds, >= 0.
        unit: `s`, `ms` or `µs`; None chooses the one that fits.
        half_width: Half the width of the interval in seconds; it sets the digits as `_place` says.
        centre: What the half-width belongs to, where this is another time that is written beside it.

    Rounding is half to even, to 3 significant digits where no half-width is given.
    """
    exact = Fraction(value)
    scales = list(_SECOND_STEPS)
    if unit not in ("s", "ms", "µs") and exact >= Fraction(1, 10):
        unit = "s"
    middle = exact if centre is None else Fraction(centre)
    name, scale = _fitting(exact, scales, unit, half_width, middle)
    shown = exact / scale
    if half_width:
        decimals = _decimals(middle / scale, Fraction(half_width) / scale)
    else:
        decimals = _significant_decimals(shown, _SIGNIFICANT)
    return f"{_rounded(shown, decimals)} {name}"


def format_percent(value: Number, *, half_width: float | None = None) -> str:
    """Write a percentage: `47.8%`; one decimal, rounded half to even, where no half-width is given.

    What is less than 100 is not written as 100: `99.98%`, with four decimals at most.
    """
    exact = Fraction(value)
    if half_width:
        return f"{_rounded(exact, _decimals(exact, Fraction(half_width)))}%"
    decimals = 1
    while decimals < 4 and exact < 100 and Fraction(_rounded(exact, decimals)) >= 100:
        decimals += 1
    return f"{_rounded(exact, decimals)}%"


def format_ratio(value: Number, *, half_width: float | None = None) -> str:
    """Write a factor: `1.62×`; below 1 both ways: `0.63× (1.6× slower)`.

    Two decimals from 1 to 10, one above, two significant digits below 1, where no half-width is given.  Where the
    digits are too few for the two ways to agree, the second is left to its word: `0.6× (slower)`, not `(2× slower)`.
    """
    exact = Fraction(value)
    if half_width:
        decimals = _decimals(exact, Fraction(half_width))
    else:
        decimals = 1 if exact >= 10 else 2 if exact >= 1 else _significant_decimals(exact, 2)
    shown = _rounded(exact, decimals)
    if exact <= 0 or Fraction(shown) >= 1:
        return f"{shown}×"
    inverse = 1 / exact
    if half_width:
        other_way = _rounded(inverse, _place(inverse, Fraction(half_width) * inverse * inverse))
    else:
        other_way = _rounded(inverse, _significant_decimals(inverse, 2))
    if Fraction(other_way) <= 1 or abs(Fraction(shown) * Fraction(other_way) - 1) > _AGREEING:
        return f"{shown}× (slower)"
    return f"{shown}× ({other_way}× slower)"


def format_factor(value: Number | Fraction, half_width: float | Fraction, *, rounding: Rounding = "nearest") -> str:
    """Write a bare factor of which nobody knows more than `half_width`: no digit is finer than half of that.

    Its first digit is written in any case.
    """
    exact = Fraction(value)
    return _rounded(exact, max(_coarse_place(Fraction(half_width)), -_magnitude(exact)), rounding)


def format_factors(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a factor above 0 and the bounds of its interval with the same decimals, which `_place` sets.

    A bound is rounded to the nearest digit, and outwards where that would take more than `_CUT` off: 3.07 with 2.69
    to 3.46 reads `3.1`, `2.7`, `3.5`.  What would read 0, or 1 though the interval leaves 1 out, gets the digits that
    show otherwise: `1 times slower (1 to 2)` says nothing.
    """
    half = (Fraction(high) - Fraction(low)) / 2
    place = _place(Fraction(value), half)
    other_than = {0} if low <= 1 <= high else {0, 1}

    def written(number: float, outwards: Rounding) -> str:
        exact = Fraction(number)
        at = max(place, -_magnitude(exact))
        while Fraction(text := _bound(exact, at, half, outwards)) in other_than and at < _MOST_DECIMALS:
            at += 1
        return text

    return written(value, "nearest"), written(low, "down"), written(high, "up")


def _bound(value: Fraction, place: int, half_width: Fraction, outwards: Rounding) -> str:
    nearest = _rounded(value, place)
    cut = {"nearest": Fraction(0), "down": Fraction(nearest) - value, "up": value - Fraction(nearest)}[outwards]
    return nearest if cut <= _CUT * min(half_width, value) else _rounded(value, place, outwards)


def format_reach(factor: float, half_width: float) -> str:
    """Write how far one side of an interval that holds 1 reaches, rounded up: `1.5` times faster, `1.2` times slower.

    Rounding adds at most a tenth, or as much again as lies beyond 1, however wide the interval is: 1.05 may not read 2.
    """
    widest = max(Fraction(1, 5), (Fraction(factor) - 1) / 5)
    return format_factor(factor, min(Fraction(half_width), widest), rounding="up")


def _fitting(
    exact: Fraction,
    scales: list[tuple[str, Fraction]],
    unit: str | None,
    half_width: float | None,
    centre: Fraction | None = None,
) -> tuple[str, Fraction]:
    """Return the wanted unit, or the largest in which the value is at least 1.

    A wanted unit of more than a hundred times the value is not used: it would print `0.00`.  A unit in which even
    whole numbers are too fine gives way to the next larger one: 258 ms that are known to 7 read `0.26 s`.
    """
    names = [name for name, _ in scales]
    if unit in names and (exact == 0 or exact * 100 >= scales[names.index(unit)][1]):
        index = names.index(unit)
    else:
        index = max((i for i, (_, scale) in enumerate(scales) if exact >= scale), default=0)
    while half_width and index + 1 < len(scales):
        scale = scales[index][1]
        if _place((exact if centre is None else centre) / scale, Fraction(half_width) / scale) >= 0:
            break
        index += 1
    return scales[index]


def _significant_decimals(value: Fraction, significant: int) -> int:
    """Return the decimals that show that many significant digits, never fewer than 0."""
    if value <= 0:
        return 0
    return min(_MOST_DECIMALS, max(0, significant - 1 - _magnitude(value)))


def _magnitude(value: Fraction) -> int:
    """Return the power of ten of the first digit: 2 for 326, -2 for 0.047; of 0 that of its last possible digit."""
    magnitude = 0
    while value >= 10 ** (magnitude + 1):
        magnitude += 1
    while value < Fraction(10) ** magnitude and magnitude > -_MOST_DECIMALS:
        magnitude -= 1
    return magnitude


def _decimals(value: Fraction, half_width: Fraction) -> int:
    """Return what `_place` does, 0 at least: `260` would be read back as a count of ones."""
    return max(0, _place(value, half_width))


def _place(value: Fraction, half_width: Fraction) -> int:
    """Return the decimals of a value that is known to `half_width`; below 0 tens and hundreds are too fine as well.

    No digit is finer than half of the half-width, but for one more where the value would have only one: 3.07 that is
    known to 0.385 reads `3.1`.
    """
    place = _coarse_place(half_width)
    second = 1 - _magnitude(abs(value)) if value else place
    return place if place >= second else min(second, place + 1)


def _coarse_place(half_width: Fraction) -> int:
    """Return the decimals whose last digit is at least half of the half-width."""
    place = 0
    while place < _MOST_DECIMALS and Fraction(1, 10 ** (place + 1)) >= half_width / 2:
        place += 1
    while place <= 0 and Fraction(10) ** -place < half_width / 2:
        place -= 1
    return place


def _rounded(value: Fraction, decimals: int, rounding: Rounding = "nearest") -> str:
    """Write a number with that many decimals, or to tens and hundreds below 0; `nearest` is half to even.

    No thousands marks: `1,234 s` would be read as 1.234 s.
    """
    scaled = value * Fraction(10) ** decimals
    units = math.floor(scaled) if rounding == "down" else math.ceil(scaled) if rounding == "up" else round(scaled)
    if decimals < 0:
        units, decimals = units * 10**-decimals, 0
    sign, units = ("-", -units) if units < 0 else ("", units)
    whole, fraction = divmod(units, 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"


_PART = r"(\d{1,9}(?:\.\d{1,6})?)"
_DURATION = re.compile(rf"(?:(\d{{1,6}})h)?(?:(\d{{1,6}})m(?!s))?(?:{_PART}(?:s|$))?(?:{_PART}ms)?", re.ASCII)


def parse_duration(text: str) -> float | None:
    """Return a duration above 0 as people type it (`90`, `60s`, `5m`, `1h30m`, `500ms`) in seconds; None for others."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000 or None
