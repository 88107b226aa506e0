"""One grading from the command line: freeze, read, measure, judge, write; shared by `grade` and `fill`."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from grader import __version__
from grader.adapters.labfile import load_lab
from grader.adapters.output import OutputFolder, SampleFile
from grader.claims.reader import read_report
from grader.cli.marks import load_marks
from grader.cli.progress import ConsoleProgress
from grader.cli.wiring import Wiring, wire
from grader.errors import UsageError
from grader.model.base import Language, Record
from grader.model.lab import Lab
from grader.model.report import ReportReading
from grader.model.submission import REPORT_ENTRY, IntakeCaps, Submission
from grader.render.fill import FillStyle
from grader.workflow.freeze import freeze, report_bytes
from grader.workflow.grade import Graded, LabUsed, grade_submission, output_files
from grader.workflow.measure import Measured, measure_submission
from grader.workflow.plan import PlannedStep, plan_submission

DEFAULT_FOLDER = Path("grader-out")


class Request(Record):
    """What the command line asked for; paths as given."""

    source: str
    report: Path | None
    lab: str
    out: Path | None
    engine: str
    style: FillStyle
    trust: bool
    use_cache: bool
    marks: Path | None
    max_report_bytes: int
    cache: Path | None
    lock: Path | None
    quiet: bool
    in_place: bool = False
    language: Language = "en"


class Finished(Record):
    """A finished grading: the lab it used, what was made, and the folder it lies in.

    `report_file` is the student's own report, where it is to be changed in place.
    """

    lab: Lab
    graded: Graded
    folder: Path
    report_file: Path | None = None


def plan_session(request: Request) -> tuple[PlannedStep, ...]:
    """Return the exact commands of a grading; nothing of the submission runs and nothing is written."""
    progress = ConsoleProgress(quiet=request.quiet)
    lab = load_lab(request.lab).lab
    wiring = wire(request, lab, progress)
    return plan_submission(_freeze(request, lab, wiring), lab, wiring.engine)


def run_session(request: Request) -> Finished:
    """Grade one submission and write its output folder."""
    began, clock = datetime.now(UTC), time.monotonic()
    progress = ConsoleProgress(quiet=request.quiet)
    loaded = load_lab(request.lab)
    used = LabUsed(lab=loaded.lab, digest=loaded.digest, template=loaded.template)
    marks = load_marks(request.marks, loaded.lab)
    wiring = wire(request, loaded.lab, progress)
    progress.step("freeze", request.source)
    submission = _freeze(request, loaded.lab, wiring)
    folder = (request.out or DEFAULT_FOLDER / submission.id).resolve()
    output = OutputFolder(folder)
    output.check()
    report_file = _report_file(request, loaded.lab, submission) if request.in_place else None
    report, reading, template_reading = _read(request, used, submission)
    raw = SampleFile(folder.with_name(f"{folder.name}.samples.jsonl"))
    try:
        measured = _measure(request, loaded.lab, submission, wiring, progress, raw)
    finally:
        progress.close()
    grade = grade_submission(
        used, submission, report, reading, measured.facts, measured.host, marks, measured.findings, __version__
    )
    graded = output_files(
        used,
        grade,
        report,
        reading,
        template_reading,
        measured.campaign,
        measured.logs,
        measured.step_files(),
        request.style,
        request.language,
    )
    run = _run_record(began, time.monotonic() - clock, measured, used, wiring.runner.status().kind)
    output.write(graded.files | {"run.json": json.dumps(run, indent=2, sort_keys=True).encode() + b"\n"})
    raw.remove()
    return Finished(lab=loaded.lab, graded=graded, folder=folder, report_file=report_file)


def _freeze(request: Request, lab: Lab, wiring: Wiring) -> Submission:
    caps = IntakeCaps()
    report = str(request.report) if request.report is not None else None
    return freeze(request.source, lab, wiring.store, wiring.intake, caps, report=report)


def _report_file(request: Request, lab: Lab, submission: Submission) -> Path:
    """Return the file of the report that was frozen.

    Raises: UsageError if there is none that could be changed.
    """
    folder = Path(request.source)
    inside = submission.report_path not in (None, REPORT_ENTRY)
    candidates: list[Path] = []
    if folder.is_dir() and inside:
        candidates.append(folder / (submission.report_path or ""))
    elif not inside and request.report is not None:
        candidates.append(request.report)
    elif folder.is_dir():
        candidates += [folder / path for path in lab.inputs.reports if path.startswith("../")]
    frozen = report_bytes(submission)
    for file in candidates:
        if file.is_file() and file.read_bytes() == frozen:
            return file.resolve()
    raise UsageError(
        f"`{request.source}` holds no report that could be changed in place",
        where="--in-place",
        hint="name a file with `--report`, or leave `--in-place` out and take the filled copy",
    )


def _read(
    request: Request, used: LabUsed, submission: Submission
) -> tuple[bytes | None, ReportReading | None, ReportReading | None]:
    data = report_bytes(submission)
    if data is not None:
        name = submission.report_path or "report"
        reading = read_report(data, used.lab, used.template, max_bytes=request.max_report_bytes, name=name)
        return data, reading, None
    template = used.template.encode()
    return None, None, read_report(template, used.lab, used.template, max_bytes=len(template))


def _measure(
    request: Request, lab: Lab, submission: Submission, wiring: Wiring, progress: ConsoleProgress, raw: SampleFile
) -> Measured:
    return measure_submission(
        submission,
        lab,
        wiring.engine,
        wiring.store,
        wiring.lock,
        wiring.host,
        progress,
        use_cache=request.use_cache,
        sink=raw,
    )


def _run_record(began: datetime, total_s: float, measured: Measured, used: LabUsed, boundary: str) -> dict[str, object]:
    """Everything that differs between two runs of the same inputs."""
    return {
        "schema": "grader/run/1",
        "started": began.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "total_s": round(total_s, 3),
        "work_s": round(measured.work_s, 3),
        "overhead_s": round(total_s - measured.work_s, 3),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": sys.version.split()[0],
        "grader": __version__,
        "lab_sha256": used.digest,
        "boundary": boundary,
        "locks": [span.model_dump(by_alias=True) for span in measured.locks],
    }
