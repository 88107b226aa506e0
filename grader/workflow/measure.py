"""Measure one submission: build, probe, time, and give every quantity of the lab a value or a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from grader.judging.facts import (
    facts_from_builds,
    facts_from_probes,
    facts_not_measured,
    ratios_not_measured,
)
from grader.judging.images import facts_from_images
from grader.judging.memory import facts_derived_instead, facts_from_peaks, facts_from_servers
from grader.model.base import TIME_IS_UP, Message, Record
from grader.model.grade import Fact, Finding
from grader.model.host import Fingerprint
from grader.model.image import ImageResult
from grader.model.lab import Lab
from grader.model.run import (
    BuildResult,
    Campaign,
    LockSpan,
    PeakRuns,
    ProbeResult,
    Runnable,
    ServerStarts,
    TimedRuns,
    Unrenewed,
)
from grader.model.selection import preference
from grader.model.steps import build_step, image_step
from grader.model.submission import Submission
from grader.ports import Clock, Engine, Host, HostLock, ImageBuilder, Progress, SampleLog, Store
from grader.stats.timing import facts_from_campaign, facts_from_starts
from grader.workflow.build import build_subject
from grader.workflow.images import build_image
from grader.workflow.memory import read_peaks
from grader.workflow.plan import run_limits
from grader.workflow.prepare import prepare_arms
from grader.workflow.probe import probes_of, run_probe
from grader.workflow.site import Site
from grader.workflow.steps import StepOutput, step_of_build, step_of_image, step_of_peaks, step_of_probe
from grader.workflow.timed import time_submission
from grader.workflow.waits import STANDARD, Waits
from grader.workflow.working import Working


class Measured(Record):
    """All that measuring gave.

    `work_s` is the time spent in builds, probes and timed runs, seconds: no look-up, and no wait for the host lock.
    `locks` are the spans of time for which the host lock was held, in order.  `resumed_rounds` of the campaign were
    run before, by a run that was cut off.  `left_out` are the steps and arms that the time limit kept from being done,
    or cut short; `unrenewed` the arms that were to be timed again and broke.
    """

    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    host: Fingerprint
    builds: tuple[BuildResult, ...]
    images: tuple[ImageResult, ...]
    probes: tuple[ProbeResult, ...]
    campaign: Campaign | None
    resumed_rounds: int
    left_out: tuple[str, ...]
    unrenewed: tuple[Unrenewed, ...]
    steps: tuple[StepOutput, ...]
    work_s: float
    locks: tuple[LockSpan, ...]

    @property
    def logs(self) -> tuple[tuple[str, str], ...]:
        """Messages of builds that gave nothing, by step, as the tools wrote them."""
        builds = [(build_step(b.subject), b.log) for b in self.builds if b.artifact is None and b.log]
        return (*builds, *((image_step(i.subject), i.log) for i in self.images if i.image is None and i.log))

    @property
    def runs(self) -> TimedRuns:
        """Every timed run; a server whose probe did not pass has none that count."""
        starts = [
            ServerStarts(probe=p.probe, arm=p.arm, seconds=p.server.first_answers_s)
            for p in self.probes
            if p.state == "passed" and p.server is not None and p.server.first_answers_s
        ]
        return TimedRuns(campaign=self.campaign, starts=tuple(starts))

    def step_files(self) -> dict[str, bytes]:
        """Return the files below `steps/` by relative path."""
        return {path: data for step in self.steps for path, data in step.files().items()}


def measure_submission(
    submission: Submission,
    lab: Lab,
    engine: Engine,
    store: Store,
    lock: HostLock,
    host: Host,
    progress: Progress,
    *,
    use_cache: bool,
    samples: SampleLog,
    resume: bool = False,
    remeasure: bool = False,
    clock: Clock,
    waits: Waits = STANDARD,
    images: ImageBuilder | None = None,
) -> Measured:
    """Build, probe and time a submission, and return facts for every quantity that the lab names.

    Nothing that a submission does raises.  What was built, probed and timed before is taken from the store, unless
    `use_cache` is false: then nothing is read from it or kept in it.

    Args:
        engine: Answers for `images` too: what its capabilities say of an image, and its tools.
        resume: Keep the blocks of rounds that a run which was cut off has left in `samples`.
        remeasure: Time again what was timed before.
    """
    working = Working(lock, clock.monotonic, clock.wall)
    fingerprint = host.fingerprint(engine.tools())
    site = Site(
        engine=engine,
        store=store,
        lock=working,
        progress=progress,
        host=fingerprint,
        limits=run_limits(lab),
        use_cache=use_cache,
        clock=clock,
        waits=waits,
        listen=host.listen,
        images=images,
        remeasure=remeasure,
    )
    session = _Session(site, lab, submission)
    with store.scratch() as work:
        facts = session.measure(work, samples, resume=resume)
    return Measured(
        facts=facts,
        findings=(*_refused(session.builds), *_refused_images(session.images)),
        host=fingerprint,
        builds=tuple(session.builds),
        images=tuple(session.images),
        probes=tuple(session.probes),
        campaign=session.campaign,
        resumed_rounds=session.resumed_rounds,
        left_out=session.left_out,
        unrenewed=tuple(session.unrenewed),
        steps=tuple(session.steps),
        work_s=working.seconds,
        locks=tuple(working.spans),
    )


class _Session:
    """One measuring, from the first build to the facts.  Invariant: `steps` holds every step that was taken."""

    def __init__(self, site: Site, lab: Lab, submission: Submission) -> None:
        self.site, self.lab, self.submission = site, lab, submission
        self.builds: list[BuildResult] = []
        self.images: list[ImageResult] = []
        self.probes: list[ProbeResult] = []
        self.peaks: list[PeakRuns] = []
        self.campaign: Campaign | None = None
        self.resumed_rounds = 0
        self.left_out: tuple[str, ...] = ()
        self.unrenewed: list[Unrenewed] = []
        self.steps: list[StepOutput] = []

    def measure(self, work: Path, samples: SampleLog, *, resume: bool) -> tuple[Fact, ...]:
        """Take every step in turn and return the facts, sorted by id."""
        for subject in self.lab.steps:
            self._build(subject, work)
        for subject in self.lab.images:
            self._build_image(subject, work)
        artifacts = {b.subject: b.artifact for b in self.builds if b.artifact is not None}
        images = {i.subject: i.image.artifact for i in self.images if i.image is not None}
        runnable, missing = prepare_arms(self.site, self.lab, artifacts, images, work)
        for name, subject, arm in probes_of(self.lab, runnable, self.site.engine.capabilities()):
            self._probe(name, subject, arm, runnable)
        for read in read_peaks(self.site, self.lab, runnable, self.probes):
            self.peaks.append(read.runs)
            self.steps.append(step_of_peaks(read.runs, cached=read.cached))
        timed = time_submission(self.site, self.lab, runnable, self.probes, samples, resume=resume)
        if timed is not None:
            self.campaign, self.resumed_rounds = timed.campaign, timed.resumed_rounds
            self.unrenewed += timed.unrenewed
            self.steps.append(timed.step)
            if timed.campaign is None and timed.step.meta.reason is not None:
                missing["timing"] = timed.step.meta.reason
        self.left_out = tuple(
            dict.fromkeys(
                [step.meta.step for step in self.steps if _is_cut(step.meta.reason)]
                + [name for name, reason in missing.items() if _is_cut(reason) and name != "timing"]
            )
        )
        return self._facts(runnable, {**self.site.engine.capabilities(), **missing})

    def _build(self, subject: str, work: Path) -> None:
        built = build_subject(self.site, subject, self.lab.steps[subject], self.submission, work)
        self.builds.append(built.result)
        self.steps.append(step_of_build(built.result, cached=built.cached))

    def _build_image(self, subject: str, work: Path) -> None:
        made = next((b for b in self.builds if b.subject == subject), None)
        built = build_image(self.site, subject, self.lab.images[subject], self.submission, made, work)
        if built is not None:
            self.images.append(built.result)
            self.steps.append(step_of_image(built.result, cached=built.cached))

    def _probe(self, name: str, subject: str, arm: str, runnable: Runnable) -> None:
        probed = run_probe(self.site, name, self.lab.probes[name], arm, runnable[subject, arm])
        self.probes.append(probed.result)
        if probed.unrenewed is not None:
            self.unrenewed.append(Unrenewed(arm=arm, reason=probed.unrenewed))
        self.steps.append(step_of_probe(probed.result, cached=probed.cached))

    def _facts(self, runnable: Runnable, capabilities: Mapping[str, Message | None]) -> tuple[Fact, ...]:
        lab, builds, probes = self.lab, self.builds, self.probes
        facts = [*facts_from_builds(lab, builds), *facts_from_images(lab, self.images)]
        facts += facts_from_probes(lab, probes, runnable)
        facts += facts_from_servers(lab, probes, runnable)
        facts += facts_from_starts(lab, probes, runnable)
        facts += facts_from_peaks(lab, self.peaks, runnable)
        if self.campaign is not None:
            facts += facts_from_campaign(lab, self.campaign, runnable)
        facts += facts_derived_instead(lab, facts)
        facts += facts_not_measured(lab, {fact.id for fact in facts}, capabilities, builds, probes, self.images)
        facts += ratios_not_measured(lab, facts)
        return tuple(sorted(facts, key=lambda fact: (fact.id, preference(lab, fact))))


def _is_cut(reason: Message | None) -> bool:
    return reason is not None and reason.code == TIME_IS_UP


def _refused(builds: Sequence[BuildResult]) -> tuple[Finding, ...]:
    """A build that was not run as written is for a person to look at."""
    return tuple(
        Finding(
            rule="build-refused",
            severity="warning",
            message=build.reason,
            quote=str(build.reason.params.get("found") or ""),
            line=None,
        )
        for build in builds
        if build.state == "refused" and build.reason is not None
    )


def _refused_images(images: Sequence[ImageResult]) -> tuple[Finding, ...]:
    """Each thing that a recipe may not do is a finding of its own, so that nobody mends one to meet the next."""
    return tuple(
        Finding(
            rule="image-refused",
            severity="warning",
            message=refusal,
            quote=str(refusal.params.get("found") or ""),
            line=None,
        )
        for image in images
        for refusal in image.refusals
    )
