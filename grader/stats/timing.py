"""Timed samples as facts: medians with their spread by arm, ratios with their interval by pair of arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from grader.model.absent import absent_fact
from grader.model.arms import MODE_OF_ARM
from grader.model.base import Message
from grader.model.grade import Compared, Fact
from grader.model.lab import Lab
from grader.model.run import Artifact, Campaign, ProbeResult, Sample
from grader.model.steps import probe_step
from grader.stats.estimate import summary
from grader.stats.othertools import other_tools
from grader.stats.ratio import RatioEstimate, paired_ratio
from grader.stats.verdict import in_words, verdict_of

TIMES: Mapping[str, Callable[[Sample], float | None]] = {
    "startup_time": lambda sample: sample.total_s,
    "first_output_time": lambda sample: sample.first_output_s,
}
"""The metrics of source `timing` and where a sample holds them."""

RATIO_OF = "startup_time"
"""The metric whose ratios a lab lists under `timing.ratios`."""

EVIDENCE = ("samples.csv",)

_INTERVAL = {
    None: "the interval is of signed ranks",
    "rounds": "too few for an interval",
    "resolution": "too coarse for an interval",
}


def facts_from_campaign(lab: Lab, campaign: Campaign, artifacts: Mapping[str, Artifact]) -> tuple[Fact, ...]:
    """Return the facts of every arm and every listed ratio whose arms both ran.

    Args:
        artifacts: What was run, by subject.
    Returns: An arm with a bad run has no number: `failed`, or `not_run` where the bad run was our fault.  A
        median has a spread, a ratio an interval; under 6 rounds it has none.  A noisy host is told with every number.
    """
    subjects = {arm: subject for subject, arms in lab.timing.arms.items() for arm in arms}
    facts: list[Fact] = []
    for arm in campaign.arms:
        subject = subjects.get(arm)
        for metric in TIMES:
            if metric in lab.metrics and (subject is not None or metric == RATIO_OF):
                facts.append(_arm_fact(campaign, metric, arm, subject, artifacts.get(subject or "")))
    for pair in lab.timing.ratios:
        numerator, _, denominator = pair.partition("/")
        if numerator in campaign.arms and denominator in campaign.arms:
            ran = [subjects[arm] for arm in (numerator, denominator) if arm in subjects]
            made_of = [artifacts[subject] for subject in ran if subject in artifacts]
            facts.append(_ratio_fact(campaign, numerator, denominator, made_of))
    return tuple(f.model_copy(update={"noise": campaign.noise}) if f.state == "measured" else f for f in facts)


def facts_from_starts(lab: Lab, probes: Sequence[ProbeResult], artifacts: Mapping[str, Artifact]) -> tuple[Fact, ...]:
    """Return the time from a server's start to its first valid answer, for each server that was started.

    Returns: A gap has its reason.
    """
    return tuple(
        _start_fact(name, result, artifacts.get(result.subject))
        for name, metric in lab.metrics.items()
        if metric.source == "answer"
        for result in probes
        if result.probe == metric.probe
    )


def _start_fact(metric: str, result: ProbeResult, artifact: Artifact | None) -> Fact:
    reason = result.reason or Message(code="fact.no-starts", params={"said": result.value})
    step = probe_step(result.probe, result.subject, result.arm)
    empty = _empty(metric, result.subject, result.arm, reason, (f"steps/{step}/meta.json",), artifact)
    if result.state == "failed" and result.reason is not None and not result.reason.blameless:
        return empty.model_copy(update={"state": "failed"})
    seconds = result.server.first_answers_s if result.server is not None and result.state == "passed" else ()
    if not seconds:
        return empty
    method = f"median of {len(seconds)} starts, spawn to the last byte of the first valid answer"
    noise = result.server.noise if result.server is not None else ()
    return _measured(empty, seconds, method).model_copy(update={"noise": noise})


def _arm_fact(campaign: Campaign, metric: str, arm: str, subject: str | None, artifact: Artifact | None) -> Fact:
    runs = [s for s in campaign.samples if s.arm == arm]
    empty = _empty(metric, subject, arm, Message(code="timing.not-timed", params={"arm": arm}), EVIDENCE, artifact)
    bad = next((s for s in runs if s.outcome != "ok"), None)
    if bad is not None:
        return _without_number(empty, bad)
    times = [TIMES[metric](s) for s in runs]
    known = [t for t in times if t is not None]
    if not runs or len(known) != len(times):
        return empty
    return _measured(empty, known, f"median of {len(known)} {_how(metric, campaign)}")


def _ratio_fact(campaign: Campaign, numerator: str, denominator: str, made_of: Sequence[Artifact]) -> Fact:
    arm = f"{numerator}/{denominator}"
    others = [a.compiler for a in made_of if not a.comparable]
    empty = Fact(
        id=f"{RATIO_OF}.ratio@{arm}",
        subject=None,
        metric=f"{RATIO_OF}.ratio",
        arm=arm,
        conditions="warm",
        state="not_run",
        value=None,
        unit="ratio",
        reason=Message(code="timing.not-timed", params={"arm": arm}),
        evidence=EVIDENCE,
        comparable=not others,
        compiler=others[0] if others else None,
    )
    bad = next((s for s in campaign.samples if s.arm in (numerator, denominator) and s.outcome != "ok"), None)
    if bad is not None:
        return _without_number(empty, bad)
    above, below = (
        {s.round_index: s for s in campaign.samples if s.arm == name and s.total_s} for name in (numerator, denominator)
    )
    rounds = sorted(above.keys() & below.keys())
    if not rounds:
        return empty
    times = ([total for r in rounds if (total := runs[r].total_s)] for runs in (above, below))
    found = paired_ratio(*times)
    changes = {
        "state": "measured",
        "value": found.value,
        "interval": found.interval,
        "n": found.n,
        "method": f"Hodges-Lehmann centre of {found.n} log ratios, each of one round; {_INTERVAL[found.lacks]}",
        "reason": None,
        "compared": _compared(found, [above[r] for r in rounds], [below[r] for r in rounds]),
    }
    return empty.model_copy(update=changes)


def _compared(found: RatioEstimate, above: Sequence[Sample], below: Sequence[Sample]) -> Compared:
    """Return the verdict, with what the course's loop would have made of the same runs beside it."""
    numerator, denominator = above[0].arm, below[0].arm
    told = other_tools([*above, *below], [(numerator, denominator)])
    printed = {one.arm: one.printed for one in told.loop}
    return Compared(
        verdict=verdict_of(found),
        reason=in_words(numerator, denominator, found),
        loop_numerator=printed[numerator],
        loop_denominator=printed[denominator],
        loop_ratio=told.loop_ratios[0].ratio,
    )


def _empty(
    metric: str, subject: str | None, arm: str, reason: Message, evidence: tuple[str, ...], artifact: Artifact | None
) -> Fact:
    fact = absent_fact(metric, subject, arm, reason, unit="second", artifact=artifact)
    return fact.model_copy(update={"mode": MODE_OF_ARM.get(arm), "conditions": "warm", "evidence": evidence})


def _without_number(empty: Fact, bad: Sample) -> Fact:
    reason = bad.reason or Message(code="timing.bad-run", params={"arm": bad.arm, "round": bad.round_index + 1})
    state: Literal["failed", "not_run"] = "not_run" if reason.blameless else "failed"
    return empty.model_copy(update={"state": state, "reason": reason})


def _measured(empty: Fact, values: Sequence[float], method: str) -> Fact:
    """Return the fact of a median.

    It has no interval: neighbouring runs are alike, and the pair of order statistics that takes them for independent
    held the median of its own recorded series in a quarter to three quarters of cases instead of 95 %.
    """
    spread = summary(values)
    changes = {
        "state": "measured",
        "value": spread.median,
        "spread": spread,
        "n": len(values),
        "method": method,
        "reason": None,
    }
    return empty.model_copy(update=changes)


def _how(metric: str, campaign: Campaign) -> str:
    until = "its exit" if metric == "startup_time" else "its first byte of output"
    return f"runs, spawn to {until}, in shuffled rounds after {campaign.warmups} discarded"
