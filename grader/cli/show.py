"""Results on a terminal: tables by rich, plain where stdout is none."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.model.base import Language, Message
from grader.model.grade import Criterion, Grade, Quantity, Score
from grader.model.lab import Lab
from grader.model.report import ReportReading, Unit
from grader.render.catalogue import phrase, translated, words
from grader.render.cells import quantity_text
from grader.render.comparison import comparison, first_upper, points, timed_arms
from grader.render.confounds import time_notes
from grader.render.criteria import OUTCOMES, SEVERITIES
from grader.render.escape import SENTENCE, one_line, plain
from grader.render.explain import explained
from grader.render.feedback import notes_on_what_is_missing
from grader.render.labels import own_words, quantity_name
from grader.render.ratiolines import COLUMNS as RATIO_COLUMNS
from grader.render.ratiolines import noise_of_times, timed_ratios
from grader.render.sidetables import side_tables
from grader.workflow.effort import Effort
from grader.workflow.plan import PlannedStep

VERDICT_STYLE = {
    "reproduced": "green",
    "consistent": "green",
    "contradicted": "bold red",
    "missing": "yellow",
    "unverifiable": "cyan",
    "not_run": "dim",
}
HEADING = "bold"

SOURCES = {
    "table": "claims.source-table",
    "text": "claims.source-text",
    "output": "claims.source-output",
    "file": "claims.source-file",
}
OUTCOME_STYLE = {"pass": "green", "partial": "yellow", "fail": "red", "review": "cyan", "not_run": "dim"}


def show_grade(lab: Lab, grade: Grade, folder: Path | None, language: Language = "en") -> None:
    """Print the comparison, the criteria, the score and where the files are, if there are any."""
    grade = translated(lab, grade, language)
    console = Console(highlight=False)
    show_comparison(lab, grade, console, language)
    console.print()
    _show_criteria(grade, console, language)
    if grade.findings:
        console.print(Text(f"\n{phrase('page.findings', language)}", style=HEADING))
    for finding in grade.findings:
        where = f"{phrase('page.report-line', language, line=finding.line)}: " if finding.line else ""
        severity = phrase(SEVERITIES[finding.severity], language)
        console.print(Text(f"{severity}: {where}{one_line(finding.message.text)}", style="yellow"))
    console.print(Text(f"\n{score_sentence(grade.score, language)}", style="bold"))
    for note in notes_on_what_is_missing(lab, grade, language):
        console.print(harmless(note, "yellow"))
    if folder is not None:
        console.print(Text(plain(phrase("feedback.files", language, folder=str(folder)))))


def _show_criteria(grade: Grade, console: Console, language: Language) -> None:
    codes = ("feedback.points", "feedback.outcome", "feedback.criterion")
    table = table_of(phrase("page.criteria", language), [phrase(code, language) for code in codes])
    first: dict[str, str] = {}
    for c in grade.criteria:
        bonus = f", {phrase('page.bonus', language)}" if c.bonus else ""
        table.add_row(
            Text(f"{points(c.points, language)} / {points(c.max, language)}", justify="right"),
            Text(phrase(OUTCOMES["manual" if c.manual else c.outcome], language), style=_style(c)),
            Text.assemble(
                harmless(c.title or c.id, "bold"), f" ({one_line(c.id)}{bonus})\n", (_why(c, first, language), "dim")
            ),
        )
    console.print(table)


def _style(criterion: Criterion) -> str:
    return "" if criterion.manual else OUTCOME_STYLE.get(criterion.outcome, "")


def _why(criterion: Criterion, first: dict[str, str], language: Language) -> str:
    """Return a criterion's reason; one that was not run for a reason given above points there.

    Args:
        first: By reason, the criterion that it was given for; added to.
    """
    if criterion.manual:
        return one_line(criterion.manual.note, SENTENCE)
    if criterion.outcome != "not_run":
        return one_line(criterion.reason.text, SENTENCE)
    above = first.setdefault(criterion.reason.text, criterion.id)
    if above == criterion.id:
        return one_line(criterion.reason.text, SENTENCE)
    return phrase("feedback.as-for", language, criterion=one_line(above))


def score_sentence(s: Score, language: Language) -> str:
    """Return a score in one sentence; its parts add up to the lab's points."""
    parts = [
        phrase("feedback.score", language, points=points(s.points + s.manual, language), max=points(s.max, language))
    ]
    for code, part in (
        ("feedback.score-review", s.pending_review),
        ("feedback.score-apart", s.not_assessed),
        ("feedback.score-lost", s.lost),
    ):
        if part:
            parts.append(phrase(code, language, points=points(part, language)))
    bonus = f" {phrase('feedback.bonus-points', language, points=points(s.bonus, language))}" if s.bonus else ""
    return f"{', '.join(parts)}.{bonus}"


def show_comparison(lab: Lab, grade: Grade, console: Console, language: Language = "en") -> None:
    """Print claimed | recomputed | measured with the verdicts; `grade` is worded in that language."""
    own = own_words(lab, language)
    heads = ("quantity", "claimed", "recomputed", "measured", "verdict")
    table = table_of(f"{grade.submission.id}: {own['lab.title']}", [phrase(f"page.{head}", language) for head in heads])
    for line in comparison(lab, grade, language):
        table.add_row(
            *(harmless(cell) for cell in (line.label, line.claimed, line.recomputed, line.measured)),
            Text(line.verdict, style=VERDICT_STYLE.get(line.state, "")),
        )
    console.print(table)
    heads = ("arm", "mode", "total", "first-output", "runs")
    arms = table_of(phrase("feedback.timed-short", language), [phrase(f"page.{head}", language) for head in heads])
    for arm in timed_arms(grade.facts, language):
        arms.add_row(*(harmless(cell) for cell in (arm.name, arm.mode, arm.total, arm.first, arm.n)))
    if arms.row_count:
        console.print()
        console.print(arms)
    ratios = table_of(phrase("page.ratios", language), [phrase(code, language) for code in RATIO_COLUMNS])
    for ratio in timed_ratios(lab, grade.facts, language):
        ratios.add_row(*(harmless(cell) for cell in (ratio.name, ratio.value, ratio.verdict, ratio.loop)))
    if ratios.row_count:
        console.print()
        console.print(ratios)
    if noise := noise_of_times(grade.facts, language):
        console.print()
        console.print(harmless(noise, "yellow"))
    for note in time_notes(lab, grade.facts, language):
        console.print(harmless(note))
    for side in side_tables(lab, grade.facts, language):
        shown = table_of(side.title, side.heads)
        for row in side.rows:
            shown.add_row(*(harmless(cell) for cell in row))
        console.print()
        console.print(shown)
        for note in side.notes:
            console.print(harmless(note, "dim"))


def harmless(text: str, style: str = "") -> Text:
    """Return text that may come from a file as one line in which no character acts on a terminal.

    Rich takes a bell out of a text, and leaves an escape where it is.
    """
    return Text(one_line(text, SENTENCE), style=style)


def table_of(title: str, heads: Sequence[str]) -> Table:
    """Return an empty table that cuts nothing: what is too wide goes on in the next line."""
    table = Table(title=harmless(title, HEADING), title_justify="left", box=None, pad_edge=False)
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    return table


def show_plan(
    steps: Sequence[PlannedStep], effort: Effort, language: Language = "en", limit_s: float | None = None
) -> None:
    """Print each step's command as it will run, in the sandbox's own paths, or why it will not; then how much it is."""
    for step in steps:
        if step.reason is not None:
            not_run = phrase("plan.not-run", language)
            print(f"{step.id}: {not_run}: {one_line(words(step.reason, language=language), SENTENCE)}")
        else:
            variables = [f"{name}={value}" for name, value in step.env.items()]
            times = f" {step.runs} ×" if step.runs > 1 else ""
            print(f"{step.id}:{times} {one_line(shlex.join([*variables, *step.argv]), SENTENCE)}")
    print("\n" + phrase("plan.effort", language, **_effort(effort, limit_s)))


def _effort(effort: Effort, limit_s: float | None) -> dict[str, str | int]:
    at_most_s = min(effort.at_most_s, limit_s or effort.at_most_s)
    minutes = math.ceil(at_most_s / 60)
    return {**effort.model_dump(exclude={"at_most_s"}), "minutes": minutes}


def show_claims(reading: ReportReading, lab: Lab, language: Language = "en") -> None:
    """Print what a report says, one line per reading."""
    console = Console(highlight=False)
    own = own_words(lab, language)
    heads = ("page.quantity", "claims.value", "claims.read-from", "claims.line", "claims.quote")
    title, also = phrase("claims.title", language, lab=lab.id), phrase("claims.also", language)
    table = table_of(title, [phrase(head, language) for head in heads])
    table.columns[heads.index("claims.line")].justify = "right"
    for claim in reading.claims:
        value = claim.qualifier or "" if claim.value is None else _claimed(claim.value, claim.unit, language)
        mark = "" if claim.preferred else f" ({also})"
        source = phrase(SOURCES[claim.source], language)
        name = first_upper(quantity_name(claim.id, own, language=language))
        cells = (name + mark, one_line(value, 70), source, str(claim.line), one_line(claim.quote, 70))
        table.add_row(*(harmless(cell) for cell in cells))
    console.print(table)
    if reading.table is None:
        console.print(Text(first_upper(phrase("criterion.no-table", language)) + ".", style="yellow"))
    for note in reading.notes:
        console.print(Text(words(Message(code=note), language=language), style="dim"))


def show_explained(reading: ReportReading, lab: Lab, language: Language = "en") -> None:
    """Print where each value was read and by which rule, what was not taken and why, and the pictures."""
    console = Console(highlight=False, soft_wrap=True)
    for line in explained(reading, lab, language):
        indent = len(line) - len(line.lstrip())
        console.print(Text(" " * indent), harmless(line.lstrip()), sep="")
    for note in reading.notes:
        console.print(Text(words(Message(code=note), language=language), style="dim"))


def _claimed(value: float | int | str, unit: Unit | None, language: Language) -> str:
    return quantity_text(Quantity(value=value, unit=unit), language=language)
