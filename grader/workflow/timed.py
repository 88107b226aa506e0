"""Time every arm that is right, or take what the same arms gave before on the same host."""

from __future__ import annotations

from collections.abc import Sequence

from grader.errors import TimeLimitError
from grader.model.base import TIME_IS_UP, Message, Record, canonical_json
from grader.model.bench import BlockDone, NoiseReading
from grader.model.lab import Lab, StdoutJsonProbe
from grader.model.run import Campaign, ProbeResult, Runnable, Unrenewed
from grader.model.samplelog import SampleHeader, SavedSamples
from grader.model.selection import runs_right
from grader.model.trouble import trouble
from grader.ports import SampleLog
from grader.stats.campaign import campaign_of, sound_blocks
from grader.stats.estimate import summary
from grader.stats.experiment import most_rounds, rounds_done
from grader.workflow.build import content_key
from grader.workflow.calibration import CalibratedMeter
from grader.workflow.campaign import TimedArm, campaign_plan, run_campaign
from grader.workflow.plan import timed_arms, why_not
from grader.workflow.site import Site
from grader.workflow.steps import StepMeta, StepOutput

RECIPE = "5"
"""Raised when the same runs would be timed otherwise."""

TIMING_STEP = "time"


class Timed(Record):
    """What timing gave; no campaign if not one round was complete when the time was up.

    `resumed_rounds` were run before, by a run that was cut off.  `unrenewed` are the arms for which an earlier campaign
    stands, because they broke in the one that was to replace it.
    """

    campaign: Campaign | None
    step: StepOutput
    resumed_rounds: int = 0
    unrenewed: tuple[Unrenewed, ...] = ()


class _Timing(Record):
    """A campaign that began at `began`, Unix seconds, with all that was read of the noise meanwhile."""

    campaign: Campaign
    readings: tuple[NoiseReading, ...]
    began: float


def time_submission(
    site: Site, lab: Lab, runnable: Runnable, probes: Sequence[ProbeResult], log: SampleLog, *, resume: bool
) -> Timed | None:
    """Time every arm that nothing the probe saw speaks against.

    The same arms on the same host are timed once, however noisy that was or unresolved it left a ratio: only
    `site.remeasure` times them again, and what was kept stays until the new campaign is whole.

    Args:
        resume: Keep the blocks of the same campaign that `log` holds.
    """
    right = {a: s for a, s in timed_arms(lab).items() if s is None or runs_right(probes, lab.timing.probe, s, a)}
    arms = [_timed_arm(site, lab, arm, subject, runnable) for arm, subject in right.items()]
    chosen = [(arm, key) for arm, key in arms if arm is not None]
    if all(arm.probe is None for arm, _ in chosen):
        return None  # the control arm alone says nothing
    parameters = canonical_json(lab.parameters)
    key = content_key(RECIPE, site.engine.name, parameters, canonical_json(site.host), *(key for _, key in chosen))
    earlier = _earlier(site, key, log)
    if earlier is not None:
        return earlier
    try:
        with site.lock.exclusive():
            # Whoever held the lock before may have timed the same: equal inputs give equal facts.
            earlier = _earlier(site, key, log)
            made = earlier or _run(site, lab, [arm for arm, _ in chosen], key, log, resume=resume)
    except TimeLimitError as error:
        made = Timed(campaign=None, step=_not_run(trouble("infra.run-broke", error)))
    return _or_kept(site, key, made) if site.remeasure else made


def _or_kept(site: Site, key: str, made: Timed) -> Timed:
    """Return the campaign that is kept where a new one did not come to its end."""
    if made.campaign is not None and _repeatable(made.campaign):
        return made
    kept = site.earlier("campaign", key, _Timing)
    if kept is None:
        return made
    site.progress.note("the new times are not whole: those of before stay")
    step = _step(kept, cached=True)
    return Timed(
        campaign=kept.campaign,
        step=step.model_copy(update={"meta": step.meta.model_copy(update={"reason": made.step.meta.reason})}),
        unrenewed=_broke(made.campaign),
    )


def _broke(campaign: Campaign | None) -> tuple[Unrenewed, ...]:
    """Return the arms with a run that could not be made, each with the first reason."""
    first: dict[str, Unrenewed] = {}
    for sample in campaign.samples if campaign is not None else ():
        if sample.outcome == "not-started" and sample.reason is not None:
            first.setdefault(sample.arm, Unrenewed(arm=sample.arm, reason=sample.reason))
    return tuple(first.values())


def _earlier(site: Site, key: str, log: SampleLog) -> Timed | None:
    """Return the campaign that is kept, unless it is to be timed again.

    What a run that was killed after keeping it has left in `log` is not needed.
    """
    if site.remeasure:
        return None
    timing = site.earlier("campaign", key, _Timing)
    if timing is None:
        return None
    log.drop(key, timing.began)
    return Timed(campaign=timing.campaign, step=_step(timing, cached=True))


def _run(site: Site, lab: Lab, arms: Sequence[TimedArm], key: str, log: SampleLog, *, resume: bool) -> Timed:
    """Time the arms and keep the campaign; the caller holds the host lock until it is kept."""
    there = _saved(site, key, log)
    kept = sound_blocks(there.blocks) if there is not None and resume else ()
    if there is not None:
        _tell_what_is_left(site, there, kept, resume=resume)
    rounds = rounds_done(kept)
    site.progress.step(
        "time", f"{_rounds_left(lab, rounds)} of {len(arms)} arms, after {lab.parameters.warmups} to warm up"
    )
    began = there.header.began if there is not None and kept else site.clock.wall()
    plan = campaign_plan(lab, [arm.name for arm in arms])
    earlier = [done.reading for done in kept]
    # What this host is like is no result: without the cache the gate must not see less than with it.
    noise = CalibratedMeter(site.listen(), site.store, site.host, earlier)
    done = run_campaign(
        plan,
        arms,
        site.engine.run_once,
        log.begin(SampleHeader(key=key, rounds=most_rounds(lab.parameters), began=began), kept),
        site.progress,
        noise,
        kept=kept,
        offset_s=max([site.clock.wall() - began, *(reading.at_s for reading in earlier)]) if kept else 0.0,
        wall=site.clock.wall,
        monotonic=site.clock.monotonic,
    )
    if site.use_cache:
        noise.learn()
    campaign = campaign_of(plan, done, noise.calibration)
    timing = _Timing(campaign=campaign, readings=tuple(noise.readings), began=began)
    if _repeatable(campaign):
        site.keep("campaign", key, timing)
    if not campaign.samples and campaign.cut:
        return Timed(campaign=None, step=_not_run(Message(code=TIME_IS_UP)))
    return Timed(campaign=campaign, step=_step(timing, cached=False), resumed_rounds=rounds)


def _rounds_left(lab: Lab, done: int) -> str:
    total = most_rounds(lab.parameters)
    if done:
        return f"round {done + 1} to {total}"
    return f"up to {total} rounds" if lab.parameters.rounds == "auto" else f"{total} rounds"


def _tell_what_is_left(site: Site, there: SavedSamples, kept: Sequence[BlockDone], *, resume: bool) -> None:
    """Say which of the saved runs are made again."""
    if not resume:
        if again := rounds_done(sound_blocks(there.blocks)):
            site.progress.note(f"{again} saved rounds are timed again; --resume would keep them")
        return
    timed = sum(sample.phase == "timed" for done in kept for sample in done.samples)
    if half := there.timed - timed:
        site.progress.note(f"{half} saved runs are run again: their block was cut off, or one before them broke")


def _saved(site: Site, key: str, log: SampleLog) -> SavedSamples | None:
    """Return what was saved of this campaign; what it cannot go on with is kept aside, and that is said."""
    saved = log.saved()
    if saved is None or saved.header.key != key:
        if (aside := log.set_aside()) is not None:
            site.progress.note(f"the saved runs are not of these inputs, this host and these tools: kept as {aside}")
        return None
    if saved.damaged is not None and (aside := log.set_aside()) is not None:
        rounds = rounds_done(sound_blocks(saved.blocks))
        site.progress.note(
            f"line {saved.damaged} of the saved runs cannot be read: {rounds} rounds before it count, all is in {aside}"
        )
    return saved


def _step(timing: _Timing, *, cached: bool) -> StepOutput:
    """Return what the step's folder holds; how busy the host was goes to stderr, one reading a line."""
    reason = Message(code=TIME_IS_UP) if timing.campaign.cut else None
    meta = StepMeta(step=TIMING_STEP, state="measured", reason=reason)
    noise = b"".join(canonical_json(reading) + b"\n" for reading in timing.readings)
    return StepOutput(meta=meta, stdout=_summaries(timing.campaign).encode(), stderr=noise, cached=cached)


def _not_run(reason: Message) -> StepOutput:
    meta = StepMeta(step=TIMING_STEP, state="not_run", reason=reason)
    return StepOutput(meta=meta, stdout=b"", stderr=b"", cached=False)


def _timed_arm(
    site: Site, lab: Lab, arm: str, subject: str | None, runnable: Runnable
) -> tuple[TimedArm | None, bytes]:
    """Return an arm with its command and all that tells it from others, None if it cannot run."""
    probe = lab.probes[lab.timing.probe]
    artifact = runnable.get((subject, arm)) if subject is not None else None
    there = why_not(site.engine.capabilities(), f"arm:{arm}") is None
    if not there or not isinstance(probe, StdoutJsonProbe) or (subject is not None and artifact is None):
        return None, b""
    command = site.engine.command(arm, artifact, probe, site.limits)
    timed = TimedArm(name=arm, command=command, probe=probe if subject is not None else None)
    run = timed.model_copy(update={"command": command.model_copy(update={"binds": ()})})
    return timed, canonical_json(run) + (artifact.sha256.encode() if artifact else b"")


def _repeatable(campaign: Campaign) -> bool:
    """False if the campaign or a run of it was cut short or broke: the next one may go better."""
    return not campaign.cut and all(sample.outcome in ("ok", "failed", "wrong-output") for sample in campaign.samples)


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
