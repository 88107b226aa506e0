"""What changed between two gradings, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from grader.cli.show import HEADING, score_sentence, table_of
from grader.judging.regrade import GradeDiff, Standing
from grader.model.base import Language
from grader.model.grade import Finding, VerdictName
from grader.model.lab import Lab
from grader.render.catalogue import phrase
from grader.render.comparison import NOTHING, VERDICTS, points
from grader.render.criteria import OUTCOMES, SEVERITIES
from grader.render.escape import one_line
from grader.render.labels import own_words, quantity_name


def show_diff(diff: GradeDiff, lab: Lab, language: Language = "en") -> None:
    """Print one line per change, or that there is none."""
    console = Console(highlight=False)
    own = own_words(lab, language)
    if diff.old.manifest_sha256 != diff.new.manifest_sha256:
        old, new = one_line(diff.old.submission), one_line(diff.new.submission)
        console.print(Text(phrase("diff.another", language, old=old, new=new)))
    if not diff.changed:
        console.print(Text(phrase("diff.none", language)))
        return
    heads = [phrase(code, language) for code in ("diff.what", "diff.before", "diff.now")]
    table = table_of(phrase("diff.title", language), heads)
    for criterion in diff.criteria:
        title = own.get(f"title.{criterion.id}", criterion.title)
        name = Text.assemble((one_line(title), HEADING), f" ({one_line(criterion.id)})")
        table.add_row(name, _standing(criterion.old, language), _standing(criterion.new, language))
        if criterion.reason:
            table.add_row("", "", Text(one_line(criterion.reason), style="dim"))
    for verdict in diff.verdicts:
        name = Text(phrase("diff.verdict", language, name=one_line(quantity_name(verdict.id, own, language=language))))
        table.add_row(name, _verdict(verdict.old, language), _verdict(verdict.new, language))
    for finding in diff.findings_gone:
        table.add_row(_rule(finding, language), _finding(finding, language), NOTHING)
    for finding in diff.findings_appeared:
        table.add_row(_rule(finding, language), NOTHING, _finding(finding, language))
    if diff.old_score != diff.new_score:
        old, new = (score_sentence(score, language) for score in (diff.old_score, diff.new_score))
        table.add_row(phrase("diff.score", language), old, new)
    console.print(table)


def _standing(standing: Standing | None, language: Language) -> Text:
    if standing is None:
        return Text(NOTHING)
    outcome = phrase(OUTCOMES["manual" if standing.manual else standing.outcome], language)
    return Text(f"{outcome}, {points(standing.points, language)} / {points(standing.max, language)}")


def _verdict(verdict: VerdictName | None, language: Language) -> str:
    return NOTHING if verdict is None else phrase(VERDICTS[verdict], language)


def _rule(finding: Finding, language: Language) -> Text:
    return Text(phrase("diff.finding", language, rule=one_line(finding.rule)))


def _finding(finding: Finding, language: Language) -> Text:
    where = f", {phrase('page.report-line', language, line=finding.line)}" if finding.line else ""
    return Text(f"{phrase(SEVERITIES[finding.severity], language)}{where}: {one_line(finding.quote)}")
