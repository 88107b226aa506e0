"""A stored grade judged again: a person's marks stay, and its folder tells what it is made of."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from grader import __version__
from grader.cli.labs import load_used
from grader.errors import UsageError
from grader.model.grade import Beside, Grade, ManualMark, StoredGrade
from grader.workflow.grade import LabUsed
from grader.workflow.judge import judge_again, judgement_files, kept_marks
from tests.cli.handed_out import REPORT, files

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.fixture(scope="module")
def used() -> LabUsed:
    return load_used("lab12-f25")


@pytest.fixture(scope="module")
def given() -> dict[str, bytes]:
    return files()


@pytest.fixture
def stored(given: dict[str, bytes]) -> Grade:
    return Grade.model_validate_json(given["grade.json"])


def again(used: LabUsed, grade: Grade, beside: Beside) -> dict[str, bytes]:
    stored = StoredGrade(grade=grade, sha256="a" * 64)
    return judgement_files(used, stored, judge_again(used, grade, {}, __version__), beside, "en", WHEN)


def test_marks_that_a_grade_holds_are_kept_beside_new_ones_which_win(used: LabUsed, stored: Grade) -> None:
    one, two = used.lab.rubric[0].id, used.lab.rubric[1].id
    first = judge_again(
        used, stored, {one: ManualMark(points=0.25, note="a"), two: ManualMark(points=0, note="b")}, "1"
    )
    second = judge_again(used, first, {two: ManualMark(points=0.5, note="c")}, "1")
    marks = kept_marks(second)
    assert (marks[one].points, marks[one].note) == (0.25, "a")
    assert (marks[two].points, marks[two].note) == (0.5, "c")


def test_a_grade_of_another_lab_is_not_judged(used: LabUsed, stored: Grade) -> None:
    other = stored.model_copy(update={"lab": stored.lab.model_copy(update={"id": "lab13"})})
    with pytest.raises(UsageError, match="lab13"):
        judge_again(used, other, {}, "1")


def test_with_all_beside_it_a_judgement_has_the_files_of_the_grade(
    used: LabUsed, stored: Grade, given: dict[str, bytes]
) -> None:
    made = again(used, stored, Beside(samples=given["samples.csv"], report=REPORT))
    assert set(made) == {"grade.json", "table.md", "feedback.md", "feedback.html", "run.json"}
    assert {name: data for name, data in made.items() if name != "run.json"} == {
        name: given[name] for name in made if name != "run.json"
    }


def test_with_nothing_beside_it_only_the_page_lacks_something(
    used: LabUsed, stored: Grade, given: dict[str, bytes]
) -> None:
    made = again(used, stored, Beside())
    assert {name for name in made if made[name] != given.get(name)} == {"feedback.html", "run.json"}


def test_its_record_names_the_bytes_that_were_judged_and_the_lab(used: LabUsed, stored: Grade) -> None:
    record = json.loads(again(used, stored, Beside())["run.json"])
    assert record == {
        "schema": "grader/judgement/1",
        "judged": "2026-01-02T03:04:05Z",
        "grade_sha256": "a" * 64,
        "lab_sha256": used.digest,
        "grader": __version__,
    }
