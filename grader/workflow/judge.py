"""Judge a stored grade again: from its facts, claims, circumstances and a person's marks; nothing is built or run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from grader.claims.reader import read_report
from grader.errors import UsageError
from grader.exports.samples import read_samples
from grader.judging.rules import RULE_CODE
from grader.model.base import Language, Record
from grader.model.grade import Beside, Grade, ManualMark, StoredGrade
from grader.model.run import TimedRuns
from grader.workflow.grade import LabUsed, judged, judged_files, own_table


class JudgementRecord(Record):
    """What `run.json` of a judgement says.

    History of the stored format
        grader/judgement/1   first format
    """

    schema_: Annotated[Literal["grader/judgement/1"], Field(alias="schema")] = "grader/judgement/1"
    judged: datetime
    grade_sha256: str
    lab_sha256: str
    grader: str


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


def judgement_files(
    used: LabUsed, stored: StoredGrade, grade: Grade, beside: Beside, language: Language, when: datetime
) -> dict[str, bytes]:
    """Return every file of a judgement's folder.

    Args:
        grade: What this lab makes of the stored grade.
        when: The time of day, for `run.json`.
    """
    runs = TimedRuns() if beside.samples is None else read_samples(beside.samples, used.lab.parameters)
    table = None if beside.report is None else _table_again(used, grade, beside.report)
    record = JudgementRecord(
        judged=when.replace(microsecond=0),
        grade_sha256=stored.sha256,
        lab_sha256=used.digest,
        grader=grade.grader.version,
    )
    run = json.dumps(record.model_dump(mode="json", by_alias=True), indent=2, sort_keys=True).encode() + b"\n"
    return judged_files(used.lab, grade, runs, beside.logs, language, table) | {"run.json": run}


def _table_again(used: LabUsed, grade: Grade, report: bytes) -> str | None:
    """Return the student's own table with what this judgement says of it; None if the report holds none."""
    name = grade.submission.report or "report"
    reading = read_report(report, used.lab, used.template, max_bytes=max(len(report), 1), name=name)
    return own_table(used.lab, grade, report, reading)


def kept_marks(grade: Grade) -> dict[str, ManualMark]:
    """Return the points that a person gave, by criterion."""
    return {c.id: c.manual for c in grade.criteria if c.manual is not None}
