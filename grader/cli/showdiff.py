"""What changed between two gradings, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.judging.regrade import GradeDiff, Standing
from grader.model.grade import Finding, Score
from grader.render.comparison import points
from grader.render.escape import one_line


def show_diff(diff: GradeDiff) -> None:
    """Print one line per change, or that there is none."""
    console = Console(highlight=False)
    if diff.old.manifest_sha256 != diff.new.manifest_sha256:
        console.print(Text(f"Another submission: {one_line(diff.old.submission)}, now {one_line(diff.new.submission)}"))
    if not diff.changed:
        console.print(Text("Nothing changed."))
        return
    table = Table(title="Changed", title_justify="left", box=None, pad_edge=False)
    for head in ("What", "Before", "Now"):
        table.add_column(head, overflow="fold")
    for criterion in diff.criteria:
        table.add_row(Text(one_line(criterion.id)), _standing(criterion.old), _standing(criterion.new))
    for verdict in diff.verdicts:
        name = Text(f"verdict {one_line(verdict.id)}")
        table.add_row(name, (verdict.old or "—").replace("_", " "), (verdict.new or "—").replace("_", " "))
    for finding in diff.findings_gone:
        table.add_row(*_finding(finding), "—")
    for finding in diff.findings_appeared:
        what, words = _finding(finding)
        table.add_row(what, "—", words)
    if diff.old_score != diff.new_score:
        table.add_row("score", _score(diff.old_score), _score(diff.new_score))
    console.print(table)


def _standing(standing: Standing | None) -> Text:
    if standing is None:
        return Text("—")
    outcome = "given by a person" if standing.manual else standing.outcome.replace("_", " ")
    return Text(f"{outcome}, {points(standing.points)} / {points(standing.max)}")


def _finding(finding: Finding) -> tuple[Text, Text]:
    where = f" in report line {finding.line}" if finding.line else ""
    return Text(f"finding {one_line(finding.rule)}"), Text(f"{finding.severity}{where}: {one_line(finding.quote)}")


def _score(score: Score) -> str:
    return (
        f"{points(score.points + score.manual)} of {points(score.max)}, {points(score.lost)} lost, "
        f"{points(score.pending_review)} for a person, {points(score.not_assessed)} not assessed"
        + (f", bonus {points(score.bonus)}" if score.bonus else "")
    )
