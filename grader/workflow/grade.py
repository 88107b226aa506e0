"""From facts and a reading to a grade and the files that tell of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from grader.claims.parse import is_unanswered
from grader.judging.compare import judge_claims
from grader.judging.judge import judge
from grader.model.base import Language, Record, digest
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
from grader.model.lab import KnownInput, Lab
from grader.model.report import ReportReading
from grader.model.run import Campaign
from grader.model.submission import REPORT_ENTRY, Submission
from grader.render.catalogue import worded
from grader.render.escape import csv_cell
from grader.render.feedback import feedback_markdown, table_markdown
from grader.render.fill import CellChange, FillStyle, fill_table, filled_by_us

SAMPLE_COLUMNS = (
    "arm", "round", "outcome", "total_s", "first_output_s", "exit_code", "started_s", "seed", "lab_sha256", "grader"
)  # fmt: skip


class LabUsed(Record):
    """A lab as it was loaded: the definition, the digest of all that judging depends on, and its report template."""

    lab: Lab
    digest: str
    template: str


class Graded(Record):
    """A grade, its output files by relative path, and the cells of the report's table that were changed."""

    grade: Grade
    files: dict[str, bytes]
    changes: tuple[CellChange, ...]


def grade_submission(
    used: LabUsed,
    submission: Submission,
    report: bytes | None,
    reading: ReportReading | None,
    facts: Sequence[Fact],
    host: Fingerprint,
    marks: Mapping[str, ManualMark],
    findings: Sequence[Finding],
    version: str,
) -> Grade:
    """Judge a measured submission; the result is worded in English and holds nothing of this run's time of day."""
    lab = used.lab
    claims = reading.claims if reading else ()
    circumstances = circumstances_of(lab, submission, reading)
    judgement = judge(lab, facts, claims, circumstances, marks, findings)
    grade = Grade(
        lab=LabRef(id=lab.id, version=lab.version, sha256=used.digest),
        submission=SubmissionRef(
            id=submission.id,
            source=submission.source,
            manifest_sha256=submission.manifest.sha256(),
            files=len(submission.manifest.entries),
            bytes=sum(e.size for e in submission.manifest.entries),
            report=submission.report_path,
            report_sha256=digest(report) if report is not None else None,
            notes=submission.messages,
        ),
        host=host,
        grader=GraderRef(version=version),
        circumstances=circumstances,
        facts=tuple(facts),
        claims=claims,
        verdicts=judgement.verdicts,
        findings=judgement.findings,
        criteria=judgement.criteria,
        score=judgement.score,
    )
    return worded(grade, lab.messages.get("en"))


def circumstances_of(lab: Lab, submission: Submission, reading: ReportReading | None) -> Circumstances:
    """Return what judging needs to know of a submission beside its facts and claims."""
    root = "" if submission.root in ("", ".") else submission.root.rstrip("/") + "/"
    entries = {
        e.path.removeprefix(root): e
        for e in submission.manifest.under(submission.root)
        if e.path not in (submission.report_path, REPORT_ENTRY)
    }

    def differs(known: KnownInput) -> bool:
        entry = entries.get(known.path)
        return entry is not None and entry.sha256 not in known.sha256

    provided = {known.path for known in lab.inputs.provided}
    return Circumstances(
        sources_changed=any(differs(known) for known in lab.inputs.provided),
        known_values_apply=not any(differs(known) for known in lab.known_values_for),
        own_files=tuple(path for path in entries if path not in provided and path in _asked_for(lab)),
        own_words=reading.own_words if reading else 0,
        pictures=len(reading.pictures) if reading else 0,
        has_table=reading is not None and reading.table is not None,
        empty_cells=_empty_cells(lab, reading),
    )


def output_files(
    used: LabUsed,
    grade: Grade,
    report: bytes | None,
    reading: ReportReading | None,
    template_reading: ReportReading | None,
    campaign: Campaign | None,
    logs: Sequence[tuple[str, str]],
    steps: Mapping[str, bytes],
    style: FillStyle,
    language: Language = "en",
) -> Graded:
    """Return every file of the output folder but `run.json`.

    Args:
        template_reading: The reading of the lab's template, filled where the student handed in no report.
        logs: Messages of tools that failed, by step, for the feedback.
        steps: Files below `steps/`.
        language: Of what people read; `grade.json` stays as it is.
    """
    lab = used.lab
    data, read = (report, reading) if report is not None else (used.template.encode(), template_reading)
    filled: bytes = data
    changes: tuple[CellChange, ...] = ()
    if read is not None:
        verdicts = students_verdicts(lab, read, grade)
        filled, changes = fill_table(data, read.encoding, read, lab, grade.facts, verdicts, style)
    shown = worded(grade, lab.messages.get(language), language=language)
    files = {
        "grade.json": grade.model_dump_json(by_alias=True, indent=2).encode() + b"\n",
        "report.md": filled,
        "report.orig.md": report or b"",
        "table.md": table_markdown(lab, shown, language).encode(),
        "feedback.md": feedback_markdown(lab, shown, logs, language).encode(),
        "samples.csv": samples_csv(campaign, grade),
    }
    files |= {f"steps/{name}": content for name, content in steps.items()}
    return Graded(grade=grade, files=files, changes=changes)


def students_verdicts(lab: Lab, reading: ReportReading, grade: Grade) -> tuple[Verdict, ...]:
    """Judge the student's cells without those that hold our own text, so that filling twice says the same twice."""
    ours = filled_by_us(reading, lab, grade.facts, grade.verdicts)
    claims = [c for c in reading.claims if c.cell not in ours]
    return judge_claims(lab, claims, grade.facts, grade.circumstances)


def samples_csv(campaign: Campaign | None, grade: Grade) -> bytes:
    """Return every timed run as CSV, in the order in which they ran; times in seconds."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerow(SAMPLE_COLUMNS)
    if campaign is not None:
        origin = (campaign.seed, grade.lab.sha256, grade.grader.version)
        for s in campaign.samples:
            run = (csv_cell(s.arm), s.round_index, s.outcome, s.total_s, s.first_output_s, s.exit_code, s.started_s)
            writer.writerow((*run, *origin))
    return out.getvalue().encode()


def _asked_for(lab: Lab) -> frozenset[str]:
    return frozenset(file for task in lab.handed_in.values() for file in task.files)


def _empty_cells(lab: Lab, reading: ReportReading | None) -> tuple[str, ...]:
    """Return the required cells without an answer, as `row.column`; all of them where there is no table."""
    if reading is None or reading.table is None:
        return tuple(f"{row.key}.{role}" for row in lab.table.rows if row.required for role in _roles(lab))
    rows = {row.key: row for row in reading.table.rows}
    empty: list[str] = []
    for row in lab.table.rows:
        if not row.required:
            continue
        cells = rows[row.key].cells if row.key in rows else {}
        for role in _roles(lab):
            cell = cells.get(role)
            if cell is None or is_unanswered(cell.text):
                empty.append(f"{row.key}.{role}")
    return tuple(empty)


def _roles(lab: Lab) -> tuple[str, ...]:
    return (*lab.subjects, "derived")
