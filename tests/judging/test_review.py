"""Handing criteria to a person: a stable order, and answers that are taken whole or not at all."""

from __future__ import annotations

import pytest

from grader.judging.review import Question, ask, suggestion, take_back
from grader.model.base import Message
from grader.model.grade import Criterion, Finding, Grade, ManualMark, StoredGrade
from grader.model.lab import Lab
from grader.model.report import Claim
from grader.model.review import ReviewAnswer
from tests.render.pages import grade

REPORT = "\n".join(f"line {n}" for n in range(1, 60))


def criterion(name: str, outcome: str = "review", code: str = "criterion.review", **more: object) -> Criterion:
    data = {"id": name, "max": 0.5, "points": 0, "outcome": outcome, "reason": {"code": code}}
    return Criterion.model_validate(data | more)


def stored(manifest: str = "a", *criteria: Criterion, **more: object) -> StoredGrade:
    raw = grade()
    about = raw.submission.model_copy(update={"manifest_sha256": manifest * 64})
    made: Grade = raw.model_copy(update={"submission": about, "criteria": criteria, **more})
    return StoredGrade(grade=made, sha256=manifest * 64)


WAITING = (criterion("t1.explain"), criterion("t4.questions"), criterion("t1.once", "pass", points=0.5))


def answer(**more: object) -> ReviewAnswer:
    data: dict[str, object] = {"place": "row 2", "id": f"{'a' * 16}:t1.explain", "points": 0.25, "note": "short"}
    return ReviewAnswer.model_validate(data | more)


def test_only_what_waits_is_asked_and_all_of_it_on_demand(lab: Lab) -> None:
    questions = [Question(stored=stored("a", *WAITING))]
    assert [i.criterion for i in ask(lab, "0" * 64, questions, "1").items] == ["t1.explain", "t4.questions"]
    assert len(ask(lab, "0" * 64, questions, "1", everything=True).items) == 3


def test_what_a_person_has_answered_is_not_asked_again(lab: Lab) -> None:
    marked = criterion("t1.explain", manual=ManualMark(points=0.3))
    assert not ask(lab, "0" * 64, [Question(stored=stored("a", marked))], "1").items


def test_the_order_does_not_depend_on_who_came_first_and_is_not_that_of_the_names(lab: Lab) -> None:
    grades = [Question(stored=stored(m, *WAITING)) for m in "0123456789abcdef"]
    there, back = ask(lab, "0" * 64, grades, "1").items, ask(lab, "0" * 64, grades[::-1], "1").items
    assert there == back
    first = [i.id[:1] for i in there if i.criterion == "t1.explain"]
    assert [i.criterion for i in there] == ["t1.explain"] * 16 + ["t4.questions"] * 16
    assert first != sorted(first)
    assert first != [i.id[:1] for i in there if i.criterion == "t4.questions"]


def test_a_question_shows_the_finding_with_its_lines(lab: Lab) -> None:
    finding = Finding(
        rule="wasm-image-larger",
        severity="warning",
        message=Message(code="rule.x", text="Larger."),
        quote="2 MB",
        line=30,
    )
    doubt = criterion("t3.image_size", code="criterion.finding")
    asked = Question(stored=stored("a", doubt, findings=(finding,)), report=REPORT)
    (item,) = ask(lab, "0" * 64, [asked], "1").items
    assert (item.line, item.quote, item.findings) == (30, "2 MB", "warning wasm-image-larger: Larger.")
    assert item.context == "28: line 28\n29: line 29\n30: line 30\n31: line 31\n32: line 32"


def test_prose_is_looked_for_where_its_task_shows_its_first_output(lab: Lab) -> None:
    """A person who reads an explanation is shown a place to begin, not an empty cell."""
    about = {"value": "x", "source": "output", "span": {"start": 0, "end": 1}}
    claims = tuple(
        Claim.model_validate(about | {"id": name, "quote": f"quote {line}", "line": line, "preferred": line != 3})
        for name, line in (("spin.url", 2), ("native.cli_output", 3), ("native.cli_output", 20))
    )
    asked = Question(stored=stored("a", *WAITING, claims=claims), report=REPORT)
    found = {i.criterion: (i.line, i.quote) for i in ask(lab, "0" * 64, [asked], "1").items}
    assert found == {"t1.explain": (20, "quote 20"), "t4.questions": (None, "")}


@pytest.mark.parametrize(
    ("given", "points"),
    [
        (criterion("t1.explain"), None),
        (criterion("t3.image_size", code="criterion.finding"), 0.5),
        (criterion("t3.image_size", reason={"code": "criterion.finding", "params": {"points": 0.25}}), 0.25),
        (criterion("t3.image_size", code="verdict.outside-known"), 0.0),
        (criterion("t1.once", "partial", points=0.25), 0.25),
        (criterion("t1.explain", manual=ManualMark(points=0.1)), 0.1),
    ],
)
def test_points_are_suggested_where_they_follow(given: Criterion, points: float | None) -> None:
    assert suggestion(given) == points


def test_marks_go_to_the_submission_that_they_are_for(lab: Lab) -> None:
    grades = [stored("a", *WAITING), stored("b", *WAITING)]
    merged = take_back(lab, grades, [answer(), answer(id=f"{'b' * 16}:t4.questions", points=None, note="")])
    assert merged.problems == ()
    assert merged.marks == ({"t1.explain": ManualMark(points=0.25, note="short")}, {})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": f"{'c' * 16}:t1.explain"}, "unknown id"),
        ({"id": "nonsense"}, "unknown id"),
        ({"id": f"{'a' * 16}:t9.magic"}, "unknown criterion `t9.magic`"),
        ({"points": 0.75}, "points 0.75; allowed: 0 to 0.5"),
        ({"points": -1.0}, "points -1; allowed: 0 to 0.5"),
        ({"max": 5.0}, "`max` says 5, the lab says 0.5"),
        ({"grade": "a" * 16, "suggested": 0.5}, "`suggested` was changed"),
        ({"grade": "a" * 16, "outcome": "pass"}, "`outcome` was changed"),
        ({"criterion": "t4.questions"}, "the columns were moved apart"),
        ({"submission": f"another-{'b' * 8}"}, "the columns were moved apart"),
        ({"points": None}, "a note without points would be lost"),
        ({"trouble": "`points` is no number"}, "`points` is no number"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named(lab: Lab, changed: dict[str, object], said: str) -> None:
    merged = take_back(lab, [stored("a", *WAITING)], [answer(**changed)])
    assert len(merged.problems) == 1
    assert merged.problems[0].startswith("row 2: ")
    assert said in merged.problems[0]
    assert merged.marks == ({},)


def test_a_suggestion_of_an_older_grade_is_no_reason_to_refuse(lab: Lab) -> None:
    old = answer(grade="b" * 16, suggested=0.5, outcome="fail", submission="old-name-01234567")
    assert not take_back(lab, [stored("a", *WAITING)], [old]).problems


def test_two_rows_that_disagree_are_refused_and_two_equal_ones_are_one(lab: Lab) -> None:
    grades = [stored("a", *WAITING)]
    assert not take_back(lab, grades, [answer(), answer(place="row 3")]).problems
    problems = take_back(lab, grades, [answer(), answer(place="row 3", points=0.5)]).problems
    assert problems == (f"row 3: `{'a' * 16}:t1.explain` is there twice, with different points or notes",)
