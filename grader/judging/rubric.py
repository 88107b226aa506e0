"""Criteria and score: the rubric set against facts, verdicts and what was handed in.  Pure.

Nothing is guessed: prose goes to a person, what could not be run costs nothing, what is our fault costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader.judging.given import Given
from grader.judging.ownoutput import disagreeing
from grader.model.base import Message
from grader.model.grade import (
    Circumstances,
    Criterion,
    CriterionOutcome,
    ManualMark,
    Score,
    Verdict,
)
from grader.model.lab import CriterionSpec
from grader.model.report import ESTIMATED, EXAMPLE
from grader.model.selection import best_fact, facts_for

PARTIAL = 0.5
"""Share of the points for a criterion that is met in part."""

Decision = tuple[CriterionOutcome, Message]


@dataclass(frozen=True)
class Evidence(Given):
    """All that a criterion may look at; verdicts by id, suspicions are rules by criterion."""

    verdicts: Mapping[str, Verdict]
    suspicions: Mapping[str, str]

    def handed_in(self, task: str, *, prose: bool = False) -> bool:
        """True if something of the student's own is there for a task; written answers need own words."""
        wanted = self.lab.handed_in[task]
        if prose:
            return self.circumstances.own_words >= max(1, wanted.own_words)
        if any(c in self.stated and self.stated[c].stated for c in wanted.claims):
            return True
        return any(f in self.circumstances.own_files for f in wanted.files)


def judge_criteria(evidence: Evidence, marks: Mapping[str, ManualMark]) -> tuple[Criterion, ...]:
    """Return every criterion of the rubric, in its order, with a person's marks in place of our outcome."""
    done: dict[str, Criterion] = {}
    for spec in _by_needs(evidence.lab.rubric):
        outcome, reason = _decide_or_error(spec, evidence, done)
        mark = marks.get(spec.id)
        points = {"pass": spec.points, "partial": spec.points * PARTIAL}.get(outcome, 0.0)
        done[spec.id] = Criterion(
            id=spec.id,
            title=spec.title,
            points=min(mark.points, spec.points) if mark else points,
            max=spec.points,
            bonus=spec.bonus,
            outcome=outcome,
            needs=spec.needs,
            reason=reason,
            evidence=_evidence(spec, evidence),
            reproduce=spec.reproduce,
            manual=mark,
        )
    return tuple(done[spec.id] for spec in evidence.lab.rubric)


def score(criteria: Sequence[Criterion]) -> Score:
    """Add up the criteria; `points + lost + pending_review + not_assessed + manual = max`, bonus apart."""
    counted = [c for c in criteria if not c.bonus]
    by_person = [c for c in counted if c.manual]
    by_us = [c for c in counted if not c.manual]

    def maximum(*outcomes: str) -> float:
        return sum(c.max for c in by_us if c.outcome in outcomes)

    total = sum(c.max for c in counted)
    points = sum(c.points for c in by_us if c.outcome in ("pass", "partial"))
    manual = sum(c.points for c in by_person)
    pending, apart = maximum("review"), maximum("not_run", "error")
    open_review = [c for c in criteria if c.outcome == "review" and not c.manual]
    state = "needs_review" if open_review else "final"
    if any(c.outcome == "error" and not c.manual for c in criteria):
        state = "infra_error"
    return Score.model_validate(
        {
            "points": _cents(points),
            "lost": _cents(total - points - manual - pending - apart),
            "pending_review": _cents(pending),
            "not_assessed": _cents(apart),
            "manual": _cents(manual),
            "max": _cents(total),
            "bonus": _cents(sum(c.points for c in criteria if c.bonus)),
            "state": state,
        }
    )


def _cents(points: float) -> float:
    """Round away binary noise: marks have at most a few decimals."""
    return round(points, 6) + 0.0


def _by_needs(rubric: Sequence[CriterionSpec]) -> tuple[CriterionSpec, ...]:
    """Order criteria so that each comes after its needs; the lab loader has refused cycles."""
    by_id, ordered = {s.id: s for s in rubric}, dict[str, CriterionSpec]()

    def visit(spec: CriterionSpec) -> None:
        for need in spec.needs:
            visit(by_id[need])
        ordered.setdefault(spec.id, spec)

    for spec in rubric:
        visit(spec)
    return tuple(ordered.values())


def _decide_or_error(spec: CriterionSpec, evidence: Evidence, done: Mapping[str, Criterion]) -> Decision:
    try:
        return _decide(spec, evidence, done)
    except Exception as error:  # a check that breaks is our fault: it must not end the grade, nor count as a failure
        return "error", Message(code="infra.check-broke", params={"detail": type(error).__name__})


def _decide(spec: CriterionSpec, evidence: Evidence, done: Mapping[str, Criterion]) -> Decision:
    if spec.bonus and not evidence.handed_in(spec.task):
        return "not_run", Message(code="criterion.not-attempted")
    blocked = _blocked_by_need(spec, done)
    if blocked is not None:
        return blocked
    if not _something_handed_in(spec, evidence):
        return _perhaps_in_a_picture(
            evidence, Message(code="criterion.nothing-handed-in", params={"task": spec.task}), apart=spec.bonus
        )
    if spec.evidence == "review":
        return "review", Message(code="criterion.review")
    outcome, reason = _executed(spec, evidence) if spec.evidence == "executed" else _claimed(spec, evidence)
    if outcome in ("pass", "partial") and spec.id in evidence.suspicions:
        earned = spec.points if outcome == "pass" else spec.points * PARTIAL
        return "review", Message(
            code="criterion.finding", params={"rule": evidence.suspicions[spec.id], "points": earned}
        )
    return outcome, reason


def _something_handed_in(spec: CriterionSpec, evidence: Evidence) -> bool:
    """False where only the course's own files would earn the points.

    What is executed needs changed sources, or an output or number of its task in the report; what a person reads
    needs words of the student's own.  A claim speaks for itself.
    """
    if spec.evidence == "executed":
        return evidence.handed_in(spec.task) or evidence.circumstances.sources_changed
    if spec.evidence == "review":
        return evidence.handed_in(spec.task, prose=True)
    return True


def _perhaps_in_a_picture(evidence: Evidence, reason: Message, *, apart: bool = False) -> Decision:
    """Fail, unless the report shows pictures: what they hold is for a person to see."""
    if evidence.circumstances.pictures and not apart:
        return "review", Message(
            code="criterion.perhaps-in-a-picture", params={"count": evidence.circumstances.pictures}
        )
    return "fail", reason


def _blocked_by_need(spec: CriterionSpec, done: Mapping[str, Criterion]) -> Decision | None:
    """A failed need counts before a gap; one that a person gave points for blocks nothing, whatever we saw of it."""
    needs = [done[need] for need in spec.needs]
    unmet = [c for c in needs if c.manual is None or c.manual.points <= 0]
    for need in unmet:
        if need.outcome == "fail":
            return "fail", Message(code="criterion.need-failed", params={"need": need.id})
    for need in unmet:
        if need.outcome in ("not_run", "error"):
            return "not_run", Message(code="criterion.need-not-run", params={"need": need.id})
    return None


def _executed(spec: CriterionSpec, evidence: Evidence) -> Decision:
    """Pass if every quantity was measured on some arm."""
    return _worst([_run_here(wanted, evidence) for wanted in spec.from_])


def _run_here(wanted: str, evidence: Evidence) -> Decision:
    fact = best_fact(evidence.lab, wanted, evidence.facts)
    if fact is not None and fact.state == "measured":
        return "pass", Message(code="criterion.executed")
    reason = (fact.reason if fact else None) or Message(code="verdict.nothing-to-compare")
    if fact is not None and fact.state == "failed":
        return "fail", reason
    return _gap(reason)


def _gap(reason: Message) -> Decision:
    """What nobody measured: our fault is an `error`, what this host cannot do is `not_run`."""
    return ("error" if reason.ours else "not_run"), reason


def _worst(decisions: Sequence[Decision]) -> Decision:
    """Return the first failure, else what goes to a person, else our own trouble, else a gap, else the first."""
    for outcome in ("fail", "review", "error", "not_run"):
        for decision in decisions:
            if decision[0] == outcome:
                return decision
    return decisions[0]


def _claimed(spec: CriterionSpec, evidence: Evidence) -> Decision:
    if spec.check == "table_complete":
        return _table_complete(evidence.circumstances)
    if spec.check == "stated":
        return _stated(spec, evidence)
    if spec.check == "derived":
        return _all_derived(spec, evidence)
    check = _size if spec.check == "size" else _measurement
    return _worst([check(claim_id, evidence) for claim_id in spec.from_])


def _size(claim_id: str, evidence: Evidence) -> Decision:
    verdict = evidence.verdicts.get(claim_id)
    if verdict is None or verdict.claimed is None:
        return _not_stated(claim_id, evidence)
    if verdict.verdict == "contradicted":
        outcome: CriterionOutcome = "fail" if verdict.basis == "artifact" else "review"
        return outcome, verdict.reason
    if verdict.verdict in ("reproduced", "consistent"):
        return "pass", verdict.reason
    return _gap(verdict.reason)


def _not_stated(claim_id: str, evidence: Evidence) -> Decision:
    """Fail; a cell that `grader fill` wrote may still be backed by what a person sees in the report."""
    if claim_id in evidence.circumstances.filled_claims:
        return "review", Message(code="criterion.filled-by-grader", params={"id": claim_id})
    return "fail", Message(code="criterion.not-stated", params={"id": claim_id})


def _measurement(claim_id: str, evidence: Evidence) -> Decision:
    """Stated, usable, in agreement with the report's own output; never how fast."""
    claim, metric = evidence.stated.get(claim_id), evidence.lab.metrics[claim_id.partition(".")[2]]
    if claim is None or not isinstance(claim.value, int | float):
        return _not_stated(claim_id, evidence)
    if metric.floor is not None and claim.value < metric.floor:
        return "fail", Message(code="criterion.below-floor", params={"id": claim_id, "quote": claim.quote})
    if metric.ceiling is not None and claim.value > metric.ceiling:
        return "review", Message(code="criterion.above-ceiling", params={"id": claim_id, "quote": claim.quote})
    if claim.qualifier == ESTIMATED:
        return "review", Message(code="criterion.estimate", params={"quote": claim.quote})
    other = disagreeing(claim, evidence.claims)
    if other is not None:
        params = {"quote": other.quote, "line": other.line}
        return "review", Message(code="criterion.own-output-differs", params=dict(params))
    return "pass", Message(code="criterion.usable")


def _stated(spec: CriterionSpec, evidence: Evidence) -> Decision:
    for claim_id in spec.from_:
        claim = evidence.stated.get(claim_id)
        if claim is None or not claim.stated:
            return _perhaps_in_a_picture(
                evidence, Message(code="criterion.not-stated", params={"id": claim_id}), apart=spec.bonus
            )
        if claim.qualifier == EXAMPLE:
            return "review", Message(code="criterion.example", params={"quote": claim.quote})
        if spec.accepts and str(claim.value) not in spec.accepts:
            return "review", Message(
                code="criterion.not-accepted",
                params={"found": str(claim.value), "accepted": ", ".join(spec.accepts)},
            )
    return "pass", Message(code="criterion.stated")


def _table_complete(circumstances: Circumstances) -> Decision:
    if not circumstances.has_table:
        return "fail", Message(code="criterion.no-table")
    absent = circumstances.absent_rows
    empty = [cell for cell in circumstances.empty_cells if cell.rpartition(".")[0] not in absent]
    if absent and empty:
        return "fail", Message(code="criterion.table-gaps", params={"rows": _listed(absent), "cells": _listed(empty)})
    if absent:
        return "fail", Message(code="criterion.table-rows-absent", params={"rows": _listed(absent)})
    if empty:
        return "fail", Message(code="criterion.table-incomplete", params={"cells": _listed(empty)})
    return "pass", Message(code="criterion.table-complete")


def _all_derived(spec: CriterionSpec, evidence: Evidence) -> Decision:
    """Every derived cell follows from its row; `N/A` is right where the row gives nothing to work it out from."""
    right: list[str] = []
    wrong: list[str] = []
    open_: list[str] = []
    for claim_id in spec.from_:
        verdict = evidence.verdicts.get(claim_id)
        if verdict is None or verdict.verdict in ("missing", "contradicted", "not_run"):
            wrong.append(claim_id)
        elif verdict.verdict in ("reproduced", "consistent"):
            right.append(claim_id)
        elif verdict.claimed is not None or verdict.recomputed is not None:
            open_.append(claim_id)
    if right and not wrong and not open_:
        return "pass", Message(code="criterion.derived-right")
    if wrong and set(wrong) <= set(evidence.circumstances.filled_claims):
        return "review", Message(code="criterion.derived-open", params={"ids": _listed(wrong)})
    if wrong:
        return ("partial" if right else "fail"), Message(code="criterion.derived-wrong", params={"ids": _listed(wrong)})
    return "review", Message(code="criterion.derived-open", params={"ids": _listed(open_ or spec.from_)})


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids)


def _evidence(spec: CriterionSpec, evidence: Evidence) -> tuple[str, ...]:
    """Point at what decided: report lines and facts."""
    found: list[str] = []
    for wanted in spec.from_:
        claim = evidence.stated.get(wanted)
        if claim is not None and spec.evidence == "claimed":
            found.append(f"report:{claim.line}")
        if spec.evidence == "executed":
            found += [f.id for f in facts_for(evidence.lab, wanted, evidence.facts) if f.state != "not_run"]
    return tuple(dict.fromkeys(found))
