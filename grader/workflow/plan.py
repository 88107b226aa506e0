"""Choose what will be built and run, and say it before it happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from grader.model.arms import ARMS, Runs, runs_image
from grader.model.base import Message, Record, digest
from grader.model.lab import (
    BuildSource,
    CgiProbe,
    CommittedFile,
    HttpGet,
    HttpProbe,
    ImageSource,
    Lab,
    Probe,
    StdoutJsonProbe,
    Step,
)
from grader.model.run import Artifact, Command, Limits
from grader.model.steps import memory_step, probe_step
from grader.model.submission import REPORT_ENTRY, Submission
from grader.ports import Call, Engine, ImageBuilder
from grader.stats.experiment import most_rounds

DISCARDED = 1
"""Runs for memory whose reading does not count: a file's pages are charged to whoever touches them first."""

Capabilities = Mapping[str, Message | None]

Unbuilt = Mapping[tuple[str, Runs], Message]
"""Why there is nothing to run, by subject and by what an arm runs of it."""

Kind = Literal["build", "image", "prepare", "probe", "server", "memory", "time"]


class PlannedStep(Record):
    """One step as it will run: the command in the sandbox's own paths, or why there is none.

    `runs` counts how often the command is run, discarded runs included; 0 if it is not.
    """

    id: str
    kind: Kind
    subject: str | None
    env: dict[str, str] = {}
    argv: tuple[str, ...] = ()
    runs: int = 0
    reason: Message | None = None


def plan_submission(
    submission: Submission, lab: Lab, engine: Engine, images: ImageBuilder | None = None
) -> tuple[PlannedStep, ...]:
    """Return every step with its exact command; nothing of the submission runs."""
    return tuple(_planned(submission, lab, engine, images))


def _planned(submission: Submission, lab: Lab, engine: Engine, images: ImageBuilder | None) -> Iterator[PlannedStep]:
    capabilities = engine.capabilities()
    unbuilt: dict[tuple[str, Runs], Message] = {}
    for subject, step in lab.steps.items():
        planned = _planned_build(subject, choose_source(submission, step, capabilities), submission, engine)
        if planned.reason is not None:
            unbuilt[subject, "artifact"] = planned.reason
        yield planned
    for subject, recipe in lab.images.items():
        planned = _planned_image(subject, recipe, submission, capabilities, images, unbuilt)
        if planned.reason is not None:
            unbuilt[subject, "image"] = planned.reason
        yield planned
    for subject, arm in used_arms(lab):
        call = engine.prepare_call(arm)
        if call is not None:
            reason = why_not(capabilities, f"arm:{arm}") or unbuilt.get((subject, ARMS[arm].runs))
            yield _step(f"prepare-{arm}-{subject}", "prepare", subject, reason or call)
    for name, probe in lab.probes.items():
        for subject, arms in probe.arms.items():
            for arm in arms:
                yield from _planned_probe(probe_step(name, subject, arm), subject, arm, probe, lab, engine, unbuilt)
    yield from _planned_memory(lab, engine, unbuilt)
    probe = lab.probes[lab.timing.probe]
    rounds = lab.parameters.warmups + most_rounds(lab.parameters)
    for timed, subject_or_none in timed_arms(lab).items():
        run = _run_of(subject_or_none, timed, probe, lab, engine, unbuilt)
        yield _step(f"time-{timed}", "time", subject_or_none, run, rounds)


def _planned_build(subject: str, source: BuildSource | Message, submission: Submission, engine: Engine) -> PlannedStep:
    call = source if isinstance(source, Message) else engine.build_call(source, source_dir(submission))
    return _step(f"build-{subject}", "build", subject, call)


def _planned_image(
    subject: str,
    source: ImageSource,
    submission: Submission,
    capabilities: Capabilities,
    images: ImageBuilder | None,
    unbuilt: Unbuilt,
) -> PlannedStep:
    reason = why_not(capabilities, f"image:{subject}") or missing_file(submission, source)
    reason = reason or (unbuilt.get((subject, "artifact")) if source.artifact else None)
    if reason is not None or images is None:
        return _step(f"image-{subject}", "image", subject, reason or Message(code="plan.unknown-to-engine"))
    return _step(f"image-{subject}", "image", subject, images.image_call(subject, source, source_dir(submission)))


def _planned_probe(
    step: str, subject: str, arm: str, probe: Probe, lab: Lab, engine: Engine, unbuilt: Unbuilt
) -> Iterator[PlannedStep]:
    """One step per run of another command: a CGI program is asked for each path, a server is started several times."""
    if isinstance(probe, CgiProbe):
        for get in probe.get:
            run = _run_of(subject, arm, probe, lab, engine, unbuilt, get)
            yield _step(f"{step}:{get.path}", "probe", subject, run)
        return
    run = _run_of(subject, arm, probe, lab, engine, unbuilt)
    if not isinstance(probe, HttpProbe):
        yield _step(step, "probe", subject, run)
        return
    yield _step(step, "server", subject, run)
    if isinstance(run, Command) and subject not in probe.expect_failure:
        yield _step(f"{step}:starts", "server", subject, run, probe.starts)


def _planned_memory(lab: Lab, engine: Engine, unbuilt: Unbuilt) -> Iterator[PlannedStep]:
    missing = why_not(engine.capabilities(), "memory")
    for name, metric in lab.metrics.items():
        probe = lab.probes.get(metric.probe or "")
        if metric.source == "memory" and isinstance(probe, StdoutJsonProbe):
            for arm, subject in timed_arms(lab).items():
                run = missing or _run_of(subject, arm, probe, lab, engine, unbuilt)
                yield _step(memory_step(name, arm), "memory", subject, run, DISCARDED + lab.parameters.memory_runs)


def _run_of(
    subject: str | None,
    arm: str,
    probe: Probe,
    lab: Lab,
    engine: Engine,
    unbuilt: Unbuilt,
    get: HttpGet | None = None,
) -> Command | Message:
    """Return the command of one run, or the first reason against it; no subject stands for the control arm."""
    capabilities = engine.capabilities()
    reason = why_not(capabilities, f"arm:{arm}") or why_not(capabilities, f"probe:{probe.kind}")
    reason = reason or (unbuilt.get((subject, ARMS[arm].runs)) if subject is not None else None)
    if reason is not None:
        return reason
    return engine.command(arm, _unbuilt(subject, arm) if subject is not None else None, probe, run_limits(lab), get)


def _step(step_id: str, kind: Kind, subject: str | None, what: Call | Command | Message, runs: int = 1) -> PlannedStep:
    if isinstance(what, Message):
        return PlannedStep(id=step_id, kind=kind, subject=subject, reason=what)
    runs = runs if what.argv else 0
    return PlannedStep(id=step_id, kind=kind, subject=subject, env=what.env, argv=what.argv, runs=runs)


def why_not(capabilities: Capabilities, name: str) -> Message | None:
    """Return why an engine lacks a capability, None if it has it; one that it does not mention it has not."""
    return capabilities.get(name, Message(code="plan.unknown-to-engine"))


def used_arms(lab: Lab) -> tuple[tuple[str, str], ...]:
    """Return each subject and arm that is probed or timed, once."""
    timed = [(subject, arm) for subject, arms in lab.timing.arms.items() for arm in arms]
    probed = [(s, arm) for probe in lab.probes.values() for s, arms in probe.arms.items() for arm in arms]
    return tuple(dict.fromkeys((*timed, *probed)))


def choose_source(submission: Submission, step: Step, capabilities: Capabilities) -> BuildSource | Message:
    """Return the first source that applies, or why none does.

    A file that was handed in applies even if it is broken: that is the student's mistake, and another compiler's
    build would hide it.  A file that a repository lists but does not hold stops the search: we do not know it.
    """
    first: Message | None = None
    for source in step.first_of:
        if isinstance(source, CommittedFile):
            entry = submission.manifest.find(path_of(submission, source.file))
            if entry is not None and entry.state == "absent":
                return Message(code="build.object-missing", params={"file": source.file})
            if entry is not None:
                return source
            reason: Message | None = Message(code="build.no-file", params={"file": source.file})
        else:
            reason = capabilities.get(f"tool:{source.tool}", Message(code="plan.no-tool", params={"tool": source.tool}))
            if reason is None:
                return source
        first = first or reason
    assert first is not None  # a step has at least one source
    return first


def missing_file(submission: Submission, source: ImageSource) -> Message | None:
    """Return why the recipe of an image cannot be read, None if it can; the submission may never have had it."""
    entry = submission.manifest.find(path_of(submission, source.file))
    if entry is None:
        return Message(code="build.no-file", params={"file": source.file})
    return Message(code="build.object-missing", params={"file": source.file}) if entry.state == "absent" else None


def source_key(submission: Submission, source: BuildSource) -> str:
    """Return a digest of all of the submission that a build may read."""
    if isinstance(source, CommittedFile):
        entry = submission.manifest.find(path_of(submission, source.file))
        return entry.sha256 if entry else ""
    return folder_key(submission)


def folder_key(submission: Submission) -> str:
    """Return a digest of all files of the lab's folder but the report.

    Paths count from the lab's root, so that a repository and its lab folder share what was built.
    """
    prefix = "" if submission.root in ("", ".") else f"{submission.root}/"
    lines = (
        f"{e.sha256} {'x' if e.executable else '-'} {e.path.removeprefix(prefix)!r}\n"
        for e in submission.manifest.under(submission.root)
        if e.path not in (submission.report_path, REPORT_ENTRY)
    )
    return digest("".join(lines).encode())


def source_dir(submission: Submission) -> Path:
    """Return the folder of the lab's files in the frozen copy."""
    return Path(submission.frozen_dir, submission.root)


def path_of(submission: Submission, file: str) -> str:
    """Return the manifest path of a file of the lab's folder."""
    return file if submission.root in ("", ".") else f"{submission.root}/{file}"


def run_limits(lab: Lab) -> Limits:
    """Return the caps on one run of a submission's program."""
    return Limits(timeout_s=lab.parameters.run_timeout_s)


def timed_arms(lab: Lab) -> dict[str, str | None]:
    """Return the arms to time with their subject, the control arm (no subject) last."""
    arms: dict[str, str | None] = {arm: subject for subject, named in lab.timing.arms.items() for arm in named}
    if lab.timing.control is not None:
        arms[lab.timing.control] = None
    return arms


def _unbuilt(subject: str, arm: str) -> Artifact:
    """Stand for an artifact that is not there yet; its path is bound into the sandbox and is in no command."""
    label: Literal["image", "build"] = "image" if runs_image(arm) else "build"
    return Artifact(subject=subject, label=label, sha256="", size=0, path="unbuilt")
