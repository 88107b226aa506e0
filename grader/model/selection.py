"""Which fact answers which claim: the lab's own arm first, then the arms that may stand in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grader.model.arms import in_container, runs_image
from grader.model.grade import Fact
from grader.model.lab import Derived, Lab
from grader.model.run import ProbeResult

BESIDE = "shim"
"""The notion of memory that a runtime takes beside a container, for as long as it runs."""

_FAILED_AS_EXPECTED = frozenset({"fact.no-server", "fact.no-server-but"})
"""Codes of the reason of a fact that cannot be, as the server that it is of failed as expected."""


def arms_of(lab: Lab, claim_id: str) -> tuple[str, ...]:
    """Return the arms that the lab names for a claim id, its own arm first; empty if it names none."""
    subject, _, metric = claim_id.partition(".")
    found = lab.metrics.get(metric)
    return found.arms.get(subject, ()) if found else ()


def facts_for(lab: Lab, claim_id: str, facts: Sequence[Fact], notion: str | None = None) -> tuple[Fact, ...]:
    """Return the facts that may answer a claim, in the lab's order of arms; of one arm the first in `preference`.

    What stands beside a container answers no claim of what is in it.

    Args:
        notion: The one that the claim was read in, which comes first on each arm.
    """
    arms = arms_of(lab, claim_id)
    mine = [f for f in facts if f.claim_id == claim_id and (not arms or f.arm in arms) and f.notion != BESIDE]
    return tuple(
        sorted(mine, key=lambda f: (arms.index(f.arm) if f.arm in arms else len(arms), preference(lab, f, notion)))
    )


def preference(lab: Lab, fact: Fact, notion: str | None = None) -> tuple[bool, bool, int, bool]:
    """Return what orders the facts of one id: those that answer a plain claim come first.

    Nobody states what a server has after a thousand requests.  Of several notions the lab's own command shows the
    first that the lab lists; what the kernel charged to a group is nearer to it than a sum over processes.
    """
    metric = lab.metrics.get(fact.metric)
    order = {name: place for place, name in enumerate(metric.notions)} if metric is not None else {}
    other = notion is not None and fact.notion != notion
    return (
        fact.conditions == "after-1000-requests",
        other,
        order.get(fact.notion or "", len(order)),
        fact.notion == "smaps",
    )


def best_fact(lab: Lab, claim_id: str, facts: Sequence[Fact], notion: str | None = None) -> Fact | None:
    """Return the most telling fact of a claim; of equals the first in the lab's order of arms, and in `notion`."""
    return most_telling(facts_for(lab, claim_id, facts, notion))


def alike(lab: Lab, metric: str, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return a measured fact of a metric for each subject that may be set against each other, none if there are none.

    They are of one notion, and a container was started for all of them or for none: a figure with an engine's cost
    in it says nothing beside one without.
    """
    for contained in (True, False):
        for notion in notions_of(lab, metric, facts):
            sides = [_first_such(lab, f"{subject}.{metric}", facts, notion, contained) for subject in lab.subjects]
            found = tuple(side for side in sides if side is not None)
            if len(found) == len(sides):
                return found
    return ()


def notions_of(lab: Lab, metric: str, facts: Sequence[Fact]) -> tuple[str | None, ...]:
    """Return the notions in which there are facts of a metric, the lab's own first."""
    mine = sorted((f for f in facts if f.metric == metric), key=lambda f: preference(lab, f))
    return tuple(dict.fromkeys(f.notion for f in mine if f.notion != BESIDE))


def _first_such(lab: Lab, claim_id: str, facts: Sequence[Fact], notion: str | None, contained: bool) -> Fact | None:
    return next(
        (
            fact
            for fact in facts_for(lab, claim_id, facts)
            if fact.state == "measured" and fact.notion == notion and in_container(fact.arm) == contained
        ),
        None,
    )


def most_telling(facts: Iterable[Fact]) -> Fact | None:
    """Return a measured fact, else a failure, else one that we failed to measure, else any: the first of its kind.

    What broke on our side must not look like what this host merely lacks.
    """
    return min(facts, key=_silence, default=None)


def _silence(fact: Fact) -> int:
    if fact.state == "measured":
        return 0
    if fact.state == "failed":
        return 1
    return 2 if fact.reason is not None and fact.reason.ours else 3


def has_none(lab: Lab, claim_id: str, facts: Sequence[Fact]) -> bool:
    """Return whether there is nothing to measure: a server that fails as it should has no memory."""
    return any(f.reason is not None and f.reason.code in _FAILED_AS_EXPECTED for f in facts_for(lab, claim_id, facts))


def deciding_probe(results: Sequence[ProbeResult], probe: str, subject: str | None, arm: str) -> ProbeResult | None:
    """Return the result of a probe that tells whether an arm runs the subject as it should, None if none does.

    An arm that was not probed itself goes by the others that run the subject's artifact, where it runs that too; what
    one container engine made of an image says nothing about another engine.
    """
    mine = [r for r in results if r.probe == probe and r.subject == subject]
    own = [r for r in mine if r.arm == arm]
    if not own and not runs_image(arm):
        own = [r for r in mine if not runs_image(r.arm)]
    return next((r for r in own if r.state != "passed"), own[0] if own else None)


def runs_right(results: Sequence[ProbeResult], probe: str, subject: str | None, arm: str) -> bool:
    """Return whether nothing that a probe saw speaks against running a subject on an arm again and again."""
    result = deciding_probe(results, probe, subject, arm)
    return result is None or result.state == "passed"


def is_exact(lab: Lab, fact: Fact) -> bool:
    """Return whether every byte of the value counts: a file's size does, a figure of memory moves from run to run."""
    metric = lab.metrics.get(fact.metric)
    return metric is None or metric.tolerance == "printed"


def instead_id(instead: str, derived: Derived) -> str:
    """Return what a row derives from its `instead` metric: `memory_peak.reduction` beside `memory_idle.reduction`."""
    return f"{instead}.{derived.id.rpartition('.')[2]}"


def is_own_arm(lab: Lab, fact: Fact) -> bool:
    """True if the fact is the quantity that the lab asks for, not a stand-in.

    A size is the same quantity on each of its arms; a time or a memory figure is that of its arm only.
    """
    metric = lab.metrics.get(fact.claim_id.partition(".")[2])
    if metric is None or metric.tolerance != "usable":
        return True
    return fact.arm == next(iter(arms_of(lab, fact.claim_id)), None)
