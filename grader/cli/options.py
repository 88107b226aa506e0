"""Options that several commands share, each with its environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.model.base import Language

LabOption = Annotated[
    str, typer.Option("--lab", envvar="GRADER_LAB", help="A lab's id, or the path of its folder or lab.yml.")
]
MaxReportBytes = Annotated[
    int,
    typer.Option(
        "--max-report-bytes", envvar="GRADER_MAX_REPORT_BYTES", min=1, help="Largest report that is read, in bytes."
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        envvar="GRADER_CACHE",
        help="Cache folder instead of the user's own; only where every writer may grade.",
    ),
]
LockOption = Annotated[
    Path | None,
    typer.Option("--lock", envvar="GRADER_LOCK", help="Host lock instead of /run/lock/lab-grader.lock."),
]
# Errors and progress are English in every language: they are for looking up, in a search as in these documents, and
# the first of them are said by the standard library alone, before there is an environment with a catalogue.
LangOption = Annotated[
    Language,
    typer.Option("--lang", envvar="GRADER_LANG", help="Language of feedback.*, table.md and the printed tables."),
]
MarksOption = Annotated[
    Path | None, typer.Option("--marks", help="JSON file of a person's points: criterion -> points, note.")
]
FailOnOption = Annotated[
    list[str] | None,
    typer.Option("--fail-on", help="Exit 4 if this holds: contradicted, review, finding:error, score<N."),
]
