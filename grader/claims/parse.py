"""The text of one cell -> its readings, each a value or the word that stands in its place.

What is preferred among several numbers
    The first one of the wanted dimension (`1.98 MB / 6.82 MB`, `1.09MiB / 3.824GiB`), unless a later one states the
    same more precisely: its printed range lies inside the first one's (`4.5M (4698112 bytes)`).  Behind a leading
    `N/A` no number is preferred.
Direction of a factor
    Factors are reference / candidate (traditional / WASM).  Where the words say that the reference is faster and
    the number is above 1 (`1.96x slower`, `Traditional is 6x faster`) it is inverted; a number below 1 is taken as
    reference / candidate whatever the words (`0.65x slower`).  The words' subject is the candidate if none is named.
Sign of a percentage
    A reduction: `smaller` gives a positive number, `larger` a negative one, whatever sign is printed.  Without such
    a word the printed sign counts, reversed in a column of changes (`Δ`, where -47 % is a reduction) and where the
    row's own two cells give the same number with the other sign.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grader.model.report import (
    ESTIMATED,
    PLACEHOLDERS,
    CellAddress,
    Claim,
    ClaimSource,
    Meaning,
    Span,
    own_text,
)
from grader.units import Base, Dimension, Number, Printed, find_quantities, in_unit

CELL_LIMIT = 4000
"""Characters of a cell that are read; none of a person's is longer."""

MAX_NUMBERS = 40
"""Numbers of a cell that are read; a person writes three."""

NEAR = 60
"""Characters before a number in which a mark of an estimate or a bound ends."""

WORDS_LIMIT = 80
"""Characters kept of an answer in words."""

SMALLEST_BARE_BYTES = 1024
"""A bare whole number from here on is a count of bytes; smaller ones may count anything."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reading stands: the words that a claim quotes, their line from 1 and their bytes, and what holds them."""

    quote: str
    line: int
    span: Span
    source: ClaimSource
    file: str | None = None
    cell: CellAddress | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a cell.  `value` is None only with a qualifier.

    `words` is the text that belongs to it: up to the next number, for the first one from the cell's beginning.
    `better` is what a derived cell says of the candidate, None if it does not say.
    `meaning` is that of an ambiguous label such as `MB`; `spread` marks a range that was written as `±`.
    """

    value: Number | str | None
    low: Number | None = None
    high: Number | None = None
    unit: Dimension | None = None
    written_unit: str | None = None
    qualifier: str | None = None
    preferred: bool = False
    words: str = ""
    better: bool | None = None
    meaning: Meaning | None = None
    spread: bool = False

    def claim(self, claim_id: str, place: Place, *, notion: str | None, preferred: bool) -> Claim:
        """Return what this says of a quantity."""
        return Claim(
            id=claim_id,
            value=self.value,
            low=self.low,
            high=self.high,
            unit=self.unit,
            written_unit=self.written_unit,
            notion=notion,
            qualifier=self.qualifier,
            better=self.better,
            meaning=self.meaning,
            preferred=preferred,
            quote=place.quote,
            line=place.line,
            source=place.source,
            file=place.file,
            span=place.span,
            cell=place.cell,
        )


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a cell should hold.  `dimension` None is text; `unit` is what row label or header say of bare numbers."""

    dimension: Dimension | None
    base: Base = "binary"
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whose quantities a derived cell compares: names of the reference and of the candidate, lower case.

    `change` is True where the column is one of changes, in which a minus is a decrease.
    `reduction` is what the row's own two cells give, in percent; None where they hold no two numbers.
    """

    reference: Sequence[str] = ()
    candidate: Sequence[str] = ()
    change: bool = False
    reduction: float | None = None


def read_cell(source: str, expected: Expectation) -> tuple[Reading, ...]:
    """Read a cell with a quantity or a text; exactly one reading is preferred."""
    return _read(source, expected, None)


def read_derived_cell(source: str, expected: Expectation, comparison: Comparison) -> tuple[Reading, ...]:
    """Read a cell with a factor or a reduction, brought to reference / candidate; exactly one is preferred."""
    better = _candidate_is_better(plain_text(own_text(source)), comparison)
    return tuple(replace(reading, better=better) for reading in _read(source, expected, comparison))


def is_unanswered(source: str) -> bool:
    """True for a cell that nobody has filled yet, whatever it is meant to hold."""
    reading = _read(source, Expectation(dimension=None), None)[0]
    return reading.value is None and reading.qualifier in PLACEHOLDERS


_MARKUP = re.compile(
    r"""
    <(?P<unseen>script|style)\b[^<>]{0,200}>.{0,400}?</(?P=unseen)\s*>
  | <!--.{0,400}?-->
  | <br\s*/?> | </?[A-Za-z][^<>]{0,200}>            # HTML
  | \x1b\[[0-9;?]{0,20}[A-Za-z]                     # a terminal's colours
  | \[\^[^\]]{1,20}\] | [⁰¹²³⁴-⁹†‡]                  # footnote marks
  | [`$] | \*+ | (?<!\w)_+(?=\w) | (?<=\w)_+(?!\w)   # code, formulas, emphasis
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,10}|#\d{2,5}|#[xX][0-9A-Fa-f]{2,4});")
_ANY_MARKUP = re.compile(r"[<&\x1b\[⁰¹²³⁴-⁹†‡`$*_\\]|[ \t]{2}")
_LATEX = re.compile(r"\\(?:text|mathrm|mathbf)\s*\{([^{}]{0,80})\}|\\(times|approx|sim)(?![a-z])|\\([,;: ])")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


_UNSEEN = dict.fromkeys([0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)])
"""Characters that nobody sees: directions, joiners and breaks that an editor or a keyboard puts beside a number."""


def plain_text(source: str) -> str:
    """Return what a reader sees of a cell.

    That is without emphasis, code marks, HTML tags, comments, scripts and entities, a terminal's colours, footnote
    marks, formulas and escapes.
    """
    source = source[: 2 * CELL_LIMIT].translate(_UNSEEN)
    if not _ANY_MARKUP.search(source, 0, CELL_LIMIT):
        return source[:CELL_LIMIT].strip()
    symbols = {"times": "×", "approx": "≈", "sim": "~"}
    text = _LATEX.sub(lambda m: m[1] or symbols.get(m[2] or "", " "), source[:CELL_LIMIT])
    text = _ENTITY.sub(lambda m: html.unescape(m[0]), _MARKUP.sub(_removed, _ESCAPE.sub(r"\1", text)))
    return re.sub(r"[ \t]{2,}", " ", text).strip()


def _removed(mark: re.Match[str]) -> str:
    return " " if mark[0].lower().startswith("<br") else ""


def _read(source: str, expected: Expectation, comparison: Comparison | None) -> tuple[Reading, ...]:
    own = own_text(source)[:CELL_LIMIT]
    placeholder = _placeholder(own)
    plain = plain_text(own)
    if placeholder is None and plain.strip("._…?*` ") == "":
        return (Reading(None, qualifier="empty", preferred=True),)
    answer = no_answer(plain)
    if expected.dimension is None:
        word = placeholder[1] if placeholder else answer
        return (Reading(None if word else plain[:CELL_LIMIT], qualifier=word, preferred=True, words=plain),)
    numbers = tuple(_readings(plain, expected))
    if comparison is not None:
        numbers = tuple(_directed(r, plain, expected.dimension, comparison) for r in numbers)
    if placeholder is not None and (not numbers or placeholder[0] <= _first_digit(own)):
        return (Reading(None, qualifier=placeholder[1], preferred=True, words=plain),)
    if answer is not None:
        return (Reading(None, qualifier=answer, preferred=True, words=plain), *numbers)
    if not numbers:
        return (Reading(None, qualifier=plain[:WORDS_LIMIT].rstrip(), preferred=True, words=plain),)
    best = _preferred(numbers)
    return tuple(replace(r, preferred=i == best) for i, r in enumerate(numbers))


_PLACEHOLDER = re.compile(
    r"(?<![A-Za-z])(?:(?P<todo>TODO|FIXME)|(?P<tbd>TBD)|(?P<x>X{2,}(?:[.,]X+)?|X[.,]X+))(?![A-Za-z])"
    r"|(?<!\w)(?P<blank>_{2,})(?![^\W_])",
    re.IGNORECASE,
)
_QUALIFIERS = {"todo": "TODO", "tbd": "TBD", "x": "XXX", "blank": "___"}


def _placeholder(source: str) -> tuple[int, str] | None:
    """Return where the first token of an unfilled cell stands and its canonical form, None if there is none."""
    found = _PLACEHOLDER.search(source)
    return (found.start(), _QUALIFIERS[found.lastgroup or ""]) if found else None


_NOT_APPLICABLE = re.compile(
    r"[^\w]*(?:n\s?/\s?a|n\.a\.?|н/[дп])(?![\w])"
    r"|[^\w]*(?P<words>not\s+(?:available|applicable|measured|comparable|supported|run|tested)"
    r"|unavailable|no\s+data|нет(?:\s+данных)?|недоступно|неприменимо|не\s+(?:применимо|доступно|измерялось|измерено))"
    r"(?!\w)",
    re.IGNORECASE,
)
_DASHES = re.compile(r"[-–—−\s]+")


def no_answer(plain: str) -> str | None:
    """Return the canonical `N/A` or `—`, or the words that say it; None if the cell does not begin so."""
    if _DASHES.fullmatch(plain):
        return "—"
    found = _NOT_APPLICABLE.match(plain)
    if found is None:
        return None
    return found["words"] or "N/A"


def _first_digit(text: str) -> int:
    found = re.search(r"\d", text)
    return found.start() if found else len(text)


_RANGE = re.compile(r"\s*(?:[-–—−]|\.{2,3}|…|to|до)\s*")
LIMIT = re.compile(r"\s*(?:/|out of|of|из)\s*", re.IGNORECASE)
LIMIT_FROM = 20
"""How many times the memory used what `docker stats` prints behind the stroke is at least."""

SIGN_WITHIN = 2
"""Points between a printed percentage and the one of the row's own cells that then settle the sign of the first."""

ESTIMATE_REACH = 24
"""Characters before and behind a number in which a word calls it an estimate."""

_UNIT_BEHIND = re.compile(r"\s?[(\[]\s*([^\W\d_]{1,7}|%)\s*[)\]]")
_PLUS_MINUS = re.compile(r"\s*(?:±|\+/-|\+-)\s*")
_APPROXIMATE = re.compile(
    r"(?:[~≈∼≃]|(?:\b(?:about|around|approx(?:\.|imately)?|roughly|circa|ca\.|near(?:ly)?"
    r"|около|примерно|порядка|приблизительно|почти))(?:\s+(?:на|в))?)\s*[(]?\s*$",
    re.IGNORECASE,
)
_APPROXIMATE_BEHIND = re.compile(r"\W*(?:approx|примерно)", re.IGNORECASE)
_ESTIMATED = re.compile(
    r"(?<!\w)(?:est\.|estimat\w+|guess\w*|assum\w+|suppos\w+|оцен\w+|предположит\w+|предполага\w+)", re.IGNORECASE
)
_BELOW = re.compile(r"(?:[<≤]=?|less than|under|below|up to|менее|меньше чем|до)\s*$", re.IGNORECASE)
_ABOVE = re.compile(r"(?:[>≥]=?|more than|over|above|at least|более|больше чем)\s*$", re.IGNORECASE)


def _readings(plain: str, expected: Expectation) -> Iterator[Reading]:
    """Yield the numbers of the wanted dimension in order, ranges joined, bare ones completed where that is safe."""
    quantities = find_quantities(plain, base=expected.base, most=MAX_NUMBERS)
    with_unit = any(q.dimension == expected.dimension for q in quantities)
    skip = False
    for index, quantity in enumerate(quantities):
        if skip:
            skip = False
            continue
        following = quantities[index + 1] if index + 1 < len(quantities) else None
        reading = _joined(plain, quantity, following, expected)
        if reading is not None:
            skip = True
        elif quantity.dimension == expected.dimension:
            reading = None if _is_limit(plain, quantities, index) else _single(quantity)
        elif quantity.dimension is None and not with_unit:
            completed = _completed(quantity, plain, expected)
            reading = _single(completed) if completed else None
        if reading is not None:
            end = following.end if skip and following else quantity.end
            after = next((q.start for q in quantities[index + 1 + skip :]), len(plain))
            reading = _qualified(reading, plain[max(0, quantity.start - NEAR) : quantity.start], plain[end:after])
            yield replace(reading, words=plain[0 if index == 0 else end : after])


def _is_limit(plain: str, quantities: Sequence[Printed], index: int) -> bool:
    """True for what stands behind the stroke in `1.09MiB / 3.824GiB`: the host's memory."""
    if index == 0 or quantities[index].dimension != "byte" or quantities[index - 1].dimension != "byte":
        return False
    before, limit = quantities[index - 1], quantities[index]
    between = plain[before.end : limit.start]
    return bool(LIMIT.fullmatch(between)) and limit.value >= LIMIT_FROM * before.value


def _single(quantity: Printed) -> Reading:
    return Reading(quantity.value, quantity.low, quantity.high, quantity.dimension, quantity.written_unit)


def _joined(plain: str, first: Printed, second: Printed | None, expected: Expectation) -> Reading | None:
    """Return `2.3-2.4 MB` or `0.44 ± 0.02 s` as one reading, None if the two numbers are not such a pair."""
    if second is None or second.dimension != expected.dimension or second.written_unit is None:
        return None
    between = plain[first.end : second.start]
    if first.dimension is None:
        first = in_unit(first, second.written_unit, base=expected.base) or first
    if first.dimension != second.dimension:
        return None
    if _PLUS_MINUS.fullmatch(between):
        low, high = first.value - second.value, first.value + second.value
        return Reading(first.value, low, high, first.dimension, second.written_unit, spread=True)
    if _RANGE.fullmatch(between) and first.value < second.value:
        middle = (first.value + second.value) / 2
        return Reading(middle, first.low, second.high, first.dimension, second.written_unit, qualifier="range")
    return None


def _completed(bare: Printed, plain: str, expected: Expectation) -> Printed | None:
    """Return a bare number with the unit behind it in brackets or that of its row or column.

    None where it may count anything (`5 runs`).
    """
    behind = _UNIT_BEHIND.match(plain, bare.end)
    if behind:
        completed = in_unit(bare, behind[1], base=expected.base)
        if completed is not None and completed.dimension == expected.dimension:
            return completed
    if expected.unit is not None:
        completed = in_unit(bare, expected.unit, base=expected.base)
        return completed if completed and completed.dimension == expected.dimension else None
    alone = not re.search(r"\w", plain[: bare.start])
    if expected.dimension == "byte" and isinstance(bare.value, int) and bare.value >= SMALLEST_BARE_BYTES:
        return replace(bare, dimension="byte", low=bare.value, high=bare.value)
    if expected.dimension == "ratio" and (
        alone or re.match(r"\s*(?:faster|slower|быстрее|медленнее)", plain[bare.end :])
    ):
        return replace(bare, dimension="ratio")
    return None


def _qualified(reading: Reading, before: str, after: str) -> Reading:
    """Add the student's own mark of an estimate or a bound; `after` reaches to the next number."""
    assert isinstance(reading.value, int | float)
    if _BELOW.search(before):
        return replace(reading, low=min(0, reading.value), high=reading.value, qualifier="<")
    if _ABOVE.search(before):
        return replace(reading, low=reading.value, qualifier=">")
    return replace(reading, qualifier=estimate(before, after))


def estimate(before: str, after: str) -> str | None:
    """Return how the words beside a number call it: guessed instead of measured, about right, or neither."""
    if _ESTIMATED.search(before[-ESTIMATE_REACH:]) or _ESTIMATED.search(after[:ESTIMATE_REACH]):
        return ESTIMATED
    return "~" if _APPROXIMATE.search(before) or _APPROXIMATE_BEHIND.match(after) else None


def _preferred(readings: Sequence[Reading]) -> int:
    """Return the index of the preferred reading, by the rule at the top of this module."""
    best = 0
    for index, reading in enumerate(readings[1:], start=1):
        if _restates(readings[best], reading):
            best = index
    return best


def _restates(first: Reading, second: Reading) -> bool:
    if None in (first.low, first.high, second.low, second.high) or second.qualifier is not None:
        return False
    assert first.low is not None
    assert first.high is not None
    assert second.low is not None
    assert second.high is not None
    inside = first.low <= second.low and second.high <= first.high
    return inside and second.high - second.low < first.high - first.low


_COMPARATIVES: Mapping[str, str] = {
    "better": r"faster|quicker|speed-?\s?up|быстрее|ускорен\w*|smaller|less|lower|lighter|reduc\w+|decrease\w*|sav\w+"
    r"|меньше|ниже|легче|снижен\w*|сокращен\w*|уменьшен\w*|эконом\w*",
    "worse": r"slower|slow-?down|медленнее|замедлен\w*|larger|bigger|greater|more|higher|heavier|increase\w*|growth"
    r"|больше|выше|тяжелее|увеличен\w*|рост",
}
_COMPARATIVE = re.compile(
    rf"(?<!\w)(?:(?P<better>{_COMPARATIVES['better']})|(?P<worse>{_COMPARATIVES['worse']}))(?!\w)", re.IGNORECASE
)
_OBJECT = re.compile(
    r"(?:\bthan|\bчем|\bvs\.?|\bversus|\bcompared (?:to|with)|\bover)\s+(?:the\s+|a\s+|in\s+)?$", re.IGNORECASE
)


def _directed(reading: Reading, plain: str, dimension: Dimension | None, comparison: Comparison) -> Reading:
    """Bring a factor or a reduction to the form reference over candidate; see the top of this module."""
    value, low, high = reading.value, reading.low, reading.high
    assert isinstance(value, int | float)
    assert low is not None
    assert high is not None
    candidate_better = _candidate_is_better(plain, comparison)
    if dimension == "ratio":
        if candidate_better is False and value > 1 and low > 0:
            qualifier = reading.qualifier or "slower"
            return replace(reading, value=1 / value, low=1 / high, high=1 / low, qualifier=qualifier)
        return reading
    negative = value < 0
    own = comparison.reduction
    if candidate_better is None and own is not None and negative and abs(abs(own) - abs(value)) <= SIGN_WITHIN:
        flip = own > 0
    elif candidate_better is None:
        flip = comparison.change and value != 0 and bool(re.search(r"[-+−]\s?\d", plain))
    else:
        flip = candidate_better == negative and value != 0
    return replace(reading, value=-value, low=-high, high=-low) if flip else reading


def _candidate_is_better(plain: str, comparison: Comparison) -> bool | None:
    """Return what the first comparative says of the candidate, None if the cell has none."""
    text = plain.lower()
    found = _COMPARATIVE.search(text)
    if found is None:
        return None
    better = found["better"] is not None
    return better if _is_about_candidate(text, found, comparison) else not better


def _is_about_candidate(text: str, comparative: re.Match[str], comparison: Comparison) -> bool:
    """Decide whose comparative it is: the last name before it, else one right after it, else the candidate's."""
    before, after = text[: comparative.start()], text[comparative.end() :]
    named = _last_name(before, comparison)
    if named is not None:
        return named
    following = re.match(r"\W*(?P<link>than|чем|for|in|у|vs\.?|for the|than the|than in)?\W*(?P<rest>.{0,60})", after)
    assert following is not None
    name = _leading_name(following["rest"], comparison)
    if name is None:
        return True
    is_object = (following["link"] or "").split(" ")[0].rstrip(".") in ("than", "чем", "vs")
    return name is not is_object


def _last_name(text: str, comparison: Comparison) -> bool | None:
    best: tuple[int, int, bool] | None = None
    for is_candidate, names in ((False, comparison.reference), (True, comparison.candidate)):
        for name in names:
            at = text.rfind(name)
            if at >= 0 and not _OBJECT.search(text[:at]) and (best is None or (at + len(name), len(name)) > best[:2]):
                best = (at + len(name), len(name), is_candidate)
    return best[2] if best else None


def _leading_name(text: str, comparison: Comparison) -> bool | None:
    longest: tuple[int, bool] | None = None
    for is_candidate, names in ((False, comparison.reference), (True, comparison.candidate)):
        for name in names:
            if text.startswith(name) and (longest is None or len(name) > longest[0]):
                longest = (len(name), is_candidate)
    return longest[1] if longest else None
