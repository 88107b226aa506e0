"""`grader grade`: grade one submission with evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grader.cli.options import (
    CacheOption,
    FailOnOption,
    LabOption,
    LangOption,
    LockOption,
    MarksOption,
    MaxReportBytes,
)
from grader.model.base import Language

if TYPE_CHECKING:
    from grader.cli.session import Finished

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


def grade_command(
    source: SourceArgument,
    report: ReportOption = None,
    lab: LabOption = "lab12-f25",
    out: OutOption = None,
    engine: EngineOption = "auto",
    style: StyleOption = "annotate",
    lang: LangOption = "en",
    trust: TrustOption = False,
    no_cache: NoCacheOption = False,
    remeasure: RemeasureOption = False,
    resume: ResumeOption = False,
    time_limit: TimeLimitOption = None,
    marks: MarksOption = None,
    fail_on: FailOnOption = None,
    max_report_bytes: MaxReportBytes = 2_000_000,
    cache: CacheOption = None,
    lock: LockOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print grade.json on stdout and nothing else there.")] = False,
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
) -> None:
    """Grade one submission: build, run, time, read its report, judge, and fill its table."""
    from grader.cli.broken import exit_if_broken
    from grader.cli.failon import check_conditions, exit_if_holding
    from grader.cli.session import Request, plan_session, run_session
    from grader.cli.show import show_grade, show_plan
    from grader.render.escape import json_document

    check_conditions(fail_on or [])
    request = Request(
        source=source,
        report=report,
        lab=lab,
        out=out,
        engine=engine,
        style=style,
        language=lang,
        trust=trust,
        use_cache=not no_cache,
        remeasure=remeasure,
        resume=resume,
        time_limit=time_limit,
        marks=marks,
        max_report_bytes=max_report_bytes,
        cache=cache,
        lock=lock,
        quiet=quiet,
    )
    if dry_run:
        plan = plan_session(request)
        if as_json:
            typer.echo(json_document(plan.model_dump_json(indent=2)))
        else:
            show_plan(plan.steps, plan.effort, lang, plan.limit_s)
        return
    done = run_session(request)
    if as_json:
        typer.echo(done.graded.files["grade.json"], nl=False)
    else:
        show_grade(done.lab, done.graded.grade, done.folder, lang)
        _show_what_changed(done, lang)
    exit_if_broken(done.graded.grade, done.folder, done.unrenewed)
    exit_if_holding(fail_on or [], done.graded.grade)


def _show_what_changed(done: Finished, lang: Language) -> None:
    """Tell what a grade that lay there says otherwise; nothing if it is the first or the same."""
    from grader.cli.showdiff import show_diff
    from grader.judging.regrade import compare_grades

    before = done.before
    if before is None or before.lab.id != done.graded.grade.lab.id:
        return
    diff = compare_grades(before, done.graded.grade)
    if diff.changed:
        typer.echo()
        show_diff(diff, done.lab, lang)
