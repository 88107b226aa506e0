"""Options that several commands share, each with its environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from grader.bootstrap.doctor import DEFAULT_LAB as DEFAULT_LAB
from grader.model.base import Language

LAB_HELP = "A lab's id, or the path of its folder or lab.yml."

LabOption = Annotated[str, typer.Option("--lab", envvar="GRADER_LAB", help=LAB_HELP)]
LabArgument = Annotated[str, typer.Argument(metavar="LAB", help=LAB_HELP)]
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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# Of the commands that grade.
Engine = Literal["auto", "embedded", "containers"]
Style = Literal["annotate", "only-empty", "replace"]

SourceArgument = Annotated[
    str, typer.Argument(metavar="DIR", help="A directory, a .zip or .tar archive, or git:REPO@REF[:PATH].")
]
ReportOption = Annotated[Path | None, typer.Option("--report", help="The report, if it is not found by itself.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Output folder; grader-out/<id> if not given.")]
EngineOption = Annotated[Engine, typer.Option("--engine", envvar="GRADER_ENGINE", help="What builds and runs.")]
StyleOption = Annotated[Style, typer.Option("--style", help="How filled cells of the table are treated.")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run the submission's code without a sandbox: only for code you wrote or read.")
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Build and time again what the cache holds.")]
RemeasureOption = Annotated[
    bool, typer.Option("--remeasure", help="Time again what was timed before; it stays until the new times are whole.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Keep the blocks of timed rounds that a run which was cut off has saved.")
]
TimeLimitOption = Annotated[
    str | None,
    typer.Option(
        "--time-limit",
        envvar="GRADER_TIME_LIMIT",
        metavar="DURATION",
        help="Bound the whole run: 90, 60s, 5m, 1h30m. What was not reached is not run and costs nothing.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print the exact commands and how long they may take; run nothing.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
