"""Choose what will be built and run, and say it before it happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from grader.model.base import Message, Record, digest
from grader.model.lab import BuildSource, CommittedFile, Lab, StdoutJsonProbe, Step
from grader.model.run import Artifact, Limits
from grader.model.submission import REPORT_ENTRY, Submission
from grader.ports import Engine

Capabilities = Mapping[str, Message | None]


class PlannedStep(Record):
    """One step as it will run: the command in the sandbox's own paths, or why there is none."""

    id: str
    env: dict[str, str] = {}
    argv: tuple[str, ...] = ()
    reason: Message | None = None


def plan_submission(submission: Submission, lab: Lab, engine: Engine) -> tuple[PlannedStep, ...]:
    """Return every step with its exact command; nothing of the submission runs."""
    return tuple(_planned(submission, lab, engine))


def _planned(submission: Submission, lab: Lab, engine: Engine) -> Iterator[PlannedStep]:
    capabilities = engine.capabilities()
    for subject, step in lab.steps.items():
        source = choose_source(submission, step, capabilities)
        argv = source if isinstance(source, Message) else engine.build_argv(source, source_dir(submission))
        if isinstance(argv, Message):
            yield PlannedStep(id=f"build-{subject}", reason=argv)
        else:
            yield PlannedStep(id=f"build-{subject}", argv=argv)
    limits = run_limits(lab)
    for name, probe in lab.probes.items():
        for subject, arms in probe.arms.items():
            for arm in arms:
                reason = capabilities.get(f"arm:{arm}") or capabilities.get(f"probe:{probe.kind}")
                step_id = f"probe-{name}-{subject}-{arm}"
                if reason is not None or not isinstance(probe, StdoutJsonProbe):
                    yield PlannedStep(id=step_id, reason=reason)
                    continue
                command = engine.command(arm, _unbuilt(subject), probe, limits)
                yield PlannedStep(id=step_id, env=command.env, argv=command.argv)
    probe = lab.probes[lab.timing.probe]
    for arm, timed in timed_arms(lab).items():
        reason = capabilities.get(f"arm:{arm}")
        if reason is not None:
            yield PlannedStep(id=f"time-{arm}", reason=reason)
            continue
        command = engine.command(arm, _unbuilt(timed) if timed is not None else None, probe, limits)
        yield PlannedStep(id=f"time-{arm}", env=command.env, argv=command.argv)


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


def source_key(submission: Submission, source: BuildSource) -> str:
    """Return a digest of all of the submission that a build may read; the report is none of it.

    Paths count from the lab's root, so that a repository and its lab folder share what was built.
    """
    if isinstance(source, CommittedFile):
        entry = submission.manifest.find(path_of(submission, source.file))
        return entry.sha256 if entry else ""
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


def _unbuilt(subject: str) -> Artifact:
    """Stand for an artifact that is not there yet; its path is bound into the sandbox and is in no command."""
    return Artifact(subject=subject, label="build", sha256="", size=0, path="unbuilt")
