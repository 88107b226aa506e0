"""Hand criteria to a person and take their marks back.  Pure.

The order of the questions is that of the rubric, and within a criterion a hash of criterion and submission: the same
for the same grades, and telling nothing about names, so that nobody is always read first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from grader.model.base import Record
from grader.model.grade import Criterion, Grade, ManualMark, StoredGrade
from grader.model.lab import Lab
from grader.model.review import ReviewAnswer, ReviewFile, ReviewItem

CONTEXT_LINES = 2
"""Lines of the report before and after the quoted one."""

CONTEXT_CHARACTERS = 300
"""Of one such line."""

_EVIDENCE = "report:"
_WOULD_EARN = frozenset({"criterion.finding"})
_WOULD_LOSE = frozenset({"verdict.contradicted", "verdict.outside-known"})


class Question(Record):
    """A stored grade with what is needed to ask about it."""

    stored: StoredGrade
    report: str = ""


class Merged(Record):
    """What a review file says about a set of grades.

    `marks` by grade, in the order of the grades; `problems` name what cannot be taken, and then nothing is.
    """

    marks: tuple[dict[str, ManualMark], ...]
    problems: tuple[str, ...]


def ask(lab: Lab, lab_sha256: str, grades: Sequence[Question], version: str, *, everything: bool = False) -> ReviewFile:
    """Return what a person is asked: the criteria that wait for one, or all of them."""
    order = {spec.id: number for number, spec in enumerate(lab.rubric)}
    items = [
        _item(lab, question, criterion)
        for question in grades
        for criterion in question.stored.grade.criteria
        if everything or (criterion.outcome == "review" and criterion.manual is None)
    ]
    items.sort(key=lambda item: (order.get(item.criterion, len(order)), _shuffled(item)))
    return ReviewFile(lab=lab.id, lab_sha256=lab_sha256, grader=version, items=tuple(items))


def take_back(lab: Lab, grades: Sequence[StoredGrade], answers: Sequence[ReviewAnswer]) -> Merged:
    """Return the marks that a review file gives to each grade; a row without points gives none.

    A row is refused if it is about no criterion of these grades, if a column that is not the person's was changed or
    slipped to another row, if its points are outside 0 to the maximum, or if another row of the same id says
    something else.
    """
    marks: tuple[dict[str, ManualMark], ...] = tuple({} for _ in grades)
    asked = {spec.id: spec.points for spec in lab.rubric}
    by_manifest: dict[str, list[int]] = {}
    for number, stored in enumerate(grades):
        by_manifest.setdefault(_front(stored.grade), []).append(number)
    problems: list[str] = []
    for answer in answers:
        front, _, criterion = answer.id.partition(":")
        where = by_manifest.get(front, [])
        problem = answer.trouble or _problem(answer, criterion, asked, [grades[n] for n in where])
        if problem:
            problems.append(f"{answer.place}: {problem}")
            continue
        if answer.points is None:
            continue
        mark = ManualMark(points=answer.points, note=answer.note)
        for number in where:
            if marks[number].setdefault(criterion, mark) != mark:
                problems.append(f"{answer.place}: `{answer.id}` is there twice, with different points or notes")
                break
    return Merged(marks=marks, problems=tuple(problems))


def suggestion(criterion: Criterion) -> float | None:
    """Return the points of a criterion as it stands, or as it would without the doubt; None where prose decides."""
    if criterion.manual is not None:
        return criterion.manual.points
    if criterion.outcome in ("pass", "partial", "fail"):
        return criterion.points
    if criterion.reason.code in _WOULD_EARN:
        earned = criterion.reason.params.get("points")
        return float(earned) if isinstance(earned, int | float) else criterion.max
    return 0.0 if criterion.reason.code in _WOULD_LOSE else None


def _problem(
    answer: ReviewAnswer, criterion: str, asked: Mapping[str, float], grades: Sequence[StoredGrade]
) -> str | None:
    if not grades:
        return f"unknown id `{answer.id[:80]}`: it is of none of these grades"
    if criterion not in asked:
        return f"unknown criterion `{criterion[:80]}`"
    if answer.criterion not in ("", criterion):
        return f"`criterion` says `{answer.criterion[:80]}`, `id` says `{criterion}`: the columns were moved apart"
    digests = {stored.grade.submission.id.rpartition("-")[2] for stored in grades}  # the name before it may change
    if answer.submission and answer.submission.rpartition("-")[2] not in digests:
        return f"`id` is not of the submission `{answer.submission[:80]}`: the columns were moved apart"
    if answer.max is not None and answer.max != asked[criterion]:
        return f"`max` says {answer.max:g}, the lab says {asked[criterion]:g}; only `points` and `note` are yours"
    for stored in grades:
        now = next((c for c in stored.grade.criteria if c.id == criterion), None)
        if now is None or stored.sha256[: len(answer.grade)] != answer.grade or not answer.grade:
            continue  # judged again since: what was suggested then may be something else now
        if answer.suggested != suggestion(now):
            return "`suggested` was changed; only `points` and `note` are yours"
        if answer.outcome not in ("", now.outcome):
            return "`outcome` was changed, which gives no points; only `points` and `note` are yours"
    if answer.points is None:
        return "a note without points would be lost: give the points too" if answer.note else None
    if not 0 <= answer.points <= asked[criterion]:
        return f"points {answer.points:g}; allowed: 0 to {asked[criterion]:g}"
    return None


def _front(grade: Grade) -> str:
    return grade.submission.manifest_sha256[:16]


def _shuffled(item: ReviewItem) -> str:
    return hashlib.sha256(f"{item.criterion}\n{item.id}".encode()).hexdigest()


def _item(lab: Lab, question: Question, criterion: Criterion) -> ReviewItem:
    grade = question.stored.grade
    rules = {rule.id for rule in lab.rules if criterion.id in rule.criteria}
    findings = [f for f in grade.findings if f.rule in rules]
    line = next((f.line for f in findings if f.line), None) or _line(criterion) or _line_of_task(lab, criterion, grade)
    quote = next((f.quote for f in findings if f.quote), "") or next(
        (c.quote for c in grade.claims if c.line == line), ""
    )
    return ReviewItem(
        id=f"{_front(grade)}:{criterion.id}",
        grade=question.stored.sha256[:16],
        submission=grade.submission.id,
        criterion=criterion.id,
        title=criterion.title,
        max=criterion.max,
        outcome=criterion.outcome,
        suggested=suggestion(criterion),
        reason=criterion.reason.text,
        findings="\n".join(f"{f.severity} {f.rule}: {f.message.text}" for f in findings),
        line=line,
        quote=quote,
        context=_context(question.report, line),
        points=criterion.manual.points if criterion.manual else None,
        note=criterion.manual.note if criterion.manual else "",
    )


def _line(criterion: Criterion) -> int | None:
    for place in criterion.evidence:
        number = place.removeprefix(_EVIDENCE)
        if place != number and number.isdigit() and int(number) > 0:
            return int(number)
    return None


def _line_of_task(lab: Lab, criterion: Criterion, grade: Grade) -> int | None:
    """Return where the report shows the first number or output of the criterion's task: prose stands near it."""
    task = next((spec.task for spec in lab.rubric if spec.id == criterion.id), None)
    wanted = lab.handed_in[task].claims if task in lab.handed_in else ()
    return min((c.line for c in grade.claims if c.preferred and c.id in wanted and c.stated), default=None)


def _context(report: str, line: int | None) -> str:
    if line is None:
        return ""
    lines = report.splitlines()
    first, last = max(0, line - 1 - CONTEXT_LINES), min(len(lines), line + CONTEXT_LINES)
    return "\n".join(f"{n + 1}: {lines[n][:CONTEXT_CHARACTERS]}" for n in range(first, last))
