"""A person's marks in the grade that a grading is about to replace: they survive it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from grader.adapters.gradefile import load_grade
from grader.errors import GraderError, UsageError
from grader.model.grade import Grade, ManualMark
from grader.model.lab import Lab
from grader.model.submission import Submission, shown
from grader.workflow.judge import kept_marks

_MARK = re.compile(rb'"manual"\s*:\s*\{')


def grade_there(folder: Path) -> Grade | None:
    """Return the grade that a folder holds, None if it holds none that can be read.

    Raises: UsageError for one that cannot be read and holds marks: they would be lost.
    """
    file = folder / "grade.json"
    if not file.is_file():
        return None
    try:
        return load_grade(folder)
    except GraderError as error:
        if not _MARK.search(file.read_bytes()):
            return None
        raise UsageError(
            f"the grade that is there cannot be read, and marks in it would be lost: {error.what}",
            where=shown(str(folder)),
            hint="name another folder with `--out`, or move this one away",
        ) from error


def marks_that_stay(old: Grade | None, lab: Lab, submission: Submission) -> dict[str, ManualMark]:
    """Return the marks of the same submission and lab; what is not taken over is said on stderr, with its points."""
    marks = kept_marks(old) if old is not None else {}
    if old is None or not marks:
        return {}
    known = {spec.id for spec in lab.rubric}
    same = old.lab.id == lab.id and old.submission.manifest_sha256 == submission.manifest.sha256()
    stay = {key: mark for key, mark in marks.items() if same and key in known}
    gone = [f"{shown(key)} {mark.points:g}" for key, mark in marks.items() if key not in stay]
    if gone:
        why = "the lab has no such criterion any more" if same else "they are of another submission or lab"
        print(f"grader: marks that are not taken over, because {why}: {', '.join(gone)}", file=sys.stderr)
    return stay
