"""What changed between two gradings: criteria, verdicts, findings, score.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from grader.model.base import Record
from grader.model.grade import Criterion, CriterionOutcome, Finding, Grade, Score, VerdictName


class Judged(Record):
    """Which grading is meant: of what, by which lab and program."""

    submission: str
    manifest_sha256: str
    lab_sha256: str
    grader: str


class Standing(Record):
    """How a criterion stands; `manual` if a person gave the points."""

    outcome: CriterionOutcome
    points: float
    max: float
    manual: bool


class CriterionChange(Record):
    """A criterion that stands otherwise than before; None on the side whose rubric does not have it.

    `reason` is why it stands as it does now: a person's note, else the outcome's.
    """

    id: str
    title: str
    old: Standing | None
    new: Standing | None
    reason: str = ""


class VerdictChange(Record):
    """A claim that is judged otherwise than before; None on the side that has no such verdict."""

    id: str
    old: VerdictName | None
    new: VerdictName | None


class GradeDiff(Record):
    """What changed from `old` to `new`; reasons and wordings are told, and compared only in what they lead to.

    History of the stored format
        grader/diff/1   first format
    """

    schema_: Annotated[Literal["grader/diff/1"], Field(alias="schema")] = "grader/diff/1"
    old: Judged
    new: Judged
    changed: bool
    old_score: Score
    new_score: Score
    criteria: tuple[CriterionChange, ...]
    verdicts: tuple[VerdictChange, ...]
    findings_appeared: tuple[Finding, ...]
    findings_gone: tuple[Finding, ...]


def compare_grades(old: Grade, new: Grade) -> GradeDiff:
    """Return what changed, in the order of the new grading, then what only the old one has."""
    criteria = _criteria(old.criteria, new.criteria)
    verdicts = _verdicts(old, new)
    appeared, gone = _beyond(new.findings, old.findings), _beyond(old.findings, new.findings)
    return GradeDiff(
        old=_judged(old),
        new=_judged(new),
        changed=bool(criteria or verdicts or appeared or gone or old.score != new.score),
        old_score=old.score,
        new_score=new.score,
        criteria=criteria,
        verdicts=verdicts,
        findings_appeared=appeared,
        findings_gone=gone,
    )


def _criteria(old: Sequence[Criterion], new: Sequence[Criterion]) -> tuple[CriterionChange, ...]:
    before, after = {c.id: c for c in old}, {c.id: c for c in new}
    changes = (
        CriterionChange(
            id=name,
            title=(after.get(name) or before[name]).title,
            old=_standing(before.get(name)),
            new=_standing(after.get(name)),
            reason=_reason(after.get(name)),
        )
        for name in {**after, **before}
    )
    return tuple(change for change in changes if change.old != change.new)


def _reason(criterion: Criterion | None) -> str:
    if criterion is None:
        return ""
    if criterion.manual is not None:
        return criterion.manual.note
    return criterion.reason.text


def _standing(criterion: Criterion | None) -> Standing | None:
    if criterion is None:
        return None
    manual = criterion.manual is not None
    return Standing(outcome=criterion.outcome, points=criterion.points, max=criterion.max, manual=manual)


def _verdicts(old: Grade, new: Grade) -> tuple[VerdictChange, ...]:
    before, after = {v.id: v.verdict for v in old.verdicts}, {v.id: v.verdict for v in new.verdicts}
    changes = (VerdictChange(id=name, old=before.get(name), new=after.get(name)) for name in {**after, **before})
    return tuple(change for change in changes if change.old != change.new)


def _beyond(findings: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings that `others` lack, each as often as it is missing there."""
    left = Counter(_key(finding) for finding in others)
    found: list[Finding] = []
    for finding in findings:
        if left[_key(finding)] > 0:
            left[_key(finding)] -= 1
        else:
            found.append(finding)
    return tuple(found)


def _key(finding: Finding) -> tuple[str, str, str, int | None]:
    return finding.rule, finding.severity, finding.quote, finding.line


def _judged(grade: Grade) -> Judged:
    return Judged(
        submission=grade.submission.id,
        manifest_sha256=grade.submission.manifest_sha256,
        lab_sha256=grade.lab.sha256,
        grader=grade.grader.version,
    )
