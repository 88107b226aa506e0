"""`grader judge`: judge a stored grade again; nothing is built, run or written without `--out`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import FailOnOption, LangOption, MarksOption
from grader.model.base import Language

if TYPE_CHECKING:
    from grader.judging.regrade import GradeDiff
    from grader.model.grade import Grade, StoredGrade
    from grader.model.lab import Lab
    from grader.workflow.grade import LabUsed


def judge_command(
    grade_file: Annotated[
        Path, typer.Argument(metavar="GRADE.json", help="The grade.json of a finished grading, or its folder.")
    ],
    lab: Annotated[
        str | None,
        typer.Option(
            "--lab", envvar="GRADER_LAB", help="Judge by this lab; the one that the grade names if not given."
        ),
    ] = None,
    diff: Annotated[
        Path | None, typer.Option("--diff", metavar="OLD.json", help="Tell what changed since that grade.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the judgement here; nothing is written if not given.")
    ] = None,
    marks: MarksOption = None,
    fail_on: FailOnOption = None,
    lang: LangOption = "en",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print grade.json, or with --diff what changed, and nothing else.")
    ] = False,
) -> None:
    """Judge a grade again from its own facts and claims: by a changed lab, a newer grader, or a person's marks."""
    from grader import __version__
    from grader.adapters.gradefile import load_grade, load_stored
    from grader.cli.failon import check_conditions, exit_if_holding
    from grader.cli.marks import load_marks
    from grader.errors import UsageError
    from grader.judging.regrade import compare_grades
    from grader.render.escape import one_line
    from grader.workflow.grade import grade_json
    from grader.workflow.judge import judge_again

    check_conditions(fail_on or [])
    stored = load_stored(grade_file)
    old = load_grade(diff) if diff is not None else None
    used = lab_of(stored.grade, lab)
    if old is not None and old.lab.id != used.lab.id:
        raise UsageError(
            f"`{one_line(str(diff))}` is a grade of lab `{one_line(old.lab.id)}`, not of `{used.lab.id}`",
            where="--diff",
            hint="compare grades of one lab",
        )
    given = load_marks(marks, used.lab)
    grade = judge_again(used, stored.grade, given, __version__)
    _tell(stored.grade, used)
    if out is not None:
        _write(out, grade_file, used, stored, grade, lang)
    if old is not None:
        _show_diff(compare_grades(old, grade), used.lab, lang, as_json=as_json)
    elif as_json:
        typer.echo(grade_json(grade), nl=False)
    else:
        from grader.cli.show import show_grade

        show_grade(used.lab, grade, out, lang)
    exit_if_holding(fail_on or [], grade)


def lab_of(stored: Grade, named: str | None) -> LabUsed:
    """Return the lab that was named, else the one of that id that comes with the program.

    An id from a file is never taken for a path.
    """
    from grader.adapters.labfile import find_labs
    from grader.cli.labs import load_used
    from grader.errors import UsageError

    if named is not None:
        return load_used(named)
    shipped = {folder.name: folder for folder in find_labs()}
    if stored.lab.id not in shipped:
        raise UsageError(
            f"no lab `{stored.lab.id[:80]}` comes with this program; there are: {', '.join(shipped)}",
            hint="name the lab's folder with `--lab`",
        )
    return load_used(str(shipped[stored.lab.id]))


def _tell(stored: Grade, used: LabUsed) -> None:
    """Say on stderr what a reader of the new judgement has to know about the old one."""
    from grader.render.escape import one_line
    from grader.workflow.judge import kept_marks

    if stored.lab.sha256 != used.digest:
        old, new = stored.lab.sha256[:12], used.digest[:12]
        typer.echo(f"grader: lab {used.lab.id} is another version now (was {one_line(old)}, is {new})", err=True)
    gone = sorted(set(kept_marks(stored)) - {spec.id for spec in used.lab.rubric})
    if gone:
        names = one_line(", ".join(gone))
        typer.echo(f"grader: the lab has no such criterion any more, so these marks are dropped: {names}", err=True)


def _write(out: Path, grade_file: Path, used: LabUsed, stored: StoredGrade, grade: Grade, lang: Language) -> None:
    """Write the judgement to a folder of its own; a grading's folder holds more, and is never replaced by less."""
    from datetime import UTC, datetime

    from grader.adapters.gradefile import beside
    from grader.adapters.output import REPLACED, OutputFolder
    from grader.errors import UsageError
    from grader.workflow.judge import judgement_files

    if (out / "report.orig.md").exists():
        raise UsageError(
            f"`{out}` holds a whole grading, which a new judgement must not replace",
            where="--out",
            hint="name a new or empty folder",
        )
    folder = OutputFolder(out.resolve())
    folder.check()
    found = beside(grade_file, grade)
    folder.write(judgement_files(used, stored, grade, found, lang, datetime.now(UTC)))
    if folder.was_current:
        typer.echo(f"grader: {REPLACED}", err=True)


def _show_diff(diff: GradeDiff, lab: Lab, lang: Language, *, as_json: bool) -> None:
    from grader.cli.showdiff import show_diff
    from grader.render.escape import json_document

    if as_json:
        typer.echo(json_document(diff.model_dump_json(by_alias=True, indent=2)).encode())
    else:
        show_diff(diff, lab, lang)
