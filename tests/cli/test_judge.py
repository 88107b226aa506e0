"""`grader judge`: the same lab gives the same bytes, whatever was handed in; and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grader.adapters.labfile import labs_directory
from grader.cli.app import app
from grader.errors import UsageError
from tests.cli.handed_out import REPORT, written
from tests.regrading import judged_again

ROOT = Path(__file__).resolve().parents[2]


def reports() -> Iterator[Path]:
    """Yield every report of the fixtures, the examples and the lab."""
    yield from sorted((ROOT / "tests" / "data").rglob("*.md"))
    yield from sorted((ROOT / "examples").rglob("*submission*.md"))
    lab = labs_directory() / "lab12-f25"
    yield from (lab / "template.md", lab / "solution" / "submission12.md")


def judge(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["judge", *map(str, arguments)])


@pytest.mark.parametrize("report", list(reports()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_judgement_by_the_same_lab_gives_the_same_bytes(tmp_path: Path, report: Path) -> None:
    grade = written(tmp_path / "out", report=report.read_bytes())
    assert judged_again(grade) == grade.read_bytes()
    done = judge(grade, "--json")
    assert done.exit_code == 0
    assert done.stdout_bytes == grade.read_bytes()
    assert judge(grade.parent, "--diff", grade).stdout == "Nothing changed.\n"


def test_points_that_somebody_wrote_into_a_grade_do_not_count(tmp_path: Path) -> None:
    grade = written(tmp_path / "out")
    whole = grade.read_bytes()
    document = json.loads(whole)
    document["score"]["points"] = 10
    for criterion in document["criteria"]:
        criterion |= {"outcome": "pass", "points": criterion["max"]}
    grade.write_text(json.dumps(document), "utf-8")
    assert judge(grade, "--json").stdout_bytes == whole


def test_a_grade_of_another_lab_is_refused_on_either_side(tmp_path: Path) -> None:
    grade = written(tmp_path / "out")
    other = tmp_path / "other.json"
    other.write_text(grade.read_text("utf-8").replace('"id": "lab12-f25"', '"id": "lab99"'), "utf-8")
    for arguments, said in (
        ((other,), "no lab `lab99` comes with this program"),
        ((other, "--lab", "lab12-f25"), "this is a grade of lab `lab99`, not of `lab12-f25`"),
        ((grade, "--diff", other), "is a grade of lab `lab99`, not of `lab12-f25`"),
    ):
        done = judge(*arguments)
        assert isinstance(done.exception, UsageError)
        assert said in str(done.exception)


def test_a_grade_of_another_submission_is_compared_and_that_is_said(tmp_path: Path) -> None:
    old = written(tmp_path / "old")
    new = written(tmp_path / "new", report=REPORT.replace(b"9 MiB", b"4.48 MiB"))
    document = json.loads(old.read_bytes())
    document["submission"] |= {"id": "another-00000000", "manifest_sha256": "0" * 64}
    old.write_text(json.dumps(document), "utf-8")
    assert "another-00000000" in judge(new, "--diff", old).stdout


def test_a_judgement_is_written_beside_nothing_of_other_people(tmp_path: Path) -> None:
    grade = written(tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    for folder, said in ((tmp_path / "mine", "holds files that no grading wrote"), (grade.parent, "a whole grading")):
        before = sorted(folder.iterdir())
        done = judge(grade, "--out", folder)
        assert isinstance(done.exception, UsageError)
        assert said in str(done.exception)
        assert sorted(folder.iterdir()) == before
