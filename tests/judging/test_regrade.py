"""What changed between two gradings: only what people would see, in the order of the new one."""

from __future__ import annotations

from grader.judging.regrade import Standing, compare_grades
from grader.model.base import Message
from grader.model.grade import Criterion, Finding, Grade, ManualMark
from tests.render.pages import grade


def criteria(given: Grade, **changes: object) -> Grade:
    """Return the grade with its first criterion changed."""
    first = given.criteria[0].model_copy(update=changes)
    return given.model_copy(update={"criteria": (first, *given.criteria[1:])})


def finding(line: int, quote: str = "q") -> Finding:
    return Finding(rule="r", severity="warning", message=Message(code="rule.r"), quote=quote, line=line)


def test_a_grade_and_itself_differ_in_nothing() -> None:
    diff = compare_grades(grade(), grade())
    assert not diff.changed
    assert (diff.criteria, diff.verdicts, diff.findings_appeared, diff.findings_gone) == ((), (), (), ())


def test_another_wording_of_a_reason_is_no_change_and_another_outcome_is() -> None:
    old = grade()
    assert not compare_grades(old, criteria(old, reason=Message(code="criterion.usable"), title="Renamed")).changed
    first = old.criteria[0]
    other = "fail" if first.outcome != "fail" else "pass"
    (change,) = compare_grades(old, criteria(old, outcome=other)).criteria
    assert change.id == first.id
    assert change.old is not None
    assert (change.old.outcome, change.new and change.new.outcome) == (first.outcome, other)


def test_points_of_a_person_are_a_change_even_if_they_are_as_many() -> None:
    old = grade()
    first = old.criteria[0]
    (change,) = compare_grades(old, criteria(old, manual=ManualMark(points=first.points, note=""))).criteria
    assert change.new == Standing(outcome=first.outcome, points=first.points, max=first.max, manual=True)


def test_a_criterion_of_one_side_alone_has_nothing_on_the_other_and_comes_last() -> None:
    old = grade()
    added: Criterion = old.criteria[-1].model_copy(update={"id": "t9.added"})
    new = old.model_copy(update={"criteria": (added, *old.criteria[1:])})
    changes = compare_grades(old, new).criteria
    assert [(c.id, c.old is None, c.new is None) for c in changes] == [
        ("t9.added", True, False),
        (old.criteria[0].id, False, True),
    ]


def test_verdicts_are_compared_by_id() -> None:
    old = grade()
    first = old.verdicts[0]
    changed = first.model_copy(update={"verdict": "missing" if first.verdict != "missing" else "consistent"})
    new = old.model_copy(update={"verdicts": (*old.verdicts[2:], changed)})
    found = {c.id: (c.old, c.new) for c in compare_grades(old, new).verdicts}
    assert found == {
        first.id: (first.verdict, changed.verdict),
        old.verdicts[1].id: (old.verdicts[1].verdict, None),
    }


def test_a_finding_is_told_as_often_as_it_came_or_went() -> None:
    old = grade().model_copy(update={"findings": (finding(1), finding(1), finding(2))})
    new = grade().model_copy(update={"findings": (finding(1), finding(3), finding(2, "another quote"))})
    diff = compare_grades(old, new)
    assert diff.changed
    assert [(f.line, f.quote) for f in diff.findings_appeared] == [(3, "q"), (2, "another quote")]
    assert [(f.line, f.quote) for f in diff.findings_gone] == [(1, "q"), (2, "q")]


def test_another_score_alone_is_a_change() -> None:
    old = grade()
    new = old.model_copy(update={"score": old.score.model_copy(update={"bonus": old.score.bonus + 1})})
    assert compare_grades(old, new).changed
