"""Derived cells in the conventions that people use, each checked against the two inputs.  Pure.

`reference` is the lab's first quantity (traditional), `candidate` the second (WASM).  Of a pair (t, w) a cell may say

    a factor        t / w, w / t                        "2.1x", "0.48x", "Traditional is 2.1x faster", "-2.1x"
    its excess      t / w - 1, w / t - 1                "1.1x faster" for 2.1x
    a reduction     (t - w) / t, (t - w) / w            "52 % smaller", "-129 % (slower)", "Traditional is 110 % larger"
    a share         w / t, t / w in percent             "48 % of the traditional one", for a factor "48 %" alone

Which side is said to be better decides what is allowed: what calls the slower one faster agrees with nothing.  A
factor t / w below 1 says by itself that the candidate is worse, whatever word is beside it ("0.88x faster").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from grader.units import Printed, find_quantities

RATIO_TOLERANCE = 0.05
"""Factors: students round the inputs before they divide, so the last digit of both is open."""

PERCENT_POINTS = 1.0
"""A derived percentage agrees within one point: students round the inputs, and only more than that is a mistake.

Source: percentages of the 171 reports of one course run, worked out again from their own rows.
"""

Range = tuple[float, float]

_MARKS = re.compile(r"[⁰¹²³⁴-⁹†‡*`$]|\[\^[^\]]{1,20}\]|(?<!\w)_+|_+(?!\w)")
"""Footnote marks, emphasis and code marks: the digits of `3.4x²` are 3.4."""

_SHARE = re.compile(r"\s*(?:of|от|the (?:size|time)|as (?:large|big|long|much))\b", re.IGNORECASE)

_TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Pair:
    """The two inputs of a derived cell, each as the range that its printed digits allow; both are above 0."""

    reference: Range
    candidate: Range

    def factor(self) -> Range:
        """Return reference / candidate."""
        return self.reference[0] / self.candidate[1], self.reference[1] / self.candidate[0]


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to tell how two quantities relate: a range of the number, and what it says of the candidate."""

    low: float
    high: float
    better: bool | None


def agrees(text: str, better: bool | None, pair: Pair, *, unit: str) -> bool:
    """Return whether a number of a derived cell is right for two inputs, in any convention.

    Args:
        text: The cell as written.
        better: What its words say of the candidate; None if they do not say.
        unit: What a bare number of the cell is: `percent` or `ratio`.
    """
    plain = _MARKS.sub("", text[:_TEXT_LIMIT])
    return any(
        _number_agrees(number, better, pair, share=_may_be_share(number, plain, better, unit))
        for number in _numbers(plain, unit)
    )


def _may_be_share(number: Printed, plain: str, better: bool | None, unit: str) -> bool:
    """Return whether a percentage may tell the whole and not the difference.

    Its words say so, or nothing speaks against it: a factor in percent, or more than any reduction can be.
    """
    said = _SHARE.match(plain[number.end :]) is not None
    return said or (better is None and (unit == "ratio" or number.low > 100))


def has_number(text: str, unit: str) -> bool:
    """Return whether a derived cell holds a number that could be right or wrong."""
    return next(_numbers(_MARKS.sub("", text[:_TEXT_LIMIT]), unit), None) is not None


def _numbers(plain: str, unit: str) -> Iterator[Printed]:
    """Yield the percentages and factors of a cell; bare numbers only where there are none."""
    found = find_quantities(plain)
    named = [q for q in found if q.dimension in ("percent", "ratio")]
    yield from named or [_as(q, unit) for q in found if q.dimension is None]


def _as(bare: Printed, unit: str) -> Printed:
    return Printed(
        bare.value,
        bare.low,
        bare.high,
        "percent" if unit == "percent" else "ratio",
        None,
        bare.start,
        bare.end,
        bare.digits,
    )


def _number_agrees(number: Printed, better: bool | None, pair: Pair, *, share: bool) -> bool:
    low, high = float(number.low), float(number.high)
    if number.dimension == "percent":
        forms = _percents(pair, share=share)
        signed = low < 0
        low, high = (-high, -low) if signed else (low, high)
        slack: float = PERCENT_POINTS
    else:
        if high < 0:  # the sign is the word: "-1.3x" is 1.3x slower
            low, high, better = -high, -low, False
        if high == 0:
            return False
        low, forms, slack = max(low, 0.0), _factors(pair), 0.0
    return any(
        _allowed(form.better, better)
        and form.low - (slack or RATIO_TOLERANCE * form.high) <= high
        and low <= form.high + (slack or RATIO_TOLERANCE * form.high)
        for form in forms
    )


def _allowed(form: bool | None, words: bool | None) -> bool:
    return form is None or words is None or form is words


def _factors(pair: Pair) -> Iterator[_Form]:
    low, high = pair.factor()
    around_one = low <= 1 + RATIO_TOLERANCE and high >= 1 - RATIO_TOLERANCE
    better = None if around_one else low > 1
    # t / w below 1 tells its own direction, so a wrong word beside it is a slip of language, not of arithmetic.
    yield _Form(low, high, None if high < 1 else better)
    yield _Form(1 / high, 1 / low, better)
    if low > 1:
        yield _Form(low - 1, high - 1, True)
    if high < 1:
        yield _Form(1 / high - 1, 1 / low - 1, False)


def _percents(pair: Pair, *, share: bool) -> Iterator[_Form]:
    """Yield what a percentage without its sign may be: the sign is a matter of taste, the words are not."""
    low, high = pair.factor()
    shares = (100 * low, 100 * high), (100 / high, 100 / low)
    if share:
        yield from (_Form(*both, None) for both in shares)
    for first, last in shares:
        away = sorted((abs(first - 100), abs(last - 100)))
        nearest = 0.0 if first <= 100 <= last else away[0]
        yield _Form(nearest, away[1], _better(low, high))


def _better(low: float, high: float) -> bool | None:
    """Return whether the candidate is better, None where one point of a percentage leaves it open."""
    slack = PERCENT_POINTS / 100
    return None if low <= 1 + slack and high >= 1 - slack else low > 1
