"""One student's feedback as Markdown.  Pure: templates are part of the program."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.base import Language
from grader.model.grade import Criterion, Grade
from grader.model.lab import Lab
from grader.render import escape
from grader.render.catalogue import phrase
from grader.render.comparison import ComparisonLine, comparison, first_upper, origin, points, sandbox_cost
from grader.render.confounds import time_notes
from grader.render.criteria import SEVERITIES, by_reason, command, groups, settling
from grader.render.lab_table import side_tables_markdown, timed_arms_markdown
from grader.render.markdown import code_span, fenced, table
from grader.render.ratiolines import noise_of_times, timed_ratios_markdown
from grader.render.templating import environment, first_lines

NO_SANDBOX = frozenset({"engine.no-sandbox", "sandbox.no-tool", "sandbox.not-tight", "sandbox.refused"})
"""Reasons of facts that say that the host could not run anything of anybody."""


def feedback_markdown(lab: Lab, grade: Grade, logs: Sequence[tuple[str, str]], language: Language = "en") -> str:
    """Return one student's feedback.

    Args:
        grade: Worded in `language`.
        logs: Messages of tools that failed, by step.
    """
    # Markdown, not HTML, so no autoescape: every text of a student goes through `md`, `code` or `log`.
    templates = environment(language, autoescape=False)
    templates.filters |= {
        "md": escape.markdown,
        "sentence": lambda text: escape.markdown(text, escape.SENTENCE),
        "first_upper": first_upper,
        "code": code_span,
        "log": lambda text: _log(text, language),
        "points": lambda value: points(value, language),
    }
    lines = comparison(lab, grade, language)
    return templates.get_template("feedback.md.j2").render(
        severities=SEVERITIES,
        grade=grade,
        groups=groups(grade.criteria),
        by_reason=by_reason,
        command=lambda criterion: command(criterion, grade.submission, language),
        settling=lambda finding: settling(finding, grade.submission, language),
        commands_in=_commands_in(grade, language),
        report_lines=_report_lines,
        table=comparison_markdown(lines, language),
        not_run=reasons_once(lines),
        timed=timed_arms_markdown(grade, language),
        sandbox_cost=sandbox_cost(grade.facts, language),
        ratios=timed_ratios_markdown(lab, grade.facts, language),
        noise=noise_of_times(grade.facts, language),
        time_notes=time_notes(lab, grade.facts, language),
        sides=side_tables_markdown(lab, grade, language),
        missing=notes_on_what_is_missing(lab, grade, language),
        origin=origin(grade, language, escape.markdown),
        logs=list(logs),
    )


def comparison_markdown(lines: Sequence[ComparisonLine], language: Language = "en") -> str:
    """Return the comparison as a Markdown table; why something was not run is said once, below it."""
    heads = ("quantity", "claimed", "recomputed", "measured", "verdict", "why")
    below = phrase("feedback.see-below", language)
    rows = [
        (x.label, x.claimed, x.recomputed, x.measured, x.verdict, below if x.state == "not_run" else x.reason)
        for x in lines
    ]
    return table([phrase(f"page.{head}", language) for head in heads], rows)


def reasons_once(lines: Sequence[ComparisonLine]) -> dict[str, list[str]]:
    """Return the quantities that were not run, by the reason for it."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.state == "not_run":
            found.setdefault(line.reason, []).append(line.label)
    return found


def notes_on_what_is_missing(lab: Lab, grade: Grade, language: Language = "en") -> tuple[str, ...]:
    """Return what a student should know first: no report, nothing of their own, or a host that could run nothing."""
    where = grade.circumstances
    notes: list[str] = []
    if grade.submission.report is None:
        notes.append(phrase("feedback.no-report", language, places=", ".join(lab.inputs.reports)))
    own = where.sources_changed or where.own_files or where.own_words or where.pictures
    if not own and not any(claim.stated for claim in grade.claims):
        notes.append(phrase("feedback.all-provided", language))
    if any(f.reason is not None and f.reason.code in NO_SANDBOX for f in grade.facts):
        notes.append(phrase("feedback.no-sandbox", language))
    return tuple(notes)


def _commands_in(grade: Grade, language: Language) -> str:
    """Say where the commands are run, if there are any to be shown."""
    if not any(command(c, grade.submission) for c in groups(grade.criteria)["lost"]):
        return ""
    root = grade.submission.root
    if root in ("", "."):
        return phrase("feedback.commands", language)
    return phrase("feedback.commands-in", language, folder=code_span(root))


def _report_lines(criterion: Criterion) -> str:
    lines = [e.removeprefix("report:") for e in criterion.evidence if e.startswith("report:")]
    return ", ".join(lines)


def _log(text: str, language: Language) -> str:
    lines, more = first_lines(text, language)
    return fenced("\n".join(lines), more)
