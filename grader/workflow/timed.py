"""Time every arm that is right, or take what the same arms gave before on the same host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.model.base import canonical_json
from grader.model.lab import Lab, StdoutJsonProbe
from grader.model.run import Artifact, Campaign, ProbeResult
from grader.ports import SampleSink
from grader.stats.estimate import summary
from grader.workflow.build import content_key
from grader.workflow.campaign import TimedArm, run_campaign
from grader.workflow.plan import timed_arms, why_not
from grader.workflow.prepare import Runnable
from grader.workflow.site import Site
from grader.workflow.steps import StepMeta, StepOutput

RECIPE = "1"
"""Raised when the same runs would be timed otherwise."""

TIMING_STEP = "time"


def time_submission(
    site: Site, lab: Lab, runnable: Runnable, probes: Sequence[ProbeResult], sink: SampleSink
) -> tuple[Campaign, StepOutput] | None:
    """Time every arm whose subject passed the probe; the same arms on the same host are never timed twice."""
    failed = {p.subject for p in probes if p.probe == lab.timing.probe and p.state != "passed"}
    arms = [_timed_arm(site, lab, arm, subject, runnable) for arm, subject in timed_arms(lab).items()]
    chosen = [(arm, key) for arm, subject, key in arms if arm is not None and subject not in failed]
    if all(arm.probe is None for arm, _ in chosen):
        return None  # the control arm alone says nothing
    parameters = canonical_json(lab.parameters)
    key = content_key(RECIPE, site.engine.name, parameters, canonical_json(site.host), *(key for _, key in chosen))
    campaign = _earlier(site, key, sink)
    cached = campaign is not None
    if campaign is None:
        site.progress.step("time", f"{lab.parameters.rounds} rounds of {len(chosen)} arms")
        with site.lock.exclusive():
            # Whoever held the lock before may have timed the same: equal inputs give equal facts.
            campaign = _earlier(site, key, sink)
            cached = campaign is not None
            if campaign is None:
                campaign = _run(site, lab, [arm for arm, _ in chosen], key, sink)
    meta = StepMeta(step=TIMING_STEP, cached=cached, state="measured")
    return campaign, StepOutput(meta=meta, stdout=_summaries(campaign).encode(), stderr=b"")


def _run(site: Site, lab: Lab, arms: Sequence[TimedArm], key: str, sink: SampleSink) -> Campaign:
    """Time the arms and keep the campaign; the caller holds the host lock until it is kept."""
    run = site.engine.run_once
    campaign = run_campaign(arms, lab.parameters, run, sink, site.progress, wall=site.wall, monotonic=site.monotonic)
    if _repeatable(campaign):
        site.keep("campaign", key, campaign)
    return campaign


def _timed_arm(
    site: Site, lab: Lab, arm: str, subject: str | None, runnable: Mapping[tuple[str, str], Artifact]
) -> tuple[TimedArm | None, str | None, bytes]:
    """Return an arm with its command and all that tells it from others, None if it cannot run."""
    probe = lab.probes[lab.timing.probe]
    artifact = runnable.get((subject, arm)) if subject is not None else None
    there = why_not(site.engine.capabilities(), f"arm:{arm}") is None
    if not there or not isinstance(probe, StdoutJsonProbe) or (subject is not None and artifact is None):
        return None, subject, b""
    command = site.engine.command(arm, artifact, probe, site.limits)
    timed = TimedArm(name=arm, command=command, probe=probe if subject is not None else None)
    run = timed.model_copy(update={"command": command.model_copy(update={"binds": ()})})
    return timed, subject, canonical_json(run) + (artifact.sha256.encode() if artifact else b"")


def _earlier(site: Site, key: str, sink: SampleSink) -> Campaign | None:
    campaign = site.earlier("campaign", key, Campaign)
    for sample in campaign.samples if campaign is not None else ():
        sink(sample.model_dump(mode="json"))
    return campaign


def _repeatable(campaign: Campaign) -> bool:
    """False if a run was cut short or broke: the next campaign may go better."""
    return all(sample.outcome in ("ok", "failed", "wrong-output") for sample in campaign.samples)


def _summaries(campaign: Campaign) -> str:
    """Return one line per arm, for a person who looks into the step's folder."""
    lines = ["arm n median_s p5_s p95_s"]
    for arm in campaign.arms:
        times = [s.total_s for s in campaign.samples if s.arm == arm and s.total_s is not None]
        if times and all(s.outcome == "ok" for s in campaign.samples if s.arm == arm):
            found = summary(times)
            lines.append(f"{arm} {found.n} {found.median:.6f} {found.p5:.6f} {found.p95:.6f}")
        else:
            lines.append(f"{arm} failed")
    return "\n".join(lines) + "\n"
