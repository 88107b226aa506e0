"""Memory figures as facts: of servers, idle and after many requests, and the peaks of single runs.  Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

from grader.judging.derive import SCALE
from grader.judging.expression import evaluate_formula
from grader.model.absent import absent_fact
from grader.model.arms import MODE_OF_ARM
from grader.model.base import Message
from grader.model.grade import Conditions, Fact, FactState
from grader.model.lab import Derived, HttpProbe, Lab
from grader.model.run import MemoryReading, PeakRuns, ProbeResult, Runnable, ServerRun
from grader.model.selection import alike, instead_id
from grader.model.steps import memory_step, probe_step

REQUESTS = 1000
"""What an edition's `after-1000-requests` condition says."""


def facts_from_servers(lab: Lab, probes: Sequence[ProbeResult], ran: Runnable) -> tuple[Fact, ...]:
    """Return the memory facts of every server that was started, by notion and condition; a gap has its reason."""
    facts: list[Fact] = []
    for name, metric in lab.metrics.items():
        if metric.source != "memory" or not isinstance(lab.probes.get(metric.probe or ""), HttpProbe):
            continue
        for result in probes:
            if result.probe == metric.probe:
                empty = _empty(name, result.subject, result.arm, ran)
                evidence = (f"steps/{probe_step(result.probe, result.subject, result.arm)}/meta.json",)
                found = _of_server(lab, name, result, empty.model_copy(update={"evidence": evidence}))
                facts += found
    return tuple(facts)


def facts_from_peaks(lab: Lab, peaks: Sequence[PeakRuns], ran: Runnable) -> tuple[Fact, ...]:
    """Return the median peak of each arm's runs by notion; an arm with a bad run has no number."""
    facts: list[Fact] = []
    for runs in peaks:
        evidence = (f"steps/{memory_step(runs.metric, runs.arm)}/meta.json",)
        empty = _empty(runs.metric, runs.subject, runs.arm, ran)
        empty = empty.model_copy(update={"evidence": evidence, "conditions": "warm"})
        by_notion = _by_notion(runs.peaks)
        if runs.reason is not None:
            facts.append(_without(empty, "not_run" if runs.reason.blameless else "failed", runs.reason))
        elif not by_notion:
            facts.append(_without(empty, "not_run", Message(code="fact.no-reading")))
        else:
            facts += [_peak(empty, notion, readings) for notion, readings in by_notion.items()]
    return tuple(facts)


def facts_derived_instead(lab: Lab, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return what a row derives, worked out from its `instead` metric, where every subject has that one measured.

    The arms that the lab names first for each subject are compared, in containers or without on all sides.
    """
    found: list[Fact] = []
    for row in lab.table.rows:
        if row.instead is None or row.derived is None:
            continue
        sides = alike(lab, row.instead, facts)
        values = {str(f.subject): float(f.value) for f in sides if isinstance(f.value, int | float)}
        if len(values) != len(lab.subjects):
            continue
        value = evaluate_formula(row.derived.formula, values)
        if value is not None:
            found.append(_derived(instead_id(row.instead, row.derived), row.derived, value, sides))
    return tuple(found)


def _derived(name: str, derived: Derived, value: float, sides: Sequence[Fact]) -> Fact:
    arms = "/".join(f.arm for f in sides)
    other = next((f for f in sides if not f.comparable), None)
    return Fact(
        id=f"{name}@{arms}",
        subject=None,
        metric=name,
        arm=arms,
        notion=sides[0].notion,
        conditions="warm",
        state="measured",
        value=value * SCALE[derived.unit],
        unit=derived.unit,
        method=f"{derived.formula}, of {' and '.join(f.id for f in sides)}",
        evidence=tuple(e for f in sides for e in f.evidence),
        comparable=other is None,
        compiler=other.compiler if other is not None else None,
    )


def _of_server(lab: Lab, metric: str, result: ProbeResult, empty: Fact) -> Iterable[Fact]:
    if result.state != "passed":
        reason = result.reason or Message(code="fact.no-value", params={"probe": result.probe})
        state: FactState = "not_run" if result.state == "not_run" or reason.blameless else "failed"
        return (_without(empty, state, reason),)
    if result.expected_failure is not None:
        return (_without(empty, "not_run", _no_server(lab, metric, result.expected_failure)),)
    probe = lab.probes[result.probe]
    if result.server is None or (isinstance(probe, HttpProbe) and result.subject in probe.expect_failure):
        # It came up where nobody expected it to, so it was only asked.
        return (_without(empty, "not_run", Message(code="fact.not-measured", params={"arm": result.arm})),)
    if not result.server.idle:
        return (_without(empty, "not_run", Message(code="fact.no-reading")),)
    return _readings_of(result.server, empty)


def _readings_of(server: ServerRun, empty: Fact) -> Iterator[Fact]:
    for reading in server.idle:
        yield _read(empty, reading, "warm", "one start, settled after its first answers")
    for reading in server.after_requests:
        yield _read(empty, reading, "after-1000-requests", f"one start, settled after {server.requests} requests")
    if not server.after_requests:
        params = {"done": server.requests, "requests": REQUESTS}
        code = "fact.requests-unfinished" if server.requests < REQUESTS else "fact.no-reading"
        gap = empty.model_copy(update={"conditions": "after-1000-requests"})
        yield _without(gap, "not_run", Message(code=code, params=params))


def _no_server(lab: Lab, metric: str, said: str) -> Message:
    instead = next((row.instead for row in lab.table.rows if row.metric == metric and row.instead), None)
    if instead is None:
        return Message(code="fact.no-server", params={"said": said})
    return Message(code="fact.no-server-but", params={"said": said, "instead": instead})


def _by_notion(peaks: Sequence[Sequence[MemoryReading]]) -> dict[str, list[MemoryReading]]:
    """Return the readings of each notion that every run has."""
    found: dict[str, list[MemoryReading]] = {}
    for readings in peaks:
        for reading in readings:
            found.setdefault(reading.notion, []).append(reading)
    return {notion: readings for notion, readings in found.items() if len(readings) == len(peaks)}


def _peak(empty: Fact, notion: str, readings: Sequence[MemoryReading]) -> Fact:
    sizes = [reading.size_bytes for reading in readings]
    spread = f"{min(sizes):,} to {max(sizes):,} B"
    changes: dict[str, object] = {
        "notion": notion,
        "state": "measured",
        "value": round(statistics.median(sizes)),
        "n": len(sizes),
        "method": f"median peak of {len(sizes)} runs after one discarded, {spread}; {readings[-1].method}",
        "reason": None,
    }
    return empty.model_copy(update=changes)


def _read(empty: Fact, reading: MemoryReading, conditions: Conditions, how: str) -> Fact:
    changes: dict[str, object] = {
        "notion": reading.notion,
        "conditions": conditions,
        "state": "measured",
        "value": reading.size_bytes,
        "n": 1,
        "method": f"{how}; {reading.method}",
        "reason": None,
    }
    return empty.model_copy(update=changes)


def _empty(metric: str, subject: str | None, arm: str, ran: Runnable) -> Fact:
    reason = Message(code="fact.not-measured", params={"arm": arm})
    fact = absent_fact(metric, subject, arm, reason, unit="byte", artifact=ran.get((subject or "", arm)))
    return fact.model_copy(update={"mode": MODE_OF_ARM.get(arm)})


def _without(empty: Fact, state: FactState, reason: Message) -> Fact:
    return empty.model_copy(update={"state": state, "reason": reason})
