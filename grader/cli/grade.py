"""`grader grade`: grade one submission with evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import (
    DEFAULT_LAB,
    CacheOption,
    DryRunOption,
    EngineOption,
    FailOnOption,
    LabOption,
    LangOption,
    LockOption,
    MarksOption,
    MaxReportBytes,
    NoCacheOption,
    OutOption,
    QuietOption,
    RemeasureOption,
    ReportOption,
    ResumeOption,
    SourceArgument,
    StyleOption,
    TimeLimitOption,
    TrustOption,
)
from grader.model.base import Language
from grader.model.submission import REPORT_BYTES

if TYPE_CHECKING:
    from grader.cli.session import Finished


def grade_command(
    source: SourceArgument,
    report: ReportOption = None,
    lab: LabOption = DEFAULT_LAB,
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
    max_report_bytes: MaxReportBytes = REPORT_BYTES,
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
