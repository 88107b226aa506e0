"""Builds and probes as facts, and a reason for every quantity of the lab that nobody measured.  Pure.

Three things stay apart everywhere: the student's failure is `failed`; what this host cannot do is `not_run`; what
broke on our side is `not_run` with a reason that is `ours`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from grader.model.absent import absent_fact
from grader.model.arms import runs_image
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.image import ImageResult
from grader.model.lab import HttpProbe, Lab, Metric, Probe, StdoutJsonProbe
from grader.model.run import BuildResult, ProbeResult, Runnable
from grader.model.selection import deciding_probe, most_telling
from grader.model.steps import build_step, probe_step

_ENDS = {
    "by-itself": "it ended by itself",
    "terminated": "it ended at SIGTERM",
    "killed": "it outlived SIGTERM and was killed",
}

Absent = tuple[Literal["failed", "not_run"], Message]


def facts_from_builds(lab: Lab, builds: Sequence[BuildResult]) -> tuple[Fact, ...]:
    """Return the facts of every metric that is read off an artifact."""
    return tuple(
        _size_fact(name, metric, build, arm)
        for name, metric in lab.metrics.items()
        if metric.source == "artifact"
        for build in builds
        for arm in metric.arms.get(build.subject, ())
        if not runs_image(arm)
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


def facts_from_probes(lab: Lab, probes: Sequence[ProbeResult], ran: Runnable) -> tuple[Fact, ...]:
    """Return one fact per probe and arm that was run."""
    passed = {result.probe for result in probes if result.state == "passed"}
    facts: list[Fact] = []
    for result in probes:
        name = lab.probes[result.probe].metric
        reason = result.reason or Message(code="fact.no-value", params={"probe": result.probe})
        artifact = ran.get((result.subject, result.arm))
        if reason.code == "run.timeout" and artifact and not artifact.comparable and result.probe in passed:
            # Compiling the large module of another compiler takes as long as the host is busy; the source is sound.
            slow = {"compiler": artifact.compiler, "seconds": reason.params["seconds"]}
            reason = Message(code="fact.other-compiler-slow", params=slow)
        ours = result.state == "not_run" or reason.blameless or reason.code == "fact.other-compiler-slow"
        metric = lab.metrics.get(name)
        fact = absent_fact(
            name,
            result.subject,
            result.arm,
            reason,
            state="not_run" if ours else "failed",
            unit=metric.unit if metric else None,
            artifact=artifact,
        )
        folder = f"steps/{probe_step(result.probe, result.subject, result.arm)}"
        # Answers of servers and routes are in the step's record; what the programs printed is beside it.
        answers = (f"{folder}/meta.json",) if result.answers else ()
        changes: dict[str, object] = {"evidence": (*answers, f"{folder}/stdout")}
        if result.state == "passed":
            method = _how_probed(lab.probes[result.probe], result)
            changes |= {"state": "measured", "value": result.value, "n": 1, "method": method, "reason": None}
        facts.append(fact.model_copy(update=changes))
    return tuple(facts)


def _how_probed(probe: Probe, result: ProbeResult) -> str:
    if isinstance(probe, StdoutJsonProbe):
        return f"one run of probe {result.probe}, its output checked"
    if isinstance(probe, HttpProbe):
        if result.expected_failure is not None:
            return "one start, its failure expected"
        ended = _ENDS[result.server.stopped] if result.server is not None else "its end unknown"
        return f"answers on {len(probe.get)} routes checked; {ended}"
    return f"one run for each of {len(probe.get)} routes, its answer checked"


def facts_not_measured(
    lab: Lab,
    present: Collection[str],
    capabilities: Mapping[str, Message | None],
    builds: Sequence[BuildResult],
    probes: Sequence[ProbeResult],
    images: Sequence[ImageResult] = (),
) -> tuple[Fact, ...]:
    """Return a fact with its reason for every id that the lab names and `present` lacks, ratios apart."""
    packed = {image.subject: image for image in images}
    plain = {b.subject: b for b in builds}
    facts: dict[str, Fact] = {}
    for name, metric in lab.metrics.items():
        for subject in lab.subjects:
            for arm in _arms(lab, name, metric, subject):
                fact_id = f"{subject}.{name}@{arm}"
                if fact_id in present or fact_id in facts:
                    continue
                broken = deciding_probe(probes, metric.probe or "", subject, arm)
                made = (packed if runs_image(arm) else plain).get(subject)
                absent = _why(metric, lab, subject, arm, capabilities, made, broken)
                facts[fact_id] = _absent(name, metric, subject, arm, absent)
    control = lab.timing.control
    for name, metric in lab.metrics.items():
        if control is not None and f"{name}@{control}" not in present and _of_control(lab, name, metric):
            needed = [f"arm:{control}", "memory" if metric.source == "memory" else "timing"]
            reason = next((r for c in needed if (r := capabilities.get(c)) is not None), None)
            absent = ("not_run", reason or Message(code="fact.nothing-to-time"))
            facts[f"{name}@{control}"] = _absent(name, metric, None, control, absent)
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
        state, reason = absent
        found.append(absent_fact("startup_time.ratio", None, pair, reason, state=state, unit="ratio"))
    return tuple(found)


def _of_control(lab: Lab, name: str, metric: Metric) -> bool:
    """True for what the control arm has too: the time of a run, and the peak of its memory."""
    return name == "startup_time" or _is_peak(lab, metric)


def _is_peak(lab: Lab, metric: Metric) -> bool:
    return metric.source == "memory" and isinstance(lab.probes.get(metric.probe or ""), StdoutJsonProbe)


def _arms(lab: Lab, name: str, metric: Metric, subject: str) -> Iterable[str]:
    yield from metric.arms.get(subject, ())
    if metric.source == "timing" or _is_peak(lab, metric):
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
    made: BuildResult | ImageResult | None,
    probed: ProbeResult | None,
) -> Absent:
    """What this host cannot do comes before what the student did: nobody knows what would have happened."""
    probe = lab.probes.get(metric.probe or "")
    kind = f"probe:{probe.kind}" if probe else ""
    image = f"image:{subject}"
    # The size of an image is there once it is built, wherever it could be run.
    sized = metric.source in ("artifact", "image") and (not runs_image(arm) or capabilities.get(image, image) is None)
    needed = {
        "artifact": (),
        "timing": ("timing",),
        "probe": (kind,),
        "image": (),
        "memory": ("memory", kind),
        "answer": (kind,),
    }[metric.source]
    at_all = () if sized else (f"arm:{arm}", *((image,) if runs_image(arm) else ()))
    for capability in (*at_all, *needed):
        reason = capabilities.get(capability)
        if reason is not None:
            return "not_run", reason
    if made is not None and _is_missing(made):
        return _of_build(made)
    if metric.source != "probe" and probed is not None and probed.state != "passed" and probed.reason is not None:
        ours = probed.state == "not_run" or probed.reason.blameless
        return "not_run" if ours else "failed", probed.reason
    return "not_run", Message(code="fact.not-measured", params={"arm": arm})


def _is_missing(made: BuildResult | ImageResult) -> bool:
    return (made.image if isinstance(made, ImageResult) else made.artifact) is None


def _of_build(build: BuildResult | ImageResult) -> Absent:
    reason = build.reason or Message(code="fact.not-measured", params={"arm": "build"})
    return "failed" if build.state == "failed" and not reason.blameless else "not_run", reason


def _absent(name: str, metric: Metric | None, subject: str | None, arm: str, absent: Absent) -> Fact:
    state, reason = absent
    return absent_fact(name, subject, arm, reason, state=state, unit=metric.unit if metric else None)
