"""Judge a lab's solution, its template and the changes of its self-test, from one measurement of the solution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.claims.gaps import absent_rows, empty_cells
from grader.claims.reader import read_report
from grader.judging.circumstances import with_reading
from grader.judging.judge import Judgement, judge
from grader.judging.rules import RULE_CODE
from grader.model.grade import Grade
from grader.model.selftest import Case, CaseResult
from grader.workflow.grade import LabUsed

SOLUTION, TEMPLATE = "solution", "template"
"""Ids of the two cases that every lab has."""

_NOT_TRIED = frozenset({"not_run", "error"})
_LOUD = frozenset({"error", "warning"})


def run_cases(used: LabUsed, grade: Grade, report: bytes, cases: Sequence[Case]) -> Iterator[CaseResult]:
    """Yield the solution's result, the template's, then each case's.

    Args:
        grade: The solution's, as this host measured it.
        report: The solution's report.
    """
    solution = judge_report(used, grade, report)
    yield _solution(solution)
    yield _template(judge_report(used, grade, used.template.encode(), empty=True))
    for case in cases:
        edited, problems = _edited(report.decode("utf-8"), case)
        if problems:
            yield CaseResult(id=case.id, problems=problems)
        else:
            yield _case(case, solution, judge_report(used, grade, edited.encode()))


def judge_report(used: LabUsed, grade: Grade, report: bytes, *, empty: bool = False) -> Judgement:
    """Judge another report beside the solution's files; with `empty` beside the course's alone."""
    lab = used.lab
    reading = read_report(report, lab, used.template, max_bytes=max(1, len(report)))
    files = grade.circumstances.model_copy(update={"own_files": ()}) if empty else grade.circumstances
    circumstances = with_reading(files, reading, empty_cells(lab, reading), absent_rows(lab, reading))
    made_on_the_way = [f for f in grade.findings if not f.message.code.startswith(RULE_CODE)]
    return judge(lab, grade.facts, reading.claims, circumstances, {}, made_on_the_way)


def _solution(judged: Judgement) -> CaseResult:
    lost = [f"{c.id} is {c.outcome}: {c.reason.code}" for c in judged.criteria if c.outcome in ("fail", "partial")]
    found = [f"finding {f.rule}: {f.quote[:80]}" for f in judged.findings if f.severity in _LOUD]
    return CaseResult(id=SOLUTION, problems=tuple(lost + found), open=_open(judged))


def _template(judged: Judgement) -> CaseResult:
    earned = [f"{c.id} earns {c.points:g}" for c in judged.criteria if c.points > 0]
    return CaseResult(id=TEMPLATE, problems=tuple(earned))


def _case(case: Case, solution: Judgement, judged: Judgement) -> CaseResult:
    before = {c.id: c.outcome for c in solution.criteria}
    earned = {c.id: c.points for c in solution.criteria}
    problems: list[str] = []
    for criterion in judged.criteria:
        was = before[criterion.id]
        if criterion.id in case.loses:
            if was not in _NOT_TRIED and criterion.points >= earned[criterion.id] > 0:
                problems.append(f"{criterion.id} still earns {criterion.points:g}")
        elif criterion.outcome != was:
            problems.append(f"{criterion.id} was {was}, is {criterion.outcome}: {criterion.reason.code}")
    told, found = {f.rule for f in solution.findings}, {f.rule for f in judged.findings}
    problems += [f"rule {rule} is silent" for rule in case.finds if rule not in found]
    problems += [f"rule {rule} speaks of the solution too" for rule in case.finds if rule in told]
    open_ = tuple(name for name in case.loses if before.get(name) in _NOT_TRIED)
    return CaseResult(id=case.id, problems=tuple(problems), open=open_)


def _open(judged: Judgement) -> tuple[str, ...]:
    return tuple(c.id for c in judged.criteria if c.outcome in _NOT_TRIED)


def _edited(report: str, case: Case) -> tuple[str, tuple[str, ...]]:
    """Return the report with a case's edits, or what keeps them from being made."""
    problems: list[str] = []
    for edit in case.edits:
        count = report.count(edit.find)
        if count != 1:
            problems.append(f"`{edit.find[:60]}` is there {count} times in the solution's report, not once")
        report = report.replace(edit.find, edit.replace)
    return report, tuple(problems)
