"""A comparison of commands as one self-contained SVG: every run, medians, and each ratio with its interval.  Pure:
equal results give equal bytes.

It fetches nothing, and its colours follow the reader's light or dark scheme.  No meaning hangs on a colour alone.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.model.base import Language, Record
from grader.model.bench import Bench, BenchArm, BenchRatio
from grader.render.benchwords import arm_words, headline, noise_note, notes, ratio_words
from grader.render.catalogue import phrase
from grader.render.escape import one_line
from grader.render.numerals import localised
from grader.render.plots import (
    AXIS_PX,
    GAP_PX,
    LABEL_PX,
    SERIES,
    STRIP_PX,
    TOP_PX,
    PlotWords,
    Strip,
    is_logarithmic,
    strip_plot,
)

WIDTH, MARGIN = 840, 24
LINE_CHARACTERS, NAME_CHARACTERS = 100, 90
"""What fits `WIDTH` in the widest of the usual fonts at 13 px, and in bold."""

BAR_PX, LINE_PX, HEAD_PX = 22, 16, 52

TICKS = (1.1, 1.2, 1.5, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000)
TICK_GAP_PX = 44


class _Row(Record):
    """One ratio: texts, and places in pixels from the left and the top."""

    heading: tuple[str, ...]
    verdict: tuple[str, ...]
    top: float
    bar: float
    band: tuple[float, float]
    interval: tuple[float, float] | None
    centre: float


class _Note(Record):
    kind: str
    text: str
    top: float


class _Scale(Record):
    """A logarithmic axis of ratios about 1, the same either way; `reach` is its largest ratio."""

    reach: float

    def x(self, ratio: float) -> float:
        """Return the place of a ratio in pixels."""
        share = math.log(ratio) / math.log(self.reach)
        return round(WIDTH / 2 + share * (WIDTH / 2 - MARGIN), 2)


def bench_svg(bench: Bench, language: Language = "en") -> bytes:
    """Return the drawing; of an arm that failed there are the runs and no number."""
    title = phrase("bench-out.title-total" if bench.method.clock == "total" else "bench-out.title-start", language)
    strips = [_strip(arm, number, bench, language) for number, arm in enumerate(bench.arms)]
    plot = strip_plot(strips, _plot_words(title, language))
    plot_height = TOP_PX + (LABEL_PX + STRIP_PX + GAP_PX) * len(strips) + AXIS_PX if plot else 0
    ratio_top = HEAD_PX + plot_height + 30
    scale = _scale(bench.ratios)
    rows = _rows(bench, ratio_top + 16, scale, language)
    below = rows[-1].bar + BAR_PX if rows else HEAD_PX + plot_height
    told = _notes(bench, is_logarithmic(strips), below + (44 if rows else 24), language)
    environment = Environment(
        loader=PackageLoader("grader.render", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawing = environment.get_template("bench.svg.j2").render(
        language=language,
        width=WIDTH,
        margin=MARGIN,
        height=math.ceil((told[-1].top if told else below) + MARGIN),
        title=title,
        described="; ".join(" ".join(row.heading) for row in rows),
        plot=Markup(plot),
        plot_top=HEAD_PX,
        plot_height=plot_height,
        ratio_top=ratio_top,
        ratio_title=phrase("bench-out.ratios", language),
        ratios=rows,
        ratio_ticks=_ticks(scale, language),
        ticks_top=below + 18,
        one=scale.x(1),
        bar_height=BAR_PX,
        line_height=LINE_PX,
        notes=told,
    )
    return drawing.encode() + b"\n"


def _strip(arm: BenchArm, number: int, bench: Bench, language: Language) -> Strip:
    spread, words = headline(arm, bench), arm_words(arm, bench, language)
    shown = phrase("bench-out.number", language, median=words.median, tails=words.tails, runs=words.runs)
    total = bench.method.clock == "total"
    return Strip(
        name=one_line(arm.name, NAME_CHARACTERS),
        number=shown if spread else words.failure or None,
        series=number % SERIES,
        times=tuple(
            s.total if total else s.start for s in arm.samples if s.used or (arm.failure and s.phase == "timed")
        ),
        spread=spread,
    )


def _plot_words(title: str, language: Language) -> PlotWords:
    return PlotWords(
        language=language,
        title=title,
        failed=phrase("page.plot-failed", language),
        no_number=phrase("page.plot-no-number", language),
    )


def _scale(ratios: Sequence[BenchRatio]) -> _Scale:
    """Return the axis that holds every interval, and the band of no difference with room beside it."""
    ends = [end for r in ratios for end in (r.low, r.high, r.ratio) if end is not None]
    return _Scale(reach=max([1.25, *(max(end, 1 / end) ** 1.1 for end in ends)]))


def _rows(bench: Bench, top: float, scale: _Scale, language: Language) -> tuple[_Row, ...]:
    rows: list[_Row] = []
    same = 1 + bench.method.band
    for ratio in bench.ratios:
        words = ratio_words(ratio, language)
        heading = tuple(textwrap.wrap(f"{words.names}: {words.value}", NAME_CHARACTERS))
        verdict = tuple(textwrap.wrap(words.verdict, LINE_CHARACTERS)) or ("",)
        bar = top + LINE_PX * (len(heading) + len(verdict)) + 10
        low, high = scale.x(1 / same), scale.x(same)
        rows.append(
            _Row(
                heading=heading,
                verdict=verdict,
                top=top,
                bar=bar,
                band=(low, round(high - low, 2)),
                interval=None if ratio.low is None or ratio.high is None else (scale.x(ratio.low), scale.x(ratio.high)),
                centre=scale.x(ratio.ratio),
            )
        )
        top = bar + BAR_PX + 14
    return tuple(rows)


def _ticks(scale: _Scale, language: Language) -> tuple[tuple[float, str], ...]:
    """Return places and labels from 1 outwards, each beside the last with room for it; the same either way."""
    ticks: list[tuple[float, str]] = [(scale.x(1), "1")]
    last = scale.x(1)
    for tick in TICKS:
        if tick <= scale.reach and scale.x(tick) - last >= TICK_GAP_PX:
            last = scale.x(tick)
            ticks += [
                (last, localised(f"{tick:g}×", language)),
                (scale.x(1 / tick), localised(f"1/{tick:g}×", language)),
            ]
    return tuple(ticks)


def _notes(bench: Bench, logarithmic: bool, top: float, language: Language) -> tuple[_Note, ...]:
    noisy = bench.noise.state == "noisy"
    how = phrase("bench-out.plot-note", language)
    texts = [("soft", f"{how} {phrase('bench-out.log', language)}" if logarithmic else how)]
    if bench.ratios:
        texts.append(("soft", phrase("bench-out.plot-band", language)))
    texts.append(("noisy" if noisy else "soft", one_line(noise_note(bench, language), 2000)))
    texts += [("soft", note) for note in notes(bench, language)]
    lines = [(kind, line) for kind, text in texts for line in textwrap.wrap(text, LINE_CHARACTERS)]
    return tuple(_Note(kind=kind, text=line, top=top + LINE_PX * at) for at, (kind, line) in enumerate(lines))
