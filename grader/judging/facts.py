"""Builds and probes as facts, and a reason for every quantity of the lab that nobody measured.  Pure.

Three things stay apart everywhere: the student's failure is `failed`; what this host cannot do is `not_run`; what
broke on our side is `not_run` with a reason that is `ours`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.lab import Lab, Metric
from grader.model.run import BuildResult, ProbeResult
from grader.model.selection import most_telling

Absent = tuple[Literal["failed", "not_run"], Message]


def facts_from_builds(lab: Lab, builds: Sequence[BuildResult]) -> tuple[Fact, ...]:
    """Return the facts of every metric that is read off an artifact."""
    return tuple(
        _size_fact(name, metric, build, arm)
        for name, metric in lab.metrics.items()
        if metric.source == "artifact"
        for build in builds
        for arm in metric.arms.get(build.subject, ())
    )


def _size_fact(name: str, metric: Metric, build: BuildResult, arm: str) -> Fact:
    artifact = build.artifact
    if artifact is None:
        # No artifact came from anywhere, so every arm of it has that same state.
        return _absent(name, metric, build.subject, arm, _of_build(build))
    if artifact.label != arm:
        reason = Message(code="fact.other-source", params={"label": artifact.label})
        return _absent(name, metric, build.subject, arm, ("not_run", reason))
    return Fact(
        id=f"{build.subject}.{name}@{arm}",
        subject=build.subject,
        metric=name,
        arm=arm,
        state="measured",
        value=artifact.size,
        unit=metric.unit,
        n=1,
        method="size of the file in the submission" if arm == "committed" else "size of the file that the build made",
        evidence=(f"steps/{build_step(build.subject)}/meta.json",),
        comparable=artifact.comparable,
        compiler=artifact.compiler or None,
    )


def facts_from_probes(lab: Lab, probes: Sequence[ProbeResult], builds: Sequence[BuildResult]) -> tuple[Fact, ...]:
    """Return one fact per probe and arm that was run."""
    compilers = {b.subject: b.artifact for b in builds}
    facts: list[Fact] = []
    for result in probes:
        name = lab.probes[result.probe].metric
        artifact = compilers.get(result.subject)
        reason = result.reason or Message(code="fact.no-value", params={"probe": result.probe})
        ours = result.state == "not_run" or reason.ours
        fact = _absent(
            name, lab.metrics.get(name), result.subject, result.arm, ("not_run" if ours else "failed", reason)
        )
        changes: dict[str, object] = {
            "evidence": (f"steps/{probe_step(result.probe, result.subject, result.arm)}/stdout",),
            "comparable": artifact.comparable if artifact else True,
            "compiler": (artifact.compiler or None) if artifact else None,
        }
        if result.state == "passed":
            method = f"one run of probe {result.probe}, its output checked"
            changes |= {"state": "measured", "value": result.value, "n": 1, "method": method, "reason": None}
        facts.append(fact.model_copy(update=changes))
    return tuple(facts)


def facts_not_measured(
    lab: Lab,
    present: Collection[str],
    capabilities: Mapping[str, Message | None],
    builds: Sequence[BuildResult],
    probes: Sequence[ProbeResult],
) -> tuple[Fact, ...]:
    """Return a fact with its reason for every id that the lab names and `present` lacks, ratios apart."""
    by_subject = {b.subject: b for b in builds}
    failed_probe = {p.subject: p for p in probes if p.probe == lab.timing.probe and p.state != "passed"}
    facts: dict[str, Fact] = {}
    for name, metric in lab.metrics.items():
        for subject in lab.subjects:
            for arm in _arms(lab, name, metric, subject):
                fact_id = f"{subject}.{name}@{arm}"
                if fact_id in present or fact_id in facts:
                    continue
                absent = _why(metric, lab, subject, arm, capabilities, by_subject.get(subject), failed_probe)
                facts[fact_id] = _absent(name, metric, subject, arm, absent)
    control = lab.timing.control
    if control is not None and f"startup_time@{control}" not in present and "startup_time" in lab.metrics:
        reason = capabilities.get(f"arm:{control}") or Message(code="fact.nothing-to-time")
        fact = _absent("startup_time", lab.metrics["startup_time"], None, control, ("not_run", reason))
        facts[fact.id] = fact
    return tuple(facts.values())


def ratios_not_measured(lab: Lab, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return a fact with its reason for every listed ratio that `facts` lack: the reason of the arm that is missing."""
    there = {fact.id for fact in facts}
    times = {fact.arm: fact for fact in facts if fact.metric == "startup_time"}
    found: list[Fact] = []
    for pair in lab.timing.ratios:
        if f"startup_time.ratio@{pair}" in there:
            continue
        absent: Absent = ("not_run", Message(code="timing.not-timed", params={"arm": pair}))
        missing = most_telling(t for arm in pair.split("/") if (t := times.get(arm)) and t.state != "measured")
        if missing is not None and missing.reason is not None:
            absent = ("failed" if missing.state == "failed" else "not_run", missing.reason)
        found.append(
            Fact(
                id=f"startup_time.ratio@{pair}",
                subject=None,
                metric="startup_time.ratio",
                arm=pair,
                state=absent[0],
                value=None,
                unit="ratio",
                reason=absent[1],
            )
        )
    return tuple(found)


def build_step(subject: str) -> str:
    """Return the name of a build's step and of its folder of evidence."""
    return f"build-{subject}"


def probe_step(probe: str, subject: str, arm: str) -> str:
    """Return the name of a probe's step and of its folder of evidence."""
    return f"probe-{probe}-{subject}-{arm}"


def _arms(lab: Lab, name: str, metric: Metric, subject: str) -> Iterable[str]:
    yield from metric.arms.get(subject, ())
    if metric.source == "timing":
        yield from lab.timing.arms.get(subject, ())
    if metric.source == "probe":
        for probe in lab.probes.values():
            if probe.metric == name:
                yield from probe.arms.get(subject, ())


def _why(
    metric: Metric,
    lab: Lab,
    subject: str,
    arm: str,
    capabilities: Mapping[str, Message | None],
    build: BuildResult | None,
    failed_probe: Mapping[str, ProbeResult],
) -> Absent:
    """What this host cannot do comes before what the student did: nobody knows what would have happened."""
    probe = lab.probes.get(metric.probe or "")
    needed = {
        "artifact": (),
        "timing": (f"arm:{arm}",),
        "probe": (f"arm:{arm}", f"probe:{probe.kind}" if probe else ""),
        "image": (f"arm:{arm}", f"image:{subject}"),
        "memory": (f"arm:{arm}", "memory"),
    }[metric.source]
    for capability in needed:
        reason = capabilities.get(capability)
        if reason is not None:
            return "not_run", reason
    if build is not None and build.artifact is None:
        return _of_build(build)
    broken = failed_probe.get(subject)
    if metric.source == "timing" and broken is not None and broken.reason is not None:
        ours = broken.state == "not_run" or broken.reason.ours
        return "not_run" if ours else "failed", broken.reason
    return "not_run", Message(code="fact.not-measured", params={"arm": arm})


def _of_build(build: BuildResult) -> Absent:
    reason = build.reason or Message(code="fact.not-measured", params={"arm": build.label})
    return "failed" if build.state == "failed" and not reason.ours else "not_run", reason


def _absent(name: str, metric: Metric | None, subject: str | None, arm: str, absent: Absent) -> Fact:
    state, reason = absent
    return Fact(
        id=f"{subject}.{name}@{arm}" if subject else f"{name}@{arm}",
        subject=subject,
        metric=name,
        arm=arm,
        state=state,
        value=None,
        unit=metric.unit if metric else None,
        reason=reason,
    )
