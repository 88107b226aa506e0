"""Judge a stored grade again, as `grader judge` does; what comes of it must be the very bytes of the grade."""

from __future__ import annotations

from pathlib import Path

from grader import __version__
from grader.adapters.gradefile import load_grade
from grader.cli.labs import load_used
from grader.workflow.grade import grade_json
from grader.workflow.judge import judge_again


def judged_again(file: Path, lab: str | Path = "lab12-f25") -> bytes:
    """Return what a judgement by the same lab makes of a `grade.json`."""
    return grade_json(judge_again(load_used(str(lab)), load_grade(file), {}, __version__))
