"""`grader fill`: a student's own comparison table, filled by measuring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import (
    DEFAULT_LAB,
    CacheOption,
    DryRunOption,
    EngineOption,
    LabOption,
    LangOption,
    LockOption,
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
from grader.model.submission import REPORT_BYTES

if TYPE_CHECKING:
    from grader.cli.session import Finished
    from grader.model.base import Language


def fill_command(
    source: SourceArgument,
    report: ReportOption = None,
    lab: LabOption = DEFAULT_LAB,
    out: OutOption = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Also change the report itself; the old one is kept as REPORT.bak.")
    ] = False,
    engine: EngineOption = "auto",
    style: StyleOption = "annotate",
    lang: LangOption = "en",
    trust: TrustOption = False,
    no_cache: NoCacheOption = False,
    remeasure: RemeasureOption = False,
    resume: ResumeOption = False,
    time_limit: TimeLimitOption = None,
    max_report_bytes: MaxReportBytes = REPORT_BYTES,
    cache: CacheOption = None,
    lock: LockOption = None,
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fill the comparison table of your own report; the filled copy lies in the output folder."""
    from grader.cli.broken import exit_if_broken
    from grader.cli.session import Request, plan_session, run_session
    from grader.cli.show import show_plan

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
        max_report_bytes=max_report_bytes,
        cache=cache,
        lock=lock,
        quiet=quiet,
        in_place=in_place,
    )
    if dry_run:
        plan = plan_session(request)
        show_plan(plan.steps, plan.effort, lang, plan.limit_s)
        return
    done = run_session(request)
    _tell(done, lang)
    exit_if_broken(done.graded.grade, done.folder, done.unrenewed)


def _tell(done: Finished, lang: Language) -> None:
    """Show the comparison and what was filled, and change the report itself where that was asked for."""
    from rich.console import Console
    from rich.text import Text

    from grader.cli.show import show_comparison
    from grader.errors import UsageError
    from grader.render.catalogue import phrase, translated
    from grader.render.comparison import first_upper
    from grader.render.escape import one_line, plain
    from grader.render.labels import cell_name, own_words

    target = done.report_file
    console = Console(highlight=False)
    show_comparison(done.lab, translated(done.lab, done.graded.grade, lang), console, lang)
    for change in done.graded.changes:
        cell = cell_name(f"{change.row}.{change.role}", own_words(done.lab, lang), language=lang)
        old = one_line(change.old) or phrase("feedback.filled-empty", lang)
        console.print(Text(f"{first_upper(cell)}: {old} ⇒ {one_line(change.new)}"))
    if target is None:
        console.print(Text(plain(phrase("feedback.filled-copy", lang, file=str(done.folder / "report.md")))))
        return
    if target.read_bytes() != done.graded.files["report.orig.md"]:
        raise UsageError(
            "the report changed while this ran; nothing was written to it",
            where=str(target),
            hint=f"take the filled copy `{done.folder / 'report.md'}`, or run again",
        )
    if done.graded.changes:
        backup = _write_in_place(target, done.graded.files["report.md"])
        console.print(Text(plain(phrase("feedback.filled", lang, file=str(target), backup=str(backup)))))
    else:
        console.print(Text(plain(phrase("feedback.nothing-changed", lang, file=str(target)))))


def _write_in_place(target: Path, data: bytes) -> Path:
    """Replace the report, keeping the old one under a name that nothing has yet."""
    from grader.adapters.output import replace_file

    number = 0
    backup = target.with_name(f"{target.name}.bak")
    while backup.exists():
        number += 1
        backup = target.with_name(f"{target.name}.bak{number}")
    replace_file(target, data, backup=backup)
    return backup
