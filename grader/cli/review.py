"""`grader review`: hand what waits for a person to one, and take the marks back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import LangOption

if TYPE_CHECKING:
    from grader.adapters.output import OutputFolder
    from grader.judging.regrade import GradeDiff
    from grader.model.base import Language
    from grader.model.grade import Grade, StoredGrade
    from grader.workflow.grade import LabUsed

review_app = typer.Typer(help="Hand what waits for a person to one, and take the marks back.", no_args_is_help=True)

GradesArgument = Annotated[
    list[Path], typer.Argument(metavar="GRADE...", help="Output folders of gradings, or their grade.json.")
]
LabOfGradesOption = Annotated[
    str | None,
    typer.Option("--lab", envvar="GRADER_LAB", help="Judge by this lab; the one that the grades name if not given."),
]

MOST_PROBLEMS = 10
"""Rows of a review file that one message names."""

MAX_REVIEW_BYTES = 256 << 20

MAX_COURSE_BYTES = 16 << 20

SHARED = {
    "report": "the same report",
    "artifact": "equal artifacts",
    "values": "equal measured values",
    "timestamp": "equal time stamps",
    "identifier": "equal digests or container ids",
    "runs": "equal lists of runs",
    "prose": "equal pieces of prose",
}


@review_app.command("export")
def export(
    grades: GradesArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file, .csv or .json; CSV on stdout if not given.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every criterion, not only those that wait.")] = False,
    lab: LabOfGradesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of CSV.")] = False,
) -> None:
    """Write what waits for a person: quote, context, suggested points; empty columns for points and a note."""
    from grader import __version__
    from grader.adapters.gradefile import beside
    from grader.exports.review import review_csv, review_json
    from grader.judging.review import Question, ask

    used, stored = _load(grades, lab)
    questions = [
        Question(stored=one, report=(beside(path, one.grade).report or b"").decode("utf-8", "replace"))
        for path, one in zip(grades, stored, strict=True)
    ]
    review = ask(used.lab, used.digest, questions, __version__, everything=everything)
    wants_json = as_json or (out is not None and out.suffix.lower() == ".json")
    data = review_json(review) if wants_json else review_csv(review)
    if out is None:
        typer.echo(data, nl=False)
        return
    _write_new(out, data)
    typer.echo(f"grader: {len(review.items)} to review in {out}", err=True)


@review_app.command("import")
def import_(
    review: Annotated[Path, typer.Argument(metavar="REVIEW", help="The review file with points filled in.")],
    grades: GradesArgument,
    lab: LabOfGradesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would change and write nothing.")] = False,
    lang: LangOption = "en",
) -> None:
    """Put a person's points into the grades; a file with any bad row changes nothing."""
    from grader import __version__
    from grader.adapters.plainfile import read_plain_file
    from grader.errors import UsageError
    from grader.exports.review import HINT, read_review
    from grader.judging.regrade import compare_grades
    from grader.judging.review import take_back
    from grader.workflow.judge import judge_again

    used, stored = _load(grades, lab)
    answers = read_review(read_plain_file(review, MAX_REVIEW_BYTES), str(review))
    merged = take_back(used.lab, stored, answers)
    if merged.problems:
        more = len(merged.problems) - MOST_PROBLEMS
        named = "\n".join(f"  {problem}" for problem in merged.problems[:MOST_PROBLEMS])
        rest = f"\n  and {more} more" if more > 0 else ""
        raise UsageError(f"nothing was taken over:\n{named}{rest}", where=str(review), hint=HINT)
    changes: list[tuple[Path, StoredGrade, Grade, GradeDiff]] = []
    for path, one, marks in zip(grades, stored, merged.marks, strict=True):
        grade = judge_again(used, one.grade, marks, __version__)
        diff = compare_grades(one.grade, grade)
        if grade != one.grade:
            changes.append((path, one, grade, diff))
    if not dry_run:
        _check_all([path for path, *_ in changes])
    for path, one, grade, diff in changes:
        typer.echo(f"{grade.submission.id}:")
        _show(diff, used, lang)
        if not dry_run:
            _write(path, one, grade, used, lang)
    given = sum(len(marks) for marks in merged.marks)
    done = "would change" if dry_run else "changed"
    typer.echo(f"grader: {given} marks, {len(changes)} of {len(grades)} grades {done}", err=True)


@review_app.command("similar")
def similar(
    grades: GradesArgument,
    course_text: Annotated[
        list[Path] | None,
        typer.Option("--course-text", help="A text of the course, which counts for nobody; give several."),
    ] = None,
    lab: LabOfGradesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Name pairs that share what chance does not give, for a person to look at; nothing is scored by it."""
    from grader.adapters.gradefile import beside
    from grader.adapters.plainfile import read_plain_file
    from grader.judging.similarity import shingles, similar_pairs, traits
    from grader.render.escape import one_line

    used, stored = _load(grades, lab)
    course = shingles(used.template)
    for file in course_text or []:
        course |= shingles(read_plain_file(file, MAX_COURSE_BYTES).decode("utf-8", "replace"))
    found = similar_pairs(
        [
            traits(used.lab, one.grade, (beside(path, one.grade).report or b"").decode("utf-8", "replace"), course)
            for path, one in zip(grades, stored, strict=True)
        ]
    )
    if as_json:
        document = {"schema": "grader/similar/1", "pairs": [pair.model_dump(mode="json") for pair in found]}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False).encode())
        return
    for pair in found:
        typer.echo(one_line(f"{pair.first} and {pair.second}"))
        for shared in pair.shared:
            share = f", {shared.share:.0%} of the shorter" if shared.share is not None else ""
            examples = one_line("; ".join(shared.examples))
            typer.echo(f"  {SHARED[shared.kind]}: {shared.count}{share}  {examples}".rstrip())
    typer.echo(f"grader: {len(found)} pairs among {len(grades)}; a reason to look, never a score", err=True)


def _load(paths: list[Path], lab: str | None) -> tuple[LabUsed, tuple[StoredGrade, ...]]:
    from grader.adapters.gradefile import find_grade, load_stored
    from grader.cli.judge import lab_of
    from grader.errors import UsageError

    if len({find_grade(path) for path in paths}) != len(paths):
        raise UsageError("a grade is named twice", hint="name each grade once")
    stored = tuple(load_stored(path) for path in paths)
    used = lab_of(stored[0].grade, lab)
    for path, one in zip(paths, stored, strict=True):
        if one.grade.lab.id != used.lab.id:
            raise UsageError(
                f"this is a grade of lab `{one.grade.lab.id[:80]}`, not of `{used.lab.id}`",
                where=str(path),
                hint="review the grades of one lab at a time",
            )
    return used, stored


def _write_new(out: Path, data: bytes) -> None:
    """Write a file that is not there yet: a filled review file must never be replaced by an empty one."""
    from grader.errors import HostError, UsageError

    try:
        with out.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise UsageError(
            f"`{out}` is there already; it may hold somebody's marks", where="--out", hint="name a new file"
        ) from error
    except OSError as error:
        raise HostError(f"cannot write: {error.strerror}", where=str(out), hint="name another file") from error


def _check_all(paths: list[Path]) -> None:
    """Refuse before the first grade is written what could not be written for the last."""
    for path in paths:
        _folder(path).check()


def _folder(path: Path) -> OutputFolder:
    from grader.adapters.gradefile import find_grade
    from grader.adapters.output import OutputFolder

    return OutputFolder(find_grade(path).parent)


def _write(path: Path, stored: StoredGrade, grade: Grade, used: LabUsed, lang: Language) -> None:
    """Replace the files that judging decides; all others of the folder stay, byte by byte."""
    from datetime import UTC, datetime

    from grader.adapters.gradefile import beside
    from grader.adapters.output import REPLACED
    from grader.workflow.judge import judgement_files

    folder = _folder(path)
    there = folder.files()
    made = judgement_files(used, stored, grade, beside(path, stored.grade), lang, datetime.now(UTC))
    made.pop("run.json")  # what the folder's own run took is still true
    folder.write(there | made)
    if folder.was_current:
        typer.echo(f"grader: {REPLACED}", err=True)


def _show(diff: GradeDiff, used: LabUsed, lang: Language) -> None:
    from grader.cli.showdiff import show_diff

    show_diff(diff, used.lab, lang)
