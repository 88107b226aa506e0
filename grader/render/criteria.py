"""Criteria as feedback tells of them: in which group, and with which command to see the reason again.  Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Sequence

from grader.model.base import Language
from grader.model.grade import Criterion, Finding, SubmissionRef
from grader.model.submission import REPORT_ENTRY
from grader.render.catalogue import phrase

SEEN_IN_CLAIMS = frozenset(
    {
        "criterion.derived-wrong",
        "criterion.example",
        "criterion.no-table",
        "criterion.not-accepted",
        "criterion.not-stated",
        "criterion.table-gaps",
        "criterion.table-incomplete",
        "criterion.table-rows-absent",
    }
)
"""Reasons that lie in the report alone: what is read from it shows them, not the lab's own command."""

SEEN_NOWHERE = frozenset(
    {
        "criterion.finding",
        "criterion.need-failed",
        "criterion.not-attempted",
        "criterion.nothing-handed-in",
        "criterion.perhaps-in-a-picture",
    }
)
"""Reasons that no command shows."""

OUTCOMES = {
    "pass": "page.outcome-pass",
    "partial": "page.outcome-partial",
    "fail": "page.outcome-fail",
    "review": "page.outcome-review",
    "not_run": "page.outcome-not-run",
    "error": "page.outcome-error",
    "manual": "page.outcome-manual",
}
SEVERITIES = {"error": "page.severity-error", "warning": "page.severity-warning", "info": "page.severity-info"}
GROUPS = ("lost", "review", "apart", "passed", "bonus")
_PLACES = re.compile(r"\b(DIR|REPORT)\b")


def groups(criteria: Sequence[Criterion]) -> dict[str, list[Criterion]]:
    """Return the criteria by what became of their points, each once; every bonus apart, for it costs nothing.

    What `lost` lacks of its points adds up to the score's `lost`.
    """
    found: dict[str, list[Criterion]] = {name: [] for name in GROUPS}
    names = {"fail": "lost", "partial": "lost", "review": "review", "not_run": "apart", "error": "apart"}
    for c in criteria:
        name = names.get(c.outcome, "passed")
        if c.manual:
            name = "lost" if c.points < c.max else "passed"
        found["bonus" if c.bonus else name].append(c)
    return found


def by_reason(criteria: Sequence[Criterion]) -> tuple[tuple[str, tuple[Criterion, ...]], ...]:
    """Return the criteria by the text of their reason, so that each reason is said once."""
    found: dict[str, list[Criterion]] = {}
    for c in criteria:
        found.setdefault(c.reason.text, []).append(c)
    return tuple((text, tuple(those)) for text, those in found.items())


def command(criterion: Criterion, submission: SubmissionRef, language: Language = "en") -> str:
    """Return the command that shows a criterion's reason again, to be run in the folder of the lab's files.

    Returns: The lab's `reproduce` with `DIR` and `REPORT` as that folder and the report's path from it; empty where
        no command shows the reason.
    """
    if criterion.manual or criterion.reason.code in SEEN_NOWHERE:
        return ""
    text = "grader claims REPORT" if criterion.reason.code in SEEN_IN_CLAIMS else criterion.reproduce
    return _in_place(text, submission, language)


def settling(finding: Finding, submission: SubmissionRef, language: Language = "en") -> str:
    """Return the command that settles a finding, to be run in the same folder; empty where none does."""
    return _in_place(finding.reproduce, submission, language)


def _in_place(text: str, submission: SubmissionRef, language: Language) -> str:
    if "REPORT" in text and submission.report is None:
        return ""
    places = {"DIR": ".", "REPORT": _report(submission, language)}
    return _PLACES.sub(lambda found: places[found[0]], text)


def _report(submission: SubmissionRef, language: Language) -> str:
    """Name the report as a shell takes it; one from outside the submission has no path that we could know."""
    if submission.report in (None, REPORT_ENTRY):
        return phrase("feedback.your-report", language)
    return shlex.quote(posixpath.relpath(submission.report or "", submission.root))
