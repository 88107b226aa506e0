"""Read a stored grade and what lies beside it; each way in which it can be wrong is one clear message."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from grader import __version__
from grader.adapters.plainfile import read_plain_file
from grader.errors import IntakeError, UsageError
from grader.model.base import digest, first_mistake
from grader.model.grade import Beside, Grade, StoredGrade
from grader.model.submission import shown

MAX_GRADE_BYTES = 64 << 20
"""A grade of a report with 10,000 readings has a tenth of it."""

MAX_BESIDE_BYTES = 16 << 20
"""Of `samples.csv`, of the report and of a tool's messages."""

LARGEST = 1e100
"""Beyond it, and below its inverse, a quotient of two numbers of a grade might be no number any more."""

FAMILY = "grader/grade/"
SCHEMA = "grader/grade/1"
HINT = "give the `grade.json` that `grader grade` wrote; `grader lab schema --grade` prints its format"
NEWER_HINT = "judge with the version of grader that wrote it, or grade the submission again"


def find_grade(path: Path) -> Path:
    """Return the file of a grade that a person named: itself, what a link leads to, or `grade.json` of a folder."""
    path = path.resolve()
    return path / "grade.json" if path.is_dir() else path


def load_grade(path: Path) -> Grade:
    """Return a stored grade.  Raises: as `load_stored`."""
    return load_stored(path).grade


def load_stored(path: Path) -> StoredGrade:
    """Return a stored grade with the digest of the bytes that were read.

    Raises: IntakeError if the file cannot be read or is too large; UsageError, with the place in it, if it is no
        grade of this format.
    """
    where = str(path)
    try:
        data = read_plain_file(find_grade(path), MAX_GRADE_BYTES)
    except IntakeError as error:
        what = (
            "there is no `grade.json` in this folder" if path.is_dir() and not find_grade(path).exists() else error.what
        )
        raise IntakeError(what, where=shown(where), hint=HINT) from error
    try:
        document: object = from_json(data)
    except ValueError as error:
        raise UsageError(f"this is not JSON, or it is cut off: {error}", where=where, hint=HINT) from error
    if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
        raise UsageError("this JSON is no grade: it has no `schema`", where=where, hint=HINT)
    schema = document["schema"]
    if schema != SCHEMA:
        hint = NEWER_HINT if schema.startswith(FAMILY) else HINT
        raise UsageError(f"its schema is `{schema[:80]}`; this version reads `{SCHEMA}`", where=where, hint=hint)
    wild = next(_wild_numbers(document), None)
    if wild is not None:
        raise UsageError(f"`{wild}` is a number that no grade holds", where=where, hint=HINT)
    try:
        return StoredGrade(grade=Grade.model_validate(document), sha256=digest(data))
    except ValidationError as error:
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        writer = _written_by(document)
        by = f"; grader {writer[:40]} wrote it, this is {__version__}" if writer not in ("", __version__) else ""
        raise UsageError(f"{first_mistake(error)}{more}{by}", where=where, hint=NEWER_HINT if by else HINT) from error


def beside(path: Path, grade: Grade) -> Beside:
    """Return what lies beside a stored grade; a report only if it is the one that was graded."""
    folder = find_grade(path).parent
    report = _read(folder / "report.orig.md")
    return Beside(
        samples=_read(folder / "samples.csv"),
        report=report if report is not None and digest(report) == grade.submission.report_sha256 else None,
        logs=tuple(
            (step.name, log)
            for kind in ("build-*", "image-*")
            for step in sorted((folder / "steps").glob(kind))
            if (log := _log(step))
        ),
    )


def _written_by(document: Mapping[str, object]) -> str:
    """Return the version that a document says wrote it, empty if it says none."""
    grader = document.get("grader")
    version = grader.get("version") if isinstance(grader, dict) else None
    return version if isinstance(version, str) else ""


def _log(step: Path) -> str:
    """Return the messages of a build without an artifact; empty for any other, and for what cannot be read."""
    try:
        meta: object = json.loads(_read(step / "meta.json") or b"null")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(meta, dict) or meta.get("artifact_sha256") is not None:
        return ""
    return (_read(step / "stderr") or b"").decode("utf-8", "replace")


def _read(path: Path) -> bytes | None:
    try:
        return read_plain_file(path, MAX_BESIDE_BYTES)
    except IntakeError:
        return None


def _wild_numbers(document: object) -> Iterator[str]:
    """Yield the places of numbers that are not finite, or too large or small to reckon with; no recursion."""
    todo: list[tuple[str, object]] = [("", document)]
    while todo:
        place, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{place}.{key}"[-200:], child) for key, child in value.items()]
        elif isinstance(value, list):
            todo += [(f"{place}.{number}"[-200:], child) for number, child in enumerate(value)]
        elif isinstance(value, int | float) and _is_wild(value):
            yield place.lstrip(".")


def _is_wild(value: float) -> bool:
    if isinstance(value, float) and not math.isfinite(value):  # NaN first: it fails every comparison
        return True
    return not -LARGEST <= value <= LARGEST or 0 < abs(value) < 1 / LARGEST
