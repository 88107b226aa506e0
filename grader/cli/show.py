"""Results on a terminal: tables by rich, plain where stdout is none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.model.base import Language, Message
from grader.model.grade import Criterion, Grade
from grader.model.lab import Lab
from grader.model.report import ReportReading
from grader.render.catalogue import phrase, translated, words
from grader.render.cells import quantity_text
from grader.render.comparison import comparison, points, timed_arms
from grader.render.criteria import OUTCOMES, SEVERITIES
from grader.render.escape import one_line
from grader.render.labels import own_words
from grader.render.ratiolines import COLUMNS as RATIO_COLUMNS
from grader.render.ratiolines import noise_of_times, timed_ratios
from grader.workflow.plan import PlannedStep

VERDICT_STYLE = {
    "reproduced": "green",
    "consistent": "green",
    "contradicted": "bold red",
    "missing": "yellow",
    "unverifiable": "cyan",
    "not_run": "dim",
}
WIDEST = 2000
"""Characters of a reason: one may name every cell of a table."""

OUTCOME_STYLE = {"pass": "green", "partial": "yellow", "fail": "red", "review": "cyan", "not_run": "dim"}


def show_grade(lab: Lab, grade: Grade, folder: Path | None, language: Language = "en") -> None:
    """Print the comparison, the criteria, the score and where the files are, if there are any."""
    grade = translated(lab, grade, language)
    console = Console(highlight=False)
    show_comparison(lab, grade, console, language)
    _show_criteria(grade, console, language)
    for finding in grade.findings:
        where = f"{phrase('page.report-line', language, line=finding.line)}: " if finding.line else ""
        severity = phrase(SEVERITIES[finding.severity], language)
        console.print(Text(f"{severity}: {where}{one_line(finding.message.text)}", style="yellow"))
    console.print(Text(f"\n{_score(grade, language)}", style="bold"))
    if folder is not None:
        console.print(Text(phrase("feedback.files", language, folder=str(folder))))


def _show_criteria(grade: Grade, console: Console, language: Language) -> None:
    codes = ("feedback.criterion", "feedback.points", "feedback.outcome", "page.why")
    table = _table(phrase("page.criteria", language), [phrase(code, language) for code in codes])
    first: dict[str, str] = {}
    for c in grade.criteria:
        bonus = f" ({phrase('page.bonus', language)})" if c.bonus else ""
        table.add_row(
            Text(c.id + bonus),
            Text(f"{points(c.points, language)} / {points(c.max, language)}", justify="right"),
            Text(phrase(OUTCOMES["manual" if c.manual else c.outcome], language), style=_style(c)),
            Text(_why(c, first, language)),
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
        return one_line(criterion.manual.note, WIDEST)
    if criterion.outcome != "not_run":
        return one_line(criterion.reason.text, WIDEST)
    above = first.setdefault(criterion.reason.text, criterion.id)
    if above == criterion.id:
        return one_line(criterion.reason.text, WIDEST)
    return phrase("feedback.as-for", language, criterion=above)


def _score(grade: Grade, language: Language) -> str:
    """Return the score in one sentence; its parts add up to the lab's points."""
    s = grade.score
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
    """Print claimed | recomputed | measured with the verdicts."""
    own = own_words(lab, language)
    grade = translated(lab, grade, language)
    heads = ("quantity", "claimed", "recomputed", "measured", "verdict")
    table = _table(f"{grade.submission.id}: {own['lab.title']}", [phrase(f"page.{head}", language) for head in heads])
    for line in comparison(lab, grade, language):
        table.add_row(
            Text(line.label),
            Text(line.claimed),
            Text(line.recomputed),
            Text(line.measured),
            Text(line.verdict, style=VERDICT_STYLE.get(line.state, "")),
        )
    console.print(table)
    heads = ("arm", "mode", "total", "first-output", "runs")
    arms = _table(phrase("feedback.timed-short", language), [phrase(f"page.{head}", language) for head in heads])
    for arm in timed_arms(grade.facts, language):
        arms.add_row(*(Text(cell) for cell in (arm.name, arm.mode, arm.total, arm.first_output, arm.n)))
    if arms.row_count:
        console.print(arms)
    ratios = _table(phrase("page.ratios", language), [phrase(code, language) for code in RATIO_COLUMNS])
    for ratio in timed_ratios(grade.facts, language):
        ratios.add_row(*(Text(cell) for cell in (ratio.name, ratio.value, ratio.verdict, ratio.loop)))
    if ratios.row_count:
        console.print(ratios)
    if noise := noise_of_times(grade.facts, language):
        console.print(Text(one_line(noise, WIDEST), style="yellow"))


def _table(title: str, heads: Sequence[str]) -> Table:
    """Return an empty table that cuts nothing: what is too wide goes on in the next line."""
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    return table


def show_plan(steps: Sequence[PlannedStep], language: Language = "en") -> None:
    """Print each step's command as it will run, in the sandbox's own paths, or why it will not."""
    for step in steps:
        if step.reason is not None:
            not_run = phrase("verdict-name.not-run", language)
            print(f"{step.id}: {not_run}: {one_line(words(step.reason, language=language))}")
        else:
            variables = [f"{name}={value}" for name, value in step.env.items()]
            print(f"{step.id}: {one_line(shlex.join([*variables, *step.argv]), 2000)}")


def show_claims(reading: ReportReading, lab: Lab) -> None:
    """Print what a report says, one line per reading."""
    console = Console(highlight=False)
    table = Table(title=f"Claims ({lab.id})", title_justify="left", box=None, pad_edge=False)
    for head in ("Id", "Value", "Read from", "Line", "Quote"):
        table.add_column(head, justify="right" if head == "Line" else "left", overflow="fold")
    for claim in reading.claims:
        value = claim.qualifier or "" if claim.value is None else _claimed(claim.value, claim.unit)
        mark = "" if claim.preferred else " (also)"
        table.add_row(
            Text(claim.id + mark), Text(value), Text(claim.source), str(claim.line), Text(one_line(claim.quote, 70))
        )
    console.print(table)
    if reading.table is None:
        console.print(Text("No comparison table found.", style="yellow"))
    for note in reading.notes:
        console.print(Text(words(Message(code=note)), style="dim"))


def _claimed(value: float | int | str, unit: str | None) -> str:
    from grader.model.grade import Quantity

    return quantity_text(Quantity.model_validate({"value": value, "unit": unit}))
