"""One grading from first to last: freeze, read, measure, judge, write; the order of effects, through ports only."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from grader.claims.reader import read_report
from grader.errors import UsageError
from grader.model.base import Language, Record
from grader.model.grade import Finding, ManualMark
from grader.model.run import LockSpan, Unrenewed
from grader.model.submission import IntakeCaps, Submission
from grader.ports import Clock, Engine, Host, HostLock, ImageBuilder, Intake, Progress, Results, Runner, Store
from grader.render.fill import FillStyle
from grader.workflow.budget import Budget
from grader.workflow.freeze import evidence_files, freeze, report_bytes
from grader.workflow.grade import Graded, LabUsed, ReportUsed, grade_submission, output_files
from grader.workflow.measure import Measured, measure_submission
from grader.workflow.plan import PlannedStep, plan_submission


class Job(Record):
    """What is graded and how; `source` and `report` as the caller named them."""

    source: str
    report: str | None = None
    caps: IntakeCaps = IntakeCaps()
    max_report_bytes: int
    use_cache: bool = True
    resume: bool = False
    remeasure: bool = False
    style: FillStyle = "annotate"
    language: Language = "en"


@dataclass(frozen=True)
class Desk:
    """The ports that a grading works with."""

    store: Store
    intake: Intake
    runner: Runner
    engine: Engine
    lock: HostLock
    host: Host
    progress: Progress
    clock: Clock
    budget: Budget = field(default_factory=Budget)
    images: ImageBuilder | None = None


# Formats of `run.json`: grader/run/1 is the first.
class RunRecord(Record):
    """What `run.json` says: everything that differs between two runs of the same inputs."""

    schema_: Annotated[Literal["grader/run/1"], Field(alias="schema")] = "grader/run/1"
    started: datetime
    finished: datetime
    total_s: float
    work_s: float
    overhead_s: float
    load_average: tuple[float, ...]
    python: str
    grader: str
    lab_sha256: str
    boundary: str
    locks: tuple[LockSpan, ...]
    time_limit_s: float | None
    left_out: tuple[str, ...]
    cached: tuple[str, ...] = Field(description="Steps that a run before had done.")
    resumed_rounds: int = Field(ge=0, description="Timed rounds that a run which was cut off had saved.")


class Finished(Record):
    """A finished grading: what was frozen and made of it, what the time limit left out, what broke when timed again."""

    submission: Submission
    graded: Graded
    left_out: tuple[str, ...] = ()
    unrenewed: tuple[Unrenewed, ...] = ()


def plan_grading(job: Job, used: LabUsed, desk: Desk) -> tuple[PlannedStep, ...]:
    """Return the exact commands of a grading; nothing of the submission runs and nothing is written."""
    return plan_submission(_freeze(job, used, desk), used.lab, desk.engine, desk.images)


def run_grading(
    job: Job,
    used: LabUsed,
    desk: Desk,
    results: Callable[[Submission], Results],
    *,
    marks: Callable[[Submission], Mapping[str, ManualMark]],
    version: str,
) -> Finished:
    """Grade one submission and write its results.

    Args:
        results: Asked once it is known what is graded and before anything is built; may refuse it.
        marks: A person's points, by criterion; asked after `results`, and may refuse too.
    """
    began, began_s = desk.clock.wall(), desk.clock.monotonic()
    desk.progress.step("freeze", job.source)
    submission = _freeze(job, used, desk)
    if desk.budget.left_s() == 0:
        raise UsageError(
            f"{desk.budget.limit_s:g} s were up once the submission was frozen, before anything was built",
            where="--time-limit",
            hint="allow more time",
        )
    place = results(submission)
    place.check()
    given = marks(submission)
    report = _read(job, used, submission)
    measured = _measure(job, used, desk, submission, place)
    findings = (*measured.findings, *without_sandbox(desk.runner))
    grade = grade_submission(used, submission, report, measured.facts, measured.host, given, findings, version)
    graded = output_files(
        used, grade, report, measured.runs, measured.logs, measured.step_files(), job.style, job.language
    )
    run = _run_record(began, desk.clock.monotonic() - began_s, measured, used, desk, version)
    place.write(graded.files | {"run.json": run})
    if not measured.left_out:
        place.samples.remove()
    return Finished(submission=submission, graded=graded, left_out=measured.left_out, unrenewed=measured.unrenewed)


def _freeze(job: Job, used: LabUsed, desk: Desk) -> Submission:
    return freeze(job.source, used.lab, desk.store, desk.intake, job.caps, report=job.report)


def _read(job: Job, used: LabUsed, submission: Submission) -> ReportUsed:
    data = report_bytes(submission)
    if data is not None:
        name = submission.report_path or "report"
        evidence = evidence_files(submission, used.lab)
        reading = read_report(
            data, used.lab, used.template, max_bytes=job.max_report_bytes, name=name, evidence=evidence
        )
        return ReportUsed(data=data, reading=reading, evidence=evidence)
    template = used.template.encode()
    stand_in = read_report(template, used.lab, used.template, max_bytes=len(template))
    return ReportUsed(data=None, reading=None, stand_in=stand_in)


def _measure(job: Job, used: LabUsed, desk: Desk, submission: Submission, place: Results) -> Measured:
    return measure_submission(
        submission,
        used.lab,
        desk.engine,
        desk.store,
        desk.lock,
        desk.host,
        desk.progress,
        use_cache=job.use_cache,
        samples=place.samples,
        resume=job.resume,
        remeasure=job.remeasure,
        clock=desk.clock,
        images=desk.images,
    )


def without_sandbox(runner: Runner) -> tuple[Finding, ...]:
    """Return what the grade says where the submission's code ran with the caller's rights: it could forge its facts."""
    return tuple(
        Finding(rule="no-sandbox", severity="info", message=weakness, quote="", line=None)
        for weakness in runner.status().weak
        if weakness.code == "sandbox.trusted"
    )


def _run_record(began: float, total_s: float, measured: Measured, used: LabUsed, desk: Desk, version: str) -> bytes:
    record = RunRecord(
        started=datetime.fromtimestamp(int(began), UTC),
        finished=datetime.fromtimestamp(int(desk.clock.wall()), UTC),
        total_s=round(total_s, 3),
        work_s=round(measured.work_s, 3),
        overhead_s=round(total_s - measured.work_s, 3),
        load_average=desk.host.load_average(),
        python=platform.python_version(),
        grader=version,
        lab_sha256=used.digest,
        boundary=desk.runner.status().kind,
        locks=measured.locks,
        time_limit_s=desk.budget.limit_s,
        left_out=measured.left_out,
        cached=tuple(step.meta.step for step in measured.steps if step.cached),
        resumed_rounds=measured.resumed_rounds,
    )
    return json.dumps(record.model_dump(mode="json", by_alias=True), indent=2, sort_keys=True).encode() + b"\n"
