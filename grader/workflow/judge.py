"""Judge a stored grade again: from its facts, claims, circumstances and a person's marks; nothing is built or run."""

from __future__ import annotations

from collections.abc import Mapping

from grader.claims.reader import read_report
from grader.errors import UsageError
from grader.judging.rules import RULE_CODE
from grader.model.grade import Grade, ManualMark
from grader.workflow.grade import LabUsed, judged, own_table


def judge_again(used: LabUsed, grade: Grade, marks: Mapping[str, ManualMark], version: str) -> Grade:
    """Return the grade as this lab and this program judge it.

    Args:
        marks: A person's new points; those that the grade holds are kept beside them.
    Raises: UsageError if the grade is of another lab, or does not fit this one.
    """
    if grade.lab.id != used.lab.id:
        raise UsageError(
            f"this is a grade of lab `{grade.lab.id}`, not of `{used.lab.id}`",
            hint="name that lab with `--lab`",
        )
    findings = [f for f in grade.findings if not f.message.code.startswith(RULE_CODE)]
    return judged(
        used,
        grade.submission,
        grade.host,
        grade.facts,
        grade.claims,
        grade.circumstances,
        {**kept_marks(grade), **marks},
        findings,
        version,
    )


def table_again(used: LabUsed, grade: Grade, report: bytes) -> str | None:
    """Return the student's own table with what this judgement says of it; None if the report holds none."""
    name = grade.submission.report or "report"
    reading = read_report(report, used.lab, used.template, max_bytes=max(len(report), 1), name=name)
    return own_table(used.lab, grade, report, reading)


def kept_marks(grade: Grade) -> dict[str, ManualMark]:
    """Return the points that a person gave, by criterion."""
    return {c.id: c.manual for c in grade.criteria if c.manual is not None}
