"""`grader review`: marks go into grades, survive a new grading, and a bad file changes nothing."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grader.adapters.gradefile import load_grade
from grader.cli.app import app
from grader.cli.keptmarks import grade_there, marks_that_stay
from grader.cli.labs import load_used
from grader.errors import UsageError
from grader.model.submission import Manifest, Submission
from tests.cli.handed_out import written


def review(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["review", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    grade = written(tmp_path / "out")
    (grade.parent / "run.json").write_text("{}", "utf-8")
    (grade.parent / "steps").mkdir()
    (grade.parent / "steps" / "log").write_text("kept", "utf-8")
    return grade.parent


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def filled(folder: Path, file: Path, **cells: str) -> str:
    """Export, fill the first row and write it; return its criterion."""
    asked = rows(review("export", folder).stdout_bytes)
    asked[0] |= cells
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, list(asked[0]))
        table.writeheader()
        table.writerows(asked)
    return asked[0]["criterion"]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_waits_is_exported_and_nothing_else(folder: Path) -> None:
    waiting = {c.id for c in load_grade(folder).criteria if c.outcome == "review" and c.manual is None}
    assert {row["criterion"] for row in rows(review("export", folder).stdout_bytes)} == waiting
    as_json = json.loads(review("export", folder, "--json").stdout_bytes)
    assert {i["criterion"] for i in as_json["items"]} == waiting


def test_a_mark_goes_into_the_grade_and_its_pages_and_leaves_the_rest(folder: Path, tmp_path: Path) -> None:
    before = snapshot(folder)
    file = tmp_path / "marks.csv"
    criterion = filled(folder, file, points="0.25", note="short but right")
    done = review("import", file, folder)
    assert done.exit_code == 0, done.output
    assert "short but right" in done.stdout
    after = snapshot(folder)
    assert {name for name in before if before[name] != after[name]} <= {
        "grade.json", "table.md", "feedback.md", "feedback.html",
    }  # fmt: skip
    mark = next(c.manual for c in load_grade(folder).criteria if c.id == criterion)
    assert mark is not None
    assert (mark.points, mark.note) == (0.25, "short but right")
    assert "short but right" in (folder / "feedback.md").read_text("utf-8")
    again = review("import", file, folder)
    assert "0 of 1 grades changed" in again.stderr


def test_a_dry_run_tells_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    before = snapshot(folder)
    filled(folder, tmp_path / "marks.csv", points="0.25", note="short")
    done = review("import", tmp_path / "marks.csv", folder, "--dry-run")
    assert "1 of 1 grades would change" in done.stderr
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "cells", [{"id": "0:t1.once"}, {"max": "9"}, {"points": "=1+1"}, {"points": "99"}, {"note": "no points"}]
)
def test_a_bad_row_changes_nothing_at_all(folder: Path, tmp_path: Path, cells: dict[str, str]) -> None:
    before, file = snapshot(folder), tmp_path / "marks.csv"
    filled(folder, file, **{"points": "" if "note" in cells else "0.1", **cells})
    data = file.read_bytes()
    done = review("import", file, folder)
    assert isinstance(done.exception, UsageError)
    assert "row 2: " in done.exception.what
    assert done.exception.what.startswith("nothing was taken over")
    assert snapshot(folder) == before
    assert file.read_bytes() == data


def test_a_filled_file_is_never_written_over(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "marks.csv"
    file.write_text("somebody's marks", "utf-8")
    done = review("export", folder, "--out", file)
    assert isinstance(done.exception, UsageError)
    assert file.read_text("utf-8") == "somebody's marks"


def test_a_grade_that_is_named_twice_is_refused(folder: Path) -> None:
    done = review("export", folder, folder / "grade.json")
    assert isinstance(done.exception, UsageError)


def graded_again(folder: Path, manifest: str) -> dict[str, float]:
    used, old = load_used("lab12-f25"), grade_there(folder)

    class Same(Manifest):
        def sha256(self) -> str:
            return manifest

    submission = Submission(
        id="handed-in-01234567", source="directory", manifest=Same(entries=()), frozen_dir="x", report_path=None
    )
    return {name: mark.points for name, mark in marks_that_stay(old, used.lab, submission).items()}


def test_marks_survive_a_new_grading_of_the_same_submission(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    criterion = filled(folder, tmp_path / "marks.csv", points="0.25", note="short")
    review("import", tmp_path / "marks.csv", folder)
    stay = graded_again(folder, load_grade(folder).submission.manifest_sha256)
    assert stay[criterion] == 0.25
    assert capsys.readouterr().err == ""
    assert graded_again(folder, "f" * 64) == {}
    assert f"{criterion} 0.25" in capsys.readouterr().err


def test_a_grade_with_marks_that_cannot_be_read_is_not_replaced(folder: Path) -> None:
    (folder / "grade.json").write_text('{"schema": "grader/grade/9", "manual": {"points": 1}}', "utf-8")
    with pytest.raises(UsageError, match="marks in it would be lost"):
        grade_there(folder)
    (folder / "grade.json").write_text("cut off", "utf-8")
    assert grade_there(folder) is None
