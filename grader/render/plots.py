"""Every timed run of every arm on one axis, as SVG.  Pure: equal samples give equal bytes.

Places are percentages of the width and text keeps its own size, so one drawing is readable on a phone and on paper.
Colours are classes that the page's style sheet fills, and no meaning hangs on a colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from html import escape as html
from itertools import count
from typing import Literal

from pydantic import Field

from grader.model.base import Language, Record
from grader.model.grade import Fact, Spread
from grader.render import escape
from grader.render.numerals import localised

LOG_FROM = 20.0
"""The axis is logarithmic from this ratio of the slowest to the fastest run on: below it a linear one still shows
the fastest arm at 5 % of the width, and lengths may be compared by eye."""

TICK_GAP = 0.2
"""Smallest distance of two labels as a share of the axis: what `300 ms` needs on a phone of 320 px."""

LEFT, RIGHT, RIGHT_OF_FAILED = 2.0, 98.0, 82.0
"""Ends of the axis in percent of the width; failed runs have a lane of their own beyond it."""

LABEL_PX, STRIP_PX, GAP_PX, AXIS_PX, TOP_PX = 40, 36, 16, 26, 6
RADIUS_PX = 3.5
SERIES = 4
"""Hues that the style sheet has for subjects."""

_GOLDEN = 0.6180339887498949


class Strip(Record):
    """One arm's row: `name` in words, a time in seconds per run, None for a failed one.

    `series` is the place of its subject in the lab, None for the control.  Invariant kept by the facts: an arm with
    a bad run has no spread.
    """

    name: str
    number: str | None = Field(description="The median with its spread in words, None if there is none.")
    series: int | None
    times: tuple[float | None, ...]
    spread: Spread | None


class PlotWords(Record):
    """What the drawing says, and the language that it writes its numbers in."""

    language: Language
    title: str
    failed: str
    no_number: str


class Axis(Record):
    """A scale over seconds; a linear one begins at 0."""

    kind: Literal["linear", "log"]
    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, seconds: float) -> float:
        """Return how far along the axis a time lies, 0 to 1."""
        if self.kind == "linear":
            return (seconds - self.low) / (self.high - self.low)
        return math.log(seconds / self.low) / math.log(self.high / self.low)


class TimedArm(Record):
    """What was timed on one arm: its runs, and the fact that they gave.  `name` and `number` are in words."""

    name: str
    number: str | None
    fact: Fact | None
    times: tuple[float | None, ...]


def strips(arms: Sequence[TimedArm], subjects: Sequence[str]) -> tuple[Strip, ...]:
    """Return a row per arm that ran, in the order of the lab's subjects and the control last."""
    rows = [_strip(arm, subjects) for arm in arms if arm.times]
    return tuple(sorted(rows, key=lambda r: len(subjects) if r.series is None else r.series))


def choose_axis(times: Sequence[float]) -> Axis:
    """Return the axis for these times (seconds, each > 0, at least one): logarithmic if they differ `LOG_FROM`-fold."""
    low, high = min(times), max(times)
    if high / low < LOG_FROM:
        step = next(s for s in _nice_steps(high) if s / Fraction(high) >= TICK_GAP)
        ticks = tuple(float(step * n) for n in range(int(high / step) + 1))
        return Axis(kind="linear", low=0.0, high=high * 1.02, ticks=ticks)
    low, high = low / 1.15, high * 1.15
    return Axis(kind="log", low=low, high=high, ticks=_log_ticks(low, high))


def is_logarithmic(rows: Sequence[Strip]) -> bool:
    """Return whether the drawing of these rows has a logarithmic axis, which the page then says."""
    times = _times(rows)
    return bool(times) and choose_axis(times).kind == "log"


def strip_plot(rows: Sequence[Strip], words: PlotWords) -> str:
    """Return the drawing, empty if nothing ran."""
    times = _times(rows)
    failed = any(time is None for row in rows for time in row.times)
    if not times and not failed:
        return ""
    axis = choose_axis(times or [1.0])
    place = _Place(axis=axis, right=RIGHT_OF_FAILED if failed else RIGHT)
    pitch = LABEL_PX + STRIP_PX + GAP_PX
    bottom = TOP_PX + pitch * len(rows)
    parts = [_grid(place, bottom, words)] if times else []
    if failed:
        parts.append(_failed_lane(bottom, words))
    parts += [_row(row, TOP_PX + pitch * index, place, words) for index, row in enumerate(rows)]
    described = "; ".join(f"{row.name}: {row.number or words.no_number}" for row in rows)
    return (
        f'<svg class="plot" width="100%" height="{bottom + AXIS_PX}" role="img" aria-labelledby="plot-t plot-d">'
        f'<title id="plot-t">{_text(words.title)}</title><desc id="plot-d">{_text(described, 1000)}</desc>'
        + "".join(parts)
        + "</svg>"
    )


class _Place(Record):
    """Turns seconds into a percentage of the width."""

    axis: Axis
    right: float

    def x(self, seconds: float) -> str:
        return f"{LEFT + self.axis.share(seconds) * (self.right - LEFT):.2f}%"


def _strip(arm: TimedArm, subjects: Sequence[str]) -> Strip:
    fact = arm.fact
    measured = fact if fact is not None and fact.state == "measured" else None
    return Strip(
        name=arm.name,
        number=arm.number,
        series=subjects.index(fact.subject) if fact and fact.subject in subjects else None,
        times=arm.times,
        spread=measured.spread if measured else None,
    )


def _grid(place: _Place, bottom: int, words: PlotWords) -> str:
    lines, labels = [], []
    for tick in place.axis.ticks:
        x = place.x(tick)
        lines.append(f'<line x1="{x}" x2="{x}" y1="{TOP_PX}" y2="{bottom}"/>')
        labels.append(f'<text x="{x}" y="{bottom + 16}">{_text(tick_text(tick, words.language))}</text>')
    return f'<g class="grid">{"".join(lines)}</g><g class="ticks">{"".join(labels)}</g>'


def _failed_lane(bottom: int, words: PlotWords) -> str:
    x = (RIGHT_OF_FAILED + 100) / 2
    return (
        f'<line class="fence" x1="{RIGHT_OF_FAILED + 3}%" x2="{RIGHT_OF_FAILED + 3}%" y1="{TOP_PX}" y2="{bottom}"/>'
        f'<g class="ticks"><text x="{x}%" y="{bottom + 16}">{_text(words.failed)}</text></g>'
    )


def _row(row: Strip, top: int, place: _Place, words: PlotWords) -> str:
    kind = "control" if row.series is None else f"s{row.series % SERIES}"
    middle = top + LABEL_PX + STRIP_PX / 2
    return (
        f'<g class="{kind}"><text class="arm" x="0" y="{top + 14}">{_text(row.name)}</text>'
        f'<text class="number" x="0" y="{top + 31}">{_text(row.number or words.no_number)}</text>'
        f"{_median(row, top + LABEL_PX, place)}{''.join(_marks(row.times, middle, place))}</g>"
    )


def _median(row: Strip, top: int, place: _Place) -> str:
    """Return the line of the median, and the band that holds nine in ten runs."""
    if row.spread is None:
        return ""
    bottom = top + STRIP_PX
    low, high, x = (place.x(seconds) for seconds in (row.spread.p5, row.spread.p95, row.spread.median))
    width = float(high[:-1]) - float(low[:-1])
    parts = f'<rect class="band" x="{low}" y="{top}" width="{width:.2f}%" height="{STRIP_PX}"/>'
    parts += "".join(f'<line class="end" x1="{end}" x2="{end}" y1="{top}" y2="{bottom}"/>' for end in (low, high))
    return f'{parts}<line class="median" x1="{x}" x2="{x}" y1="{top - 3}" y2="{bottom + 3}"/>'


def _marks(times: Sequence[float | None], middle: float, place: _Place) -> Iterator[str]:
    for number, time in enumerate(times):
        y = f"{middle + _spread(number):.1f}"
        if time is not None:
            yield f'<circle cx="{place.x(time)}" cy="{y}" r="{RADIUS_PX}"/>'
        else:
            # A nested drawing, because a path cannot be placed by percentages.
            x = (RIGHT_OF_FAILED + 100) / 2
            yield f'<svg class="failed" x="{x}%" y="{middle}"><path d="M-5-5 5 5M-5 5 5-5"/></svg>'


def _spread(number: int) -> float:
    """Return pixels above or below the middle, by a low-discrepancy sequence: neighbours in time lie apart."""
    return ((number + 1) * _GOLDEN % 1 - 0.5) * (STRIP_PX - 2 * RADIUS_PX - 2)


def tick_text(seconds: float, language: Language) -> str:
    """Return a time on the axis in the unit that fits it: `200 µs`, `5 ms`, `0`."""
    if seconds == 0:
        return "0"
    # By rounded digits, because 0.001 * 3 is a little above 3 ms and must still read so.
    exact = Fraction(f"{seconds:.6g}")
    name, scale = next(((n, s) for n, s in _SCALES if exact >= s), _SCALES[-1])
    return localised(f"{float(exact / scale):g} {name}", language)


_SCALES = (("s", Fraction(1)), ("ms", Fraction(1, 10**3)), ("µs", Fraction(1, 10**6)))


def _nice_steps(high: float) -> Iterator[Fraction]:
    """Yield 1, 2 and 5 times powers of ten, rising from well below `high`."""
    for power in count(math.floor(math.log10(high)) - 2):
        for digit in (1, 2, 5):
            yield digit * Fraction(10) ** power


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return the densest of the usual sets of ticks whose labels do not meet."""
    span = math.log10(high / low)
    digits, every, _ = next((s for s in _TICK_SETS if s[2] >= TICK_GAP * span), _TICK_SETS[-1])
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = (float(d * Fraction(10) ** p) for p in powers if p % every == 0 for d in digits)
    return tuple(t for t in ticks if low <= t <= high)


_TICK_SETS: tuple[tuple[tuple[int, ...], int, float], ...] = (
    ((1, 2, 5), 1, math.log10(2)),
    ((1, 3), 1, math.log10(3)),
    *(((1,), every, float(every)) for every in (1, 2, 3, 5, 10, 20)),
)
"""Leading digits, every how manyth power of ten, and the smallest distance of two of them in powers of ten."""


def _times(rows: Sequence[Strip]) -> list[float]:
    return [time for row in rows for time in row.times if time is not None]


def _text(text: str, limit: int = 100) -> str:
    return html(escape.one_line(text, limit))
