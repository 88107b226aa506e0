"""Facts + claims + lab -> verdicts, findings, criteria, score.  Pure: the same inputs give the same result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.judging.compare import judge_claims
from grader.judging.rubric import Evidence, judge_criteria, score
from grader.judging.rules import judge_rules, suspicions
from grader.model.base import Record
from grader.model.grade import Circumstances, Criterion, Fact, Finding, ManualMark, Score, Verdict
from grader.model.lab import Lab
from grader.model.report import Claim


class Judgement(Record):
    """Everything that is decided about a submission, as opposed to measured or read."""

    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    criteria: tuple[Criterion, ...]
    score: Score


def judge(
    lab: Lab,
    facts: Sequence[Fact],
    claims: Sequence[Claim],
    circumstances: Circumstances,
    marks: Mapping[str, ManualMark],
    findings: Sequence[Finding] = (),
) -> Judgement:
    """Judge one submission.

    Args:
        marks: Points that a person gave, by criterion; they survive every judging.
        findings: What was seen on the way here, such as a build command that was refused.
    """
    verdicts = judge_claims(lab, claims, facts, circumstances)
    seen = (*findings, *judge_rules(lab, claims, facts, circumstances))
    evidence = Evidence(lab, claims, facts, circumstances, {v.id: v for v in verdicts}, suspicions(lab, seen))
    criteria = judge_criteria(evidence, marks)
    return Judgement(verdicts=verdicts, findings=seen, criteria=criteria, score=score(criteria))
