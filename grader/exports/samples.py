"""Every timed run as CSV, for a spreadsheet or another statistics program, and back.  Pure."""

from __future__ import annotations

import csv
import io

from pydantic import ValidationError

from grader.errors import UsageError
from grader.model.grade import Grade
from grader.model.lab import Parameters
from grader.model.run import Campaign, Sample

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


def read_samples(data: bytes, parameters: Parameters) -> Campaign | None:
    """Return the campaign of a `samples.csv`, None if it holds no run; reasons of bad runs are not in it.

    Raises: UsageError naming the line that is no sample.
    """
    samples: list[Sample] = []
    seed = parameters.seed
    rows = csv.DictReader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    try:
        for row in rows:
            samples.append(_sample(row))
            seed = int(row["seed"])
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        what = "not a sample" if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"this is no list of timed runs: {what}",
            where=f"samples.csv:{rows.line_num}",
            hint="move the file away, or grade again",
        ) from error
    if not samples:
        return None
    return Campaign(
        seed=seed,
        rounds=1 + max(sample.round_index for sample in samples),
        warmups=parameters.warmups,
        arms=tuple(dict.fromkeys(sample.arm for sample in samples)),
        samples=tuple(samples),
    )


def _sample(row: dict[str, str]) -> Sample:
    return Sample.model_validate(
        {
            "arm": row["arm"][1:] if row["arm"][:1] == "'" else row["arm"],
            "round_index": row["round"],
            "outcome": row["outcome"],
            "total_s": row["total_s"] or None,
            "first_output_s": row["first_output_s"] or None,
            "exit_code": row["exit_code"] or None,
            "started_s": row["started_s"],
        }
    )
