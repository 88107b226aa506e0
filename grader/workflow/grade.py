"""From facts and a reading to a grade and the files that tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.claims.gaps import absent_rows, empty_cells
from grader.claims.reader import read_report
from grader.exports.samples import samples_csv
from grader.judging.circumstances import circumstances_of
from grader.judging.compare import judge_claims
from grader.judging.judge import judge
from grader.model.base import Language, Message, Record, digest
from grader.model.grade import (
    Circumstances,
    Fact,
    Finding,
    Grade,
    GraderRef,
    LabRef,
    ManualMark,
    SubmissionRef,
    Verdict,
)
from grader.model.host import Fingerprint
from grader.model.lab import Lab
from grader.model.report import Cell, Claim, ReportReading
from grader.model.run import TimedRuns
from grader.model.submission import Submission
from grader.render.catalogue import translated, worded
from grader.render.escape import json_document
from grader.render.feedback import feedback_markdown
from grader.render.fill import CellChange, FillStyle, fill_table, filled_by_us, written_by_us
from grader.render.lab_table import table_markdown
from grader.render.labels import own_words
from grader.render.page import comparison_source, feedback_html


class LabUsed(Record):
    """A lab as it was loaded: the definition, the digest of all that judging depends on, and its report template."""

    lab: Lab
    digest: str
    template: str


class ReportUsed(Record):
    """A report as it was read; `stand_in` is the reading of the lab's template, which is filled where there is none.

    `evidence` are the files of output beside it, which were read with it.
    """

    data: bytes | None
    reading: ReportReading | None
    stand_in: ReportReading | None = None
    evidence: dict[str, bytes] = {}


class Graded(Record):
    """A grade, its output files by relative path, and the cells of the report's table that were changed."""

    grade: Grade
    files: dict[str, bytes]
    changes: tuple[CellChange, ...]


def grade_submission(
    used: LabUsed,
    submission: Submission,
    report: ReportUsed,
    facts: Sequence[Fact],
    host: Fingerprint,
    marks: Mapping[str, ManualMark],
    findings: Sequence[Finding],
    version: str,
) -> Grade:
    """Judge a measured submission; the result is worded in English and holds nothing of this run's time of day.

    What a filling wrote into the table is taken for the empty cell that it was: our number says nothing for itself.
    """
    lab, reading = used.lab, report.reading
    filled = _filled_before(lab, submission, report, facts)
    own = _read_without(used, report, [cell for _, cell in filled]) if filled else reading
    about = SubmissionRef(
        id=submission.id,
        source=submission.source,
        manifest_sha256=submission.manifest.sha256(),
        files=len(submission.manifest.entries),
        bytes=sum(e.size for e in submission.manifest.entries),
        report=submission.report_path,
        report_sha256=digest(report.data) if report.data is not None else None,
        notes=(*submission.messages, *(Message(code=note) for note in (reading.notes if reading else ()))),
        root=submission.root,
    )
    circumstances = circumstances_of(lab, submission, own, empty_cells(lab, reading), absent_rows(lab, reading))
    if filled:
        names = tuple(dict.fromkeys(claim_id for claim_id, _ in filled))
        circumstances = circumstances.model_copy(update={"filled_claims": names})
        findings = (*findings, _filled_finding(names, filled[0][1]))
    return judged(used, about, host, facts, own.claims if own else (), circumstances, marks, findings, version)


def _filled_before(
    lab: Lab, submission: Submission, report: ReportUsed, facts: Sequence[Fact]
) -> tuple[tuple[str, Cell], ...]:
    """Return the cells of the report that an earlier filling wrote, each with the claim it stands for."""
    reading = report.reading
    if reading is None or reading.table is None:
        return ()
    verdicts = judge_claims(lab, reading.claims, facts, circumstances_of(lab, submission, reading, ()))
    return written_by_us(reading, lab, facts, verdicts)


def _read_without(used: LabUsed, report: ReportUsed, cells: Sequence[Cell]) -> ReportReading:
    """Read a report again with cells blanked; every line and byte stays in its place."""
    data = bytearray(report.data or b"")
    for cell in cells:
        data[cell.span.start : cell.span.end] = b" " * (cell.span.end - cell.span.start)
    return read_report(bytes(data), used.lab, used.template, max_bytes=max(1, len(data)), evidence=report.evidence)


def _filled_finding(names: Sequence[str], first: Cell) -> Finding:
    return Finding(
        rule="filled-by-grader",
        severity="info",
        message=Message(code="finding.filled-by-grader", params={"ids": ", ".join(names)}),
        quote=first.text,
        line=first.line,
    )


def judged(
    used: LabUsed,
    submission: SubmissionRef,
    host: Fingerprint,
    facts: Sequence[Fact],
    claims: Sequence[Claim],
    circumstances: Circumstances,
    marks: Mapping[str, ManualMark],
    findings: Sequence[Finding],
    version: str,
) -> Grade:
    """Return the grade of what was measured and read, worded in English; equal arguments give an equal grade."""
    lab = used.lab
    judgement = judge(lab, facts, claims, circumstances, marks, findings)
    grade = Grade(
        lab=LabRef(id=lab.id, version=lab.version, sha256=used.digest),
        submission=submission,
        host=host,
        grader=GraderRef(version=version),
        circumstances=circumstances,
        facts=tuple(facts),
        claims=tuple(claims),
        verdicts=judgement.verdicts,
        findings=judgement.findings,
        criteria=judgement.criteria,
        score=judgement.score,
    )
    return worded(grade, own_words(lab))


def output_files(
    used: LabUsed,
    grade: Grade,
    report: ReportUsed,
    runs: TimedRuns,
    logs: Sequence[tuple[str, str]],
    steps: Mapping[str, bytes],
    style: FillStyle,
    language: Language = "en",
) -> Graded:
    """Return every file of the output folder but `run.json`.

    Args:
        logs: Messages of tools that failed, by step, for the feedback.
        steps: Files below `steps/`.
        language: Of what people read; `grade.json` stays as it is.
    """
    lab = used.lab
    data = report.data if report.data is not None else used.template.encode()
    read = report.reading or report.stand_in
    filled, changes = _filled(lab, grade, data, read, style) if read is not None else (data, ())
    table = comparison_source(filled, report.reading) if report.reading is not None else None
    files = judged_files(lab, grade, runs, logs, language, table) | {
        "report.md": filled,
        "report.orig.md": report.data or b"",
        "samples.csv": samples_csv(runs, grade),
    }
    files |= {f"steps/{name}": content for name, content in steps.items()}
    return Graded(grade=grade, files=files, changes=changes)


def own_table(lab: Lab, grade: Grade, data: bytes, reading: ReportReading) -> str | None:
    """Return the student's own table as this grade fills it, None if the report has none."""
    return comparison_source(_filled(lab, grade, data, reading, "annotate")[0], reading)


def _filled(
    lab: Lab, grade: Grade, data: bytes, reading: ReportReading, style: FillStyle
) -> tuple[bytes, tuple[CellChange, ...]]:
    verdicts = students_verdicts(lab, reading, grade)
    return fill_table(data, reading.encoding, reading, lab, grade.facts, verdicts, style)


def judged_files(
    lab: Lab,
    grade: Grade,
    runs: TimedRuns,
    logs: Sequence[tuple[str, str]],
    language: Language,
    own_table: str | None = None,
) -> dict[str, bytes]:
    """Return the files that a judgement alone decides, by relative path; `own_table` is the student's, as filled."""
    shown = translated(lab, grade, language)
    return {
        "grade.json": grade_json(grade),
        "table.md": table_markdown(lab, shown, language).encode(),
        "feedback.md": feedback_markdown(lab, shown, logs, language).encode(),
        "feedback.html": feedback_html(lab, shown, runs, own_table, logs, language).encode(),
    }


def grade_json(grade: Grade) -> bytes:
    """Return the one byte string that stands for a grade."""
    return json_document(grade.model_dump_json(by_alias=True, indent=2)).encode() + b"\n"


def students_verdicts(lab: Lab, reading: ReportReading, grade: Grade) -> tuple[Verdict, ...]:
    """Judge the student's cells without those that hold our own text, so that filling twice says the same twice."""
    ours = filled_by_us(reading, lab, grade.facts, grade.verdicts)
    claims = [c for c in grade.claims if c.cell not in ours]
    return judge_claims(lab, claims, grade.facts, grade.circumstances)
