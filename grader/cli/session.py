"""What `grade` and `fill` have in common: their options, and the adapters that a grading works with."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from grader import __version__
from grader.adapters.output import REPLACED, OutputFolder
from grader.cli.keptmarks import grade_there, marks_that_stay
from grader.cli.labs import load_used
from grader.cli.marks import load_marks
from grader.cli.progress import ConsoleProgress
from grader.cli.wiring import wire
from grader.errors import UsageError
from grader.model.base import Language, Record
from grader.model.grade import Grade, ManualMark
from grader.model.lab import Lab
from grader.model.run import Unrenewed
from grader.model.submission import REPORT_BYTES, REPORT_ENTRY, Submission
from grader.render.fill import FillStyle
from grader.units import parse_duration
from grader.workflow.effort import Effort, effort_of
from grader.workflow.freeze import report_bytes
from grader.workflow.grade import Graded
from grader.workflow.plan import PlannedStep
from grader.workflow.run import Job, plan_grading, run_grading

DEFAULT_FOLDER = Path("grader-out")


class Request(Record):
    """What the command line asked for; paths as given."""

    source: str
    lab: str
    report: Path | None = None
    out: Path | None = None
    engine: str = "auto"
    style: FillStyle = "annotate"
    trust: bool = False
    use_cache: bool = True
    resume: bool = False
    remeasure: bool = False
    time_limit: str | None = None
    marks: Path | None = None
    max_report_bytes: int = REPORT_BYTES
    cache: Path | None = None
    lock: Path | None = None
    quiet: bool = False
    in_place: bool = False
    language: Language = "en"


class Finished(Record):
    """A finished grading: the lab it used, what was made, and the folder it lies in.

    `report_file` is the student's own report, where it is to be changed in place; `before` the grade that lay there;
    `unrenewed` are the arms that were to be timed again and broke.
    """

    lab: Lab
    graded: Graded
    folder: Path
    report_file: Path | None = None
    before: Grade | None = None
    unrenewed: tuple[Unrenewed, ...] = ()


class Plan(Record):
    """What a grading would run: its steps, how much they are, and the time limit that it was given."""

    steps: tuple[PlannedStep, ...]
    effort: Effort
    limit_s: float | None


def plan_session(request: Request) -> Plan:
    """Return what a grading would run; nothing of the submission runs, and nothing is left, not even in the cache."""
    limit_s = time_limit_s(request.time_limit)
    used = load_used(request.lab)
    progress = ConsoleProgress(quiet=request.quiet)
    with tempfile.TemporaryDirectory(prefix="grader-plan-") as folder, ExitStack() as stack:
        desk = wire(request.model_copy(update={"cache": Path(folder)}), used.lab, progress, stack)
        steps = plan_grading(_job(request), used, desk)
    return Plan(steps=steps, effort=effort_of(used.lab, steps), limit_s=limit_s)


def run_session(request: Request) -> Finished:
    """Grade one submission and write its output folder."""
    if request.remeasure and not request.use_cache:
        raise UsageError(
            "`--no-cache` times everything anew and keeps nothing of it",
            where="--remeasure",
            hint="leave one of the two out",
        )
    limit_s = time_limit_s(request.time_limit)
    used = load_used(request.lab)
    marks = load_marks(request.marks, used.lab)
    progress = ConsoleProgress(quiet=request.quiet)
    places = _Places(request, used.lab, marks)
    try:
        with ExitStack() as stack:
            desk = wire(request, used.lab, progress, stack, limit_s)
            done = run_grading(_job(request), used, desk, places.choose, marks=places.marks, version=__version__)
    except KeyboardInterrupt:
        progress.close()
        print(f"grader: {_kept(places.output, use_cache=request.use_cache)}", file=sys.stderr)
        raise
    finally:
        progress.close()
    if done.left_out:
        print(f"grader: {_left_out(done.left_out, request.time_limit)}", file=sys.stderr)
    assert places.output is not None  # a grading that finished has chosen
    if places.output.was_current:
        print(f"grader: {REPLACED}", file=sys.stderr)
    return Finished(
        lab=used.lab,
        graded=done.graded,
        folder=places.output.path,
        report_file=places.report_file,
        before=places.before,
        unrenewed=done.unrenewed,
    )


class _Places:
    """Where one grading writes.  Chosen once: after it the current folder may be another one of the same name."""

    def __init__(self, request: Request, lab: Lab, given: Mapping[str, ManualMark]) -> None:
        self._request = request
        self._lab = lab
        self._given = given
        self.before: Grade | None = None
        self.output: OutputFolder | None = None
        self.report_file: Path | None = None

    def choose(self, submission: Submission) -> OutputFolder:
        """Return the output folder.  Raises: UsageError if there is no report to change in place."""
        if self._request.in_place:
            self.report_file = _report_file(self._request, self._lab, submission)
        self.output = OutputFolder((self._request.out or DEFAULT_FOLDER / submission.id).resolve())
        return self.output

    def marks(self, submission: Submission) -> dict[str, ManualMark]:
        """Return a person's points: those of the grade that lies there, then those that were given now."""
        assert self.output is not None  # chosen before it is asked for marks
        self.before = grade_there(self.output.path)
        return {**marks_that_stay(self.before, self._lab, submission), **self._given}


def time_limit_s(text: str | None) -> float | None:
    """Return `--time-limit` in seconds, None if it is not given.  Raises: UsageError."""
    if text is None:
        return None
    seconds = parse_duration(text)
    if seconds is None:
        raise UsageError(
            f"`{text}` is no duration above 0",
            where="--time-limit",
            hint="write for example `90`, `60s`, `5m` or `1h30m`",
        )
    return seconds


def _left_out(steps: Sequence[str], limit: str | None) -> str:
    return (
        f"the time limit of {limit} left out or cut short: {', '.join(steps)}; "
        "it costs no points, and the same command with `--resume` goes on"
    )


def _kept(output: OutputFolder | None, *, use_cache: bool) -> str:
    """Return what a run that was interrupted leaves to the next one."""
    made = "finished builds and probes are kept in the cache" if use_cache else "without the cache no build is kept"
    saved = output.samples.saved() if output is not None else None
    if output is None or saved is None or not saved.timed:
        return made
    return f"{made}; {saved.timed} timed runs are kept in {output.samples.path}"


def _job(request: Request) -> Job:
    return Job(
        source=request.source,
        report=str(request.report) if request.report is not None else None,
        max_report_bytes=request.max_report_bytes,
        use_cache=request.use_cache,
        resume=request.resume,
        remeasure=request.remeasure,
        style=request.style,
        language=request.language,
    )


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
