"""A comparison of commands on a terminal: numbers, every run on one axis, verdicts.  Pure: rich draws, the caller
prints.

What fits the terminal is decided while drawing: the width, and whether its encoding has more than ASCII.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from grader.model.base import Language
from grader.model.bench import Bench, BenchArm
from grader.model.grade import RatioVerdict, Spread
from grader.render.benchwords import (
    ArmWords,
    OtherWords,
    arm_words,
    headline,
    noise_note,
    notes,
    others_words,
    ratio_words,
)
from grader.render.catalogue import phrase
from grader.render.escape import one_line, plain
from grader.render.plots import LOG_FROM, TICK_GAP, Axis, choose_axis, tick_text

VERDICT_STYLE: Mapping[RatioVerdict, str] = {
    "faster": "bold green",
    "slower": "bold red",
    "no_difference": "bold",
    "small_difference": "yellow",
    "not_resolved": "yellow",
}
"""Colour only repeats what the words say."""

ARM_STYLES = ("cyan", "magenta", "blue", "green")

TAIL_LINES, TAIL_CHARACTERS = 5, 200
"""Of what a failed arm printed; all of it that was kept is in the JSON."""

NARROWEST_STRIP = 20
"""Columns; below it the marks of a strip say nothing, and it is left out."""

SHADES, SHADES_ASCII = "░▒▓█", ".:+#"
"""One, two, three, and more runs in a column; these four are in every font and code page."""

WHISKER, WHISKER_ASCII = "├─┼┤", "|-+|"

_PLAIN = {"×": "x", "–": "-", "—": "-", "…": "~", "µ": "u", "±": "~", "≈": "~", "\u00a0": " ", "→": ">", "«": '"'}


def bench_report(bench: Bench, language: Language = "en") -> ConsoleRenderable:
    """Return all that the terminal shows of a comparison; numbers of arms that failed there are none."""
    lines = {arm.name: arm_words(arm, bench, language) for arm in bench.arms}
    parts: list[ConsoleRenderable] = [_numbers(bench, lines, language)]
    if any(arm.state == "measured" for arm in bench.arms):
        parts += [Text(), StripPlot(bench, language)]
    if bench.ratios:
        parts += [Text(), _ratios(bench, language)]
    parts += _failures(bench, lines)
    if others := others_words(bench, language):
        parts += [Text(), _others(others, language)]
    noisy = bench.noise.state == "noisy"
    parts += [Text(), Text(one_line(noise_note(bench, language), 2000), style="bold yellow" if noisy else "")]
    parts += [Text(note, style="dim") for note in notes(bench, language)]
    return Encodable(Group(*parts))


class StripPlot:
    """Every run that counts, one strip per arm on a common axis, the median and the middle 90 % below it."""

    def __init__(self, bench: Bench, language: Language) -> None:
        self._bench = bench
        self._language = language

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw at the width at hand; nothing where that is too little."""
        arms = [arm for arm in self._bench.arms if arm.state == "measured"]
        names = [one_line(arm.name) for arm in arms]
        label = min(max(cell_len(name) for name in names), options.max_width // 3)
        width = options.max_width - label - 2
        runs = {arm.name: times(arm, self._bench) for arm in arms}
        if width < NARROWEST_STRIP or not any(runs.values()):
            return
        axis = close_axis([seconds for strip in runs.values() for seconds in strip])
        for number, (arm, name) in enumerate(zip(arms, names, strict=True)):
            style = ARM_STYLES[number % len(ARM_STYLES)]
            shades = SHADES_ASCII if options.ascii_only else SHADES
            marks = WHISKER_ASCII if options.ascii_only else WHISKER
            shown = Text(name)
            shown.truncate(label, overflow="ellipsis", pad=True)
            yield Text.assemble(shown, "  ", (_strip(runs[arm.name], axis, width, shades), style))
            if (spread := headline(arm, self._bench)) is not None:
                yield Text.assemble(" " * (label + 2), _whisker(spread, axis, width, marks))
        yield Text(" " * (label + 2) + _ticks(axis, width, lambda s: tick_text(s, self._language)), style="dim")
        if axis.kind == "log":
            yield Text(" " * (label + 2) + phrase("bench-out.log", self._language), style="dim")


class Encodable:
    """Something drawn with each character that the output cannot hold replaced by one that it can, cell by cell."""

    def __init__(self, drawn: ConsoleRenderable) -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw, and replace; with a Unicode encoding nothing is replaced."""
        for segment in console.render(self._drawn, options):
            if options.ascii_only and not segment.control:
                yield Segment(_encodable(segment.text, options.encoding), segment.style)
            else:
                yield segment


def close_axis(seconds: Sequence[float]) -> Axis:
    """Return an axis about these times, not from 0: a terminal has too few columns to spend them on nothing.

    It is logarithmic where a linear one would crowd the quickest arm into the first columns.
    """
    low, high = min(seconds), max(seconds)
    if high / low >= LOG_FROM:
        return choose_axis(seconds)
    # Equal times have a range too: a tenth either way.
    margin = (high - low) * 0.04 or high * 0.1
    low, high = low - margin, high + margin
    power = math.floor(math.log10((high - low) * TICK_GAP))
    step = next(s for d in (1, 2, 5, 10) if (s := d * 10.0**power) >= (high - low) * TICK_GAP)
    ticks = tuple(step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1))
    return Axis(kind="linear", low=low, high=high, ticks=ticks)


def times(arm: BenchArm, bench: Bench) -> list[float]:
    """Return the times of the runs that count, on the clock that the ratios take."""
    on_clock = [s.total if bench.method.clock == "total" else s.start for s in arm.samples if s.used]
    return [seconds for seconds in on_clock if seconds is not None]


def titled(title: str, table: Table) -> Group:
    """Return a table below its title; rich would fold one of its own to the width of a narrow table."""
    return Group(Text(title, style="italic"), table)


def _numbers(bench: Bench, lines: Mapping[str, ArmWords], language: Language) -> Group:
    """Return the table of arms; a column that no arm has a value for is left out."""
    title = phrase("bench-out.title-total" if bench.method.clock == "total" else "bench-out.title-start", language)
    columns: list[tuple[str, Callable[[ArmWords], str]]] = [
        ("bench-out.median", lambda words: words.median),
        ("bench-out.tails", lambda words: words.tails),
        ("bench-out.mad", lambda words: words.mad),
        ("page.runs", lambda words: words.runs),
    ]
    if bench.method.clock == "total":
        columns.append(("bench-out.start", lambda words: words.start))
    columns.append(("bench-out.memory", lambda words: words.memory))
    shown = [(code, cell) for code, cell in columns if any(cell(words) for words in lines.values())]
    table = plain_table([phrase("page.arm", language), *(phrase(code, language) for code, _ in shown)])
    for words in lines.values():
        if words.failure:
            table.add_row(Text(words.name), Text(phrase("page.plot-failed", language), style="bold red"))
        else:
            table.add_row(*(Text(cell) for cell in (words.name, *(cell(words) or "—" for _, cell in shown))))
    return titled(title, table)


def _ratios(bench: Bench, language: Language) -> Group:
    codes = ("bench-out.arms", "bench-out.ratio", "bench-out.verdict")
    table = plain_table([phrase(code, language) for code in codes])
    for ratio in bench.ratios:
        words = ratio_words(ratio, language)
        table.add_row(Text(words.names), Text(words.value), Text(words.verdict, style=VERDICT_STYLE[ratio.verdict]))
    return titled(phrase("bench-out.ratios", language), table)


def _others(rows: Sequence[OtherWords], language: Language) -> Group:
    heads = (phrase("bench-out.arms", language), phrase("bench-out.loop", language), "hyperfine")
    table = plain_table(heads)
    table.style = "dim"
    for row in rows:
        table.add_row(Text(row.names), Text(row.loop or "—"), Text(row.hyperfine or "—"))
    return titled(phrase("bench-out.others", language), table)


def _failures(bench: Bench, lines: Mapping[str, ArmWords]) -> Iterable[ConsoleRenderable]:
    for arm in bench.arms:
        if arm.failure is not None:
            yield Text()
            yield Text(f"{lines[arm.name].name}: {lines[arm.name].failure}", style="bold red")
            tail = [line[:TAIL_CHARACTERS] for line in plain(arm.failure.tail).splitlines()[-TAIL_LINES:]]
            yield from (Text(f"  | {line.expandtabs()}", style="dim") for line in tail)


def plain_table(heads: Sequence[str]) -> Table:
    """Return a table without lines, whose cells fold."""
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    return table


def _strip(seconds: Sequence[float], axis: Axis, width: int, shades: str) -> str:
    """Return a character per column, darker where more runs fall; the fullest column is never beyond the last shade."""
    counts = [0] * width
    for one in seconds:
        counts[_column(one, axis, width)] += 1
    step = max(1, max(counts) / len(shades))
    return "".join(shades[math.ceil(count / step) - 1] if count else " " for count in counts)


def _whisker(spread: Spread, axis: Axis, width: int, marks: str) -> str:
    """Return the 5th percentile, the median and the 95th as one line; the median wins a column of several."""
    low, middle, high = (_column(s, axis, width) for s in (spread.p5, spread.median, spread.p95))
    line = [" "] * low + [marks[1]] * (high - low + 1)
    line[low], line[high] = marks[0], marks[3]
    line[middle] = marks[2]
    return "".join(line)


def _ticks(axis: Axis, width: int, label: Callable[[float], str]) -> str:
    """Return the labels of the axis, each beginning at its place; one that has no room is left out."""
    line = ""
    for tick in axis.ticks:
        at, text = _column(tick, axis, width), label(tick)
        if at >= len(line) + bool(line) and at + len(text) <= width:
            line = line.ljust(at) + text
    return line


def _column(seconds: float, axis: Axis, width: int) -> int:
    return min(width - 1, max(0, int(axis.share(seconds) * width)))


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_replaced(char, encoding) for char in text)
    return text


def _replaced(char: str, encoding: str) -> str:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return _PLAIN.get(char, "?" * cell_len(char))
    return char
