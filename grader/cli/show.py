"""Results on a terminal: tables by rich, plain where stdout is none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.model.base import Language, Message
from grader.model.grade import Grade
from grader.model.lab import Lab
from grader.model.report import ReportReading
from grader.render.catalogue import worded, words
from grader.render.cells import quantity_text
from grader.render.escape import one_line
from grader.render.feedback import comparison, points, timed_arms
from grader.render.labels import own_words
from grader.workflow.plan import PlannedStep

VERDICT_STYLE = {
    "reproduced": "green",
    "consistent": "green",
    "contradicted": "bold red",
    "missing": "yellow",
    "unverifiable": "cyan",
    "not run": "dim",
}
OUTCOME_STYLE = {"pass": "green", "partial": "yellow", "fail": "red", "review": "cyan", "not_run": "dim"}


def show_grade(lab: Lab, grade: Grade, folder: Path | None, language: Language = "en") -> None:
    """Print the comparison, the criteria, the score and where the files are, if there are any."""
    grade = worded(grade, own_words(lab, language), language=language)
    console = Console(highlight=False)
    show_comparison(lab, grade, console, language)
    table = Table(title="Criteria", title_justify="left", box=None, pad_edge=False)
    for head in ("Criterion", "Points", "Outcome", "Why"):
        table.add_column(head, justify="right" if head == "Points" else "left", overflow="fold")
    for c in grade.criteria:
        outcome = "given by a person" if c.manual else c.outcome.replace("_", " ")
        table.add_row(
            Text(c.id + (" (bonus)" if c.bonus else "")),
            f"{points(c.points)} / {points(c.max)}",
            Text(outcome, style=OUTCOME_STYLE.get(c.outcome, "")),
            Text(one_line(c.reason.text)),
        )
    console.print(table)
    for finding in grade.findings:
        where = f"report line {finding.line}: " if finding.line else ""
        console.print(Text(f"{finding.severity}: {where}{one_line(finding.message.text)}", style="yellow"))
    s = grade.score
    console.print(
        Text(
            f"\n{points(s.points + s.manual)} of {points(s.max)} points, {points(s.lost)} lost, "
            f"{points(s.pending_review)} for a person, {points(s.not_assessed)} not assessed here"
            + (f", bonus {points(s.bonus)}" if s.bonus else ""),
            style="bold",
        )
    )
    if folder is not None:
        console.print(Text(f"Files: {folder}"))


def show_comparison(lab: Lab, grade: Grade, console: Console, language: Language = "en") -> None:
    """Print claimed | recomputed | measured with the verdicts."""
    grade = worded(grade, own_words(lab, language), language=language)
    table = Table(title=f"{grade.submission.id}: {lab.title}", title_justify="left", box=None, pad_edge=False)
    for head in ("Quantity", "Claimed", "Recomputed", "Measured", "Verdict"):
        table.add_column(head, overflow="fold")
    for line in comparison(lab, grade):
        table.add_row(
            Text(line.label),
            Text(line.claimed),
            Text(line.recomputed),
            Text(line.measured),
            Text(line.verdict, style=VERDICT_STYLE.get(line.verdict, "")),
        )
    console.print(table)
    arms = Table(title="Timed arms", title_justify="left", box=None, pad_edge=False)
    for head in ("Arm", "Mode", "Spawn to exit", "To first output", "Runs"):
        arms.add_column(head, overflow="fold")
    for arm in timed_arms(grade.facts):
        arms.add_row(arm.arm, arm.mode, arm.total, arm.first_output, arm.n)
    if arms.row_count:
        console.print(arms)


def show_plan(steps: Sequence[PlannedStep]) -> None:
    """Print each step's command as it will run, in the sandbox's own paths, or why it will not."""
    for step in steps:
        if step.reason is not None:
            print(f"{step.id}: not run: {one_line(words(step.reason))}")
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
