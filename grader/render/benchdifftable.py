"""What changed between two comparisons, on a terminal.  Pure: rich draws, the caller prints."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import ConsoleRenderable, Group
from rich.text import Text

from grader.model.base import Language
from grader.model.benchdiff import ArmChange, ArmDiff, BenchDiff, RatioChange, RatioDiff, Side
from grader.render.benchtable import Encodable, plain_table, titled
from grader.render.benchwords import WIDEST, sentence, with_interval
from grader.render.catalogue import phrase, worded
from grader.render.escape import one_line
from grader.render.numerals import localised
from grader.units import format_factor, format_seconds

NOTHING = "—"
_DIGITS = 20
"""What has no interval is written as if known to a twentieth: with two digits."""

STYLE: Mapping[ArmChange | RatioChange, str] = {
    "faster": "bold green",
    "slower": "bold red",
    "fails_now": "bold red",
    "works_now": "bold green",
    "no_change": "bold",
}


def worded_diff(diff: BenchDiff, language: Language = "en") -> BenchDiff:
    """Return a copy in which every reason is a sentence; params stay as they are."""
    told = worded(diff, language=language)
    arms = tuple(a.model_copy(update={"text": sentence(a.reason, language)}) for a in told.arms)
    ratios = tuple(r.model_copy(update={"text": sentence(r.reason, language)}) for r in told.ratios)
    return told.model_copy(update={"arms": arms, "ratios": ratios})


def diff_report(diff: BenchDiff, language: Language = "en") -> ConsoleRenderable:
    """Return what the terminal shows: notes on the hosts first, since they say what the rest is worth."""
    parts: list[ConsoleRenderable] = [
        Text(one_line(sentence(note, language), WIDEST), style="yellow") for note in diff.notes
    ]
    if diff.ratios:
        parts += [_ratios(diff, language), Text()]
    if diff.arms:
        parts += [_arms(diff, language), Text()]
    for code, names in (("bench-diff.appeared", diff.appeared), ("bench-diff.gone", diff.gone)):
        if names:
            parts.append(Text(one_line(phrase(code, language, names=", ".join(names)), WIDEST)))
    parts.append(Text(phrase("bench-diff.changed" if diff.changed else "bench-diff.unchanged", language), style="bold"))
    return Encodable(Group(*parts))


def _ratios(diff: BenchDiff, language: Language) -> Group:
    codes = ("bench-out.arms", "bench-diff.before", "bench-diff.now", "bench-diff.factor", "bench-diff.change")
    table = plain_table([phrase(code, language) for code in codes])
    for ratio in diff.ratios:
        names = f"{one_line(ratio.numerator)} / {one_line(ratio.denominator)}"
        table.add_row(Text(names), *_cells(ratio, language))
    return titled(phrase("bench-out.ratios", language), table)


def _cells(ratio: RatioDiff, language: Language) -> tuple[Text, ...]:
    shift = ratio.shift
    factor = with_interval(shift.factor, shift.low, shift.high) if shift else NOTHING
    shown = (_side(ratio.old), _side(ratio.new), factor)
    verdict = one_line(sentence(ratio.reason, language), WIDEST)
    return (
        *(Text(localised(cell, language)) for cell in shown),
        Text(verdict, style=STYLE.get(ratio.change, "yellow")),
    )


def _arms(diff: BenchDiff, language: Language) -> Group:
    title = phrase("bench-out.title-total" if diff.clock == "total" else "bench-out.title-start", language)
    codes = ("page.arm", "bench-diff.before", "bench-diff.now", "bench-diff.factor", "bench-diff.change")
    table = plain_table([phrase(code, language) for code in codes])
    for arm in diff.arms:
        times = (format_seconds(s, half_width=s / _DIGITS) if s else NOTHING for s in (arm.old, arm.new))
        # The interval of the shift is of these runs alone, and the sessions differ by more than their runs.
        factor = f"≈\u00a0{format_factor(arm.shift.factor, arm.shift.factor / _DIGITS)}" if arm.shift else NOTHING
        shown = (localised(cell, language) for cell in (*times, factor))
        reason = Text(_arm_reason(arm, language), style=STYLE.get(arm.change, "dim"))
        table.add_row(Text(one_line(arm.name)), *(Text(cell) for cell in shown), reason)
    return titled(title, table)


def _arm_reason(arm: ArmDiff, language: Language) -> str:
    reason = sentence(arm.reason, language)
    if arm.other_command:
        other = phrase("bench-diff.other-command", language)
        reason += f" ({other})"
    return one_line(reason, WIDEST)


def _side(side: Side) -> str:
    if side.low is None or side.high is None:
        return f"≈\u00a0{format_factor(side.value, side.value / _DIGITS)}"
    return with_interval(side.value, side.low, side.high)
