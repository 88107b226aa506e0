"""Every timed run as CSV, for a spreadsheet or another statistics program.  Pure."""

from __future__ import annotations

import csv
import io

from grader.model.grade import Grade
from grader.model.run import Campaign

SAMPLE_COLUMNS = (
    "arm", "round", "outcome", "total_s", "first_output_s", "exit_code", "started_s", "seed", "lab_sha256", "grader"
)  # fmt: skip

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def samples_csv(campaign: Campaign | None, grade: Grade) -> bytes:
    """Return every timed run in the order in which they ran; times in seconds."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerow(SAMPLE_COLUMNS)
    if campaign is not None:
        origin = (campaign.seed, grade.lab.sha256, grade.grader.version)
        for s in campaign.samples:
            run = (csv_cell(s.arm), s.round_index, s.outcome, s.total_s, s.first_output_s, s.exit_code, s.started_s)
            writer.writerow((*run, *origin))
    return out.getvalue().encode()


def csv_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
