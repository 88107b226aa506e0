"""Measure one submission: build, probe, time, and give every quantity of the lab a value or a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from grader.errors import HostError, SubmissionError
from grader.judging.facts import (
    build_step,
    facts_from_builds,
    facts_from_probes,
    facts_not_measured,
    probe_step,
    ratios_not_measured,
)
from grader.model.base import Message, Record, canonical_json
from grader.model.grade import Fact, Finding
from grader.model.host import Fingerprint
from grader.model.lab import Lab, StdoutJsonProbe
from grader.model.run import Artifact, BuildResult, Campaign, Limits, ProbeResult
from grader.model.submission import Submission
from grader.model.trouble import trouble, without_host_paths
from grader.ports import Engine, Host, HostLock, Progress, SampleSink, Store
from grader.stats.estimate import summary
from grader.stats.timing import facts_from_campaign
from grader.workflow.build import build_subject, content_key
from grader.workflow.campaign import TimedArm, run_campaign
from grader.workflow.plan import run_limits, timed_arms, used_arms, why_not
from grader.workflow.prepare import prepare_artifact
from grader.workflow.probe import run_probe
from grader.workflow.records import load_record

RECIPE = "1"
"""Raised when the same runs would be timed otherwise."""

TIMING_STEP = "time"

Runnable = dict[tuple[str, str], Artifact]
"""What is run, by subject and arm."""


class StepMeta(Record):
    """What `meta.json` of a step says; times are of the run that was done, however long ago."""

    schema_: Annotated[Literal["grader/step/1"], Field(alias="schema")] = "grader/step/1"
    step: str
    cached: bool
    argv: tuple[str, ...] = ()
    state: str
    exit_code: int | None = None
    signal: int | None = None
    total_s: float | None = None
    artifact_sha256: str | None = None
    artifact_size: int | None = None
    reason: Message | None = None


class StepOutput(Record):
    """One step's evidence: the streams as they were, and what is known about the run."""

    meta: StepMeta
    stdout: bytes
    stderr: bytes


class Measured(Record):
    """All that measuring gave.

    `work_s` is the time spent in builds, probes and timed runs, seconds: no look-up, and no wait for the host lock.
    """

    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    host: Fingerprint
    builds: tuple[BuildResult, ...]
    probes: tuple[ProbeResult, ...]
    campaign: Campaign | None
    steps: tuple[StepOutput, ...]
    work_s: float

    @property
    def logs(self) -> tuple[tuple[str, str], ...]:
        """Messages of builds that gave no artifact, by step, as the tools wrote them."""
        return tuple((build_step(b.subject), b.log) for b in self.builds if b.artifact is None and b.log)

    def step_files(self) -> dict[str, bytes]:
        """Return the files below `steps/` by relative path."""
        files: dict[str, bytes] = {}
        for step in self.steps:
            files[f"{step.meta.step}/stdout"] = step.stdout
            files[f"{step.meta.step}/stderr"] = step.stderr
            files[f"{step.meta.step}/meta.json"] = step.meta.model_dump_json(indent=2, by_alias=True).encode() + b"\n"
        return files


class _Working:
    """The host lock, and the seconds for which it was held: all work is done under it, and nothing else is."""

    def __init__(self, lock: HostLock, monotonic: Callable[[], float]) -> None:
        self._lock = lock
        self._monotonic = monotonic
        self.seconds = 0.0

    def shared(self) -> AbstractContextManager[None]:
        return self._held(self._lock.shared())

    def exclusive(self) -> AbstractContextManager[None]:
        return self._held(self._lock.exclusive())

    @contextmanager
    def _held(self, lock: AbstractContextManager[None]) -> Iterator[None]:
        with lock:
            began = self._monotonic()
            try:
                yield
            finally:
                self.seconds += self._monotonic() - began


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
    sink: SampleSink,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Measured:
    """Build, probe and time a submission, and return facts for every quantity that the lab names.

    Nothing that a submission does raises.  What was built, probed and timed before is taken from the store, unless
    `use_cache` is false: then nothing is read from it or kept in it.
    """
    session = _Session(submission, lab, engine, store, lock, progress, use_cache, sink, wall, monotonic)
    with store.scratch() as work:
        return session.measure(work, host.fingerprint(engine.tools()))


class _Session:
    """One measuring, from the first build to the facts.  Invariant: `steps` holds every step that was taken."""

    def __init__(
        self,
        submission: Submission,
        lab: Lab,
        engine: Engine,
        store: Store,
        lock: HostLock,
        progress: Progress,
        use_cache: bool,
        sink: SampleSink,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.submission, self.lab, self.engine = submission, lab, engine
        self.store, self.progress, self.sink = store, progress, sink
        self.use_cache, self.wall, self.monotonic = use_cache, wall, monotonic
        self.limits: Limits = run_limits(lab)
        self.capabilities = engine.capabilities()
        self.steps: list[StepOutput] = []
        self.lock = _Working(lock, monotonic)

    def measure(self, work: Path, host: Fingerprint) -> Measured:
        builds = [self._build(subject, work) for subject in self.lab.steps]
        runnable, missing = self._prepare({b.subject: b.artifact for b in builds if b.artifact is not None}, work)
        probes = [self._probe(name, subject, arm, runnable) for name, subject, arm in self._probes_of(runnable)]
        campaign = self._time(runnable, probes, host)
        facts = [*facts_from_builds(self.lab, builds), *facts_from_probes(self.lab, probes, builds)]
        if campaign is not None:
            facts += facts_from_campaign(self.lab, campaign, {a.subject: a for a in runnable.values()})
        ids = {fact.id for fact in facts}
        facts += facts_not_measured(self.lab, ids, {**self.capabilities, **missing}, builds, probes)
        facts += ratios_not_measured(self.lab, facts)
        return Measured(
            facts=tuple(sorted(facts, key=lambda fact: fact.id)),
            findings=_refused(builds),
            host=host,
            builds=tuple(builds),
            probes=tuple(probes),
            campaign=campaign,
            steps=tuple(self.steps),
            work_s=self.lock.seconds,
        )

    def _build(self, subject: str, work: Path) -> BuildResult:
        built = build_subject(
            subject,
            self.lab.steps[subject],
            self.submission,
            self.engine,
            self.store,
            self.lock,
            self.progress,
            work=work,
            use_cache=self.use_cache,
        )
        result = built.result
        meta = StepMeta(
            step=build_step(subject),
            cached=built.cached,
            argv=result.argv,
            state=result.state,
            artifact_sha256=result.artifact.sha256 if result.artifact else None,
            artifact_size=result.artifact.size if result.artifact else None,
            reason=result.reason,
        )
        self.steps.append(StepOutput(meta=meta, stdout=b"", stderr=result.log.encode("utf-8", "replace")))
        return result

    def _prepare(self, artifacts: Mapping[str, Artifact], work: Path) -> tuple[Runnable, dict[str, Message]]:
        """Return by subject and arm what is run there, and by capability why an arm has nothing to run."""
        runnable: Runnable = {}
        missing: dict[str, Message] = {}
        for subject, arm in used_arms(self.lab):
            artifact = artifacts.get(subject)
            if artifact is None or why_not(self.capabilities, f"arm:{arm}") is not None:
                continue
            try:
                runnable[subject, arm] = prepare_artifact(
                    arm, artifact, self.engine, self.store, self.lock, work=work, use_cache=self.use_cache
                )
            except SubmissionError as error:
                params = {"arm": arm, "detail": without_host_paths(error.what)}
                missing[f"arm:{arm}"] = Message(code="run.not-prepared", params=params)
            except HostError as error:
                missing[f"arm:{arm}"] = trouble("infra.run-broke", error)
        return runnable, missing

    def _probes_of(self, runnable: Runnable) -> tuple[tuple[str, str, str], ...]:
        """Return probe, subject and arm of what the engine can probe, in the lab's order."""
        return tuple(
            (name, subject, arm)
            for name, probe in self.lab.probes.items()
            if why_not(self.capabilities, f"probe:{probe.kind}") is None
            for subject, arms in probe.arms.items()
            for arm in arms
            if (subject, arm) in runnable
        )

    def _probe(self, name: str, subject: str, arm: str, runnable: Runnable) -> ProbeResult:
        probe = self.lab.probes[name]
        assert isinstance(probe, StdoutJsonProbe)  # the only kind that an engine has by now
        probed = run_probe(
            name,
            probe,
            subject,
            arm,
            runnable[subject, arm],
            self.engine,
            self.store,
            self.lock,
            self.progress,
            self.limits,
            use_cache=self.use_cache,
            wall=self.wall,
        )
        result, run = probed.result, probed.result.completed
        meta = StepMeta(
            step=probe_step(name, subject, arm),
            cached=probed.cached,
            argv=run.argv if run else (),
            state=result.state,
            exit_code=run.exit_code if run else None,
            signal=run.signal if run else None,
            total_s=run.total_s if run else None,
            reason=result.reason,
        )
        stdout, stderr = (run.stdout_bytes(), run.stderr_bytes()) if run else (b"", b"")
        self.steps.append(StepOutput(meta=meta, stdout=stdout, stderr=stderr))
        return result

    def _time(self, runnable: Runnable, probes: Sequence[ProbeResult], host: Fingerprint) -> Campaign | None:
        """Time every arm whose subject passed the probe; the same arms on the same host are never timed twice."""
        name = self.lab.timing.probe
        failed = {p.subject for p in probes if p.probe == name and p.state != "passed"}
        arms = [self._timed_arm(arm, subject, runnable) for arm, subject in timed_arms(self.lab).items()]
        chosen = [(arm, key) for arm, subject, key in arms if arm is not None and subject not in failed]
        if all(arm.probe is None for arm, _ in chosen):
            return None  # the control arm alone says nothing
        parameters = canonical_json(self.lab.parameters)
        key = content_key(RECIPE, self.engine.name, parameters, canonical_json(host), *(key for _, key in chosen))
        campaign = self._earlier_campaign(key)
        cached = campaign is not None
        if campaign is None:
            self.progress.step("time", f"{self.lab.parameters.rounds} rounds of {len(chosen)} arms")
            with self.lock.exclusive():
                # Whoever held the lock before may have timed the same: equal inputs give equal facts.
                campaign = self._earlier_campaign(key)
                cached = campaign is not None
                if campaign is None:
                    campaign = self._run_campaign([arm for arm, _ in chosen], key)
        meta = StepMeta(step=TIMING_STEP, cached=cached, state="measured")
        self.steps.append(StepOutput(meta=meta, stdout=_summaries(campaign).encode(), stderr=b""))
        return campaign

    def _run_campaign(self, arms: Sequence[TimedArm], key: str) -> Campaign:
        """Time the arms and keep the campaign; the caller holds the host lock until it is kept."""
        campaign = run_campaign(
            arms,
            self.lab.parameters,
            self.engine.run_once,
            self.sink,
            self.progress,
            wall=self.wall,
            monotonic=self.monotonic,
        )
        if self.use_cache and _repeatable(campaign):
            self.store.save("campaign", key, canonical_json(campaign))
        return campaign

    def _timed_arm(
        self, arm: str, subject: str | None, runnable: Runnable
    ) -> tuple[TimedArm | None, str | None, bytes]:
        """Return an arm with its command and all that tells it from others, None if it cannot run."""
        probe = self.lab.probes[self.lab.timing.probe]
        artifact = runnable.get((subject, arm)) if subject is not None else None
        there = why_not(self.capabilities, f"arm:{arm}") is None
        if not there or not isinstance(probe, StdoutJsonProbe) or (subject is not None and artifact is None):
            return None, subject, b""
        command = self.engine.command(arm, artifact, probe, self.limits)
        timed = TimedArm(name=arm, command=command, probe=probe if subject is not None else None)
        run = timed.model_copy(update={"command": command.model_copy(update={"binds": ()})})
        return timed, subject, canonical_json(run) + (artifact.sha256.encode() if artifact else b"")

    def _earlier_campaign(self, key: str) -> Campaign | None:
        campaign = load_record(self.store, "campaign", key, Campaign) if self.use_cache else None
        for sample in campaign.samples if campaign is not None else ():
            self.sink(sample.model_dump(mode="json"))
        return campaign


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
