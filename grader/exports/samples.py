"""Every timed run as CSV, for a spreadsheet or another statistics program, and back.  Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from pydantic import ValidationError

from grader.errors import UsageError
from grader.model.grade import Grade
from grader.model.lab import Parameters
from grader.model.run import Campaign, Sample, ServerStarts, TimedRuns

SAMPLE_COLUMNS = (
    "arm", "round", "outcome", "total_s", "first_output_s", "exit_code", "started_s", "seed", "lab_sha256", "grader",
    "server_probe", "first_answer_s",
)  # fmt: skip
"""The last two are of a server's start only, which has no times of a run; its `round` is the number of the start."""

LONGEST_S = 1e6
"""Of a start; no deadline comes near it."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def samples_csv(runs: TimedRuns, grade: Grade) -> bytes:
    """Return every timed run in the order in which they ran, the starts of servers after the campaign; in seconds."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerow(SAMPLE_COLUMNS)
    judged_by = (grade.lab.sha256, grade.grader.version)
    for s in runs.campaign.samples if runs.campaign is not None else ():
        run = (csv_cell(s.arm), s.round_index, s.outcome, s.total_s, s.first_output_s, s.exit_code, s.started_s)
        writer.writerow((*run, runs.campaign.seed if runs.campaign else None, *judged_by, None, None))
    for server in runs.starts:
        for number, seconds in enumerate(server.seconds):
            start = (csv_cell(server.arm), number, "ok", None, None, None, None, None)
            writer.writerow((*start, *judged_by, csv_cell(server.probe), seconds))
    return out.getvalue().encode()


def csv_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def read_samples(data: bytes, parameters: Parameters) -> TimedRuns:
    """Return the runs of a `samples.csv`; reasons of bad runs are not in it.

    Raises: UsageError naming the line that is no sample.
    """
    samples: list[Sample] = []
    starts: dict[tuple[str, str], list[float]] = {}
    seed = parameters.seed
    rows = csv.DictReader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    try:
        for row in rows:
            if row.get("server_probe"):
                starts.setdefault((_text(row["server_probe"]), _text(row["arm"])), []).append(_seconds(row))
            else:
                samples.append(_sample(row))
                seed = int(row["seed"])
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        what = "not a sample" if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"this is no list of timed runs: {what}",
            where=f"samples.csv:{rows.line_num}",
            hint="move the file away, or grade again",
        ) from error
    servers = (ServerStarts(probe=probe, arm=arm, seconds=tuple(times)) for (probe, arm), times in starts.items())
    campaign = _campaign(samples, seed, parameters.warmups) if samples else None
    return TimedRuns(campaign=campaign, starts=tuple(servers))


def _campaign(samples: Sequence[Sample], seed: int, warmups: int) -> Campaign:
    return Campaign(
        seed=seed,
        rounds=1 + max(sample.round_index for sample in samples),
        warmups=warmups,
        arms=tuple(dict.fromkeys(sample.arm for sample in samples)),
        samples=tuple(samples),
    )


def _seconds(row: dict[str, str]) -> float:
    seconds = float(row["first_answer_s"])
    if not 0 < seconds < LONGEST_S:  # a NaN fails this too
        raise ValueError(f"`{row['first_answer_s']}` is no time of a start")
    return seconds


def _text(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" else cell


def _sample(row: dict[str, str]) -> Sample:
    return Sample.model_validate(
        {
            "arm": _text(row["arm"]),
            "round_index": row["round"],
            "outcome": row["outcome"],
            "total_s": row["total_s"] or None,
            "first_output_s": row["first_output_s"] or None,
            "exit_code": row["exit_code"] or None,
            "started_s": row["started_s"],
        }
    )
