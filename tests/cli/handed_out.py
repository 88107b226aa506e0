"""A finished grade in its folder, made without an engine: what `grade` writes of a grade with one of everything."""

from __future__ import annotations

from pathlib import Path

from grader import __version__
from grader.claims.reader import read_report
from grader.cli.labs import load_used
from grader.model.base import Language, digest
from grader.model.grade import Grade
from grader.workflow.grade import LabUsed, ReportUsed, output_files
from grader.workflow.judge import judge_again
from tests.render.pages import grade, timed_runs

REPORT = (
    "# Report\n\n| Metric | Traditional | WASM | Improvement |\n|---|---|---|---|\n"
    "| Binary Size | 9 MiB | TODO MB | 12 % меньше |\n| Startup Time | 2 ms | 400 ms | 0.005x |\n"
).encode()


def written(folder: Path, language: Language = "en", report: bytes = REPORT) -> Path:
    """Write the output folder of a grade of this report, but for its `run.json`; return its `grade.json`."""
    folder.mkdir()
    for name, data in files(language, report).items():
        (folder / name).write_bytes(data)
    return folder / "grade.json"


def files(language: Language = "en", report: bytes = REPORT) -> dict[str, bytes]:
    """Return the output files of a grade of this report."""
    used = load_used("lab12-f25")
    reading = read_report(report, used.lab, used.template, max_bytes=len(report))
    read = ReportUsed(data=report, reading=reading)
    return output_files(used, _judged(used, read), read, timed_runs(), (), {}, "annotate", language).files


def _judged(used: LabUsed, report: ReportUsed) -> Grade:
    assert report.data is not None
    assert report.reading is not None
    raw = grade()
    about = raw.submission.model_copy(update={"report_sha256": digest(report.data), "id": "handed-in-01234567"})
    stored = raw.model_copy(update={"claims": report.reading.claims, "submission": about, "findings": ()})
    return judge_again(used, stored, {}, __version__)
