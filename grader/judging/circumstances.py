"""What judging needs of a submission beside facts and claims, so that judging again needs no submission.  Pure."""

from __future__ import annotations

from grader.model.grade import Circumstances
from grader.model.lab import KnownInput, Lab
from grader.model.report import ReportReading
from grader.model.submission import REPORT_ENTRY, Submission


def circumstances_of(
    lab: Lab,
    submission: Submission,
    reading: ReportReading | None,
    empty_cells: tuple[str, ...],
    absent_rows: tuple[str, ...] = (),
) -> Circumstances:
    """Return what is kept in the grade.

    Args:
        empty_cells: The table's required cells without an answer, those of absent rows among them.
        absent_rows: The required rows that the table lacks.
    """
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
    asked_for = {file for task in lab.handed_in.values() for file in task.files}
    files = Circumstances(
        sources_changed=any(differs(known) for known in lab.inputs.provided),
        known_values_apply=not any(differs(known) for known in lab.known_values_for),
        own_files=tuple(path for path in entries if path not in provided and path in asked_for),
    )
    return with_reading(files, reading, empty_cells, absent_rows)


def with_reading(
    files: Circumstances,
    reading: ReportReading | None,
    empty_cells: tuple[str, ...],
    absent_rows: tuple[str, ...] = (),
) -> Circumstances:
    """Return what is known of the files, beside this report and no other."""
    return Circumstances(
        sources_changed=files.sources_changed,
        known_values_apply=files.known_values_apply,
        own_files=files.own_files,
        own_words=reading.own_words if reading else 0,
        pictures=len(reading.pictures) if reading else 0,
        has_table=reading is not None and reading.table is not None,
        empty_cells=empty_cells,
        absent_rows=absent_rows,
    )
