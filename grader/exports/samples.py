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
    "server_probe", "first_answer_s", "phase", "attempt", "used",
)  # fmt: skip
"""`server_probe` and `first_answer_s` are of a server's start only, which has no times of a run; its `round` is the
number of the start.  `attempt` counts how often the round was run before.  `used` is 1 for a run that is part of a
number: of a round that was not run again and that all arms finished, by an arm that never failed."""

LONGEST_S = 1e6
"""Of a start; no deadline comes near it."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def samples_csv(runs: TimedRuns, grade: Grade) -> bytes:
    """Return every timed run in the order in which they ran, the starts of servers after the campaign; in seconds.

    Good warm-ups are no timed runs; a bad one is listed, because it ended its arm.
    """
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerow(SAMPLE_COLUMNS)
    judged_by = (grade.lab.sha256, grade.grader.version)
    for s, used in _runs(runs.campaign) if runs.campaign is not None else ():
        run = (csv_cell(s.arm), s.round_index, s.outcome, s.total_s, s.first_output_s, s.exit_code, s.started_s)
        seed = runs.campaign.seed if runs.campaign else None
        writer.writerow((*run, seed, *judged_by, None, None, s.phase, s.attempt, int(used)))
    for server in runs.starts:
        for number, seconds in enumerate(server.seconds):
            start = (csv_cell(server.arm), number, "ok", None, None, None, None, None)
            writer.writerow((*start, *judged_by, csv_cell(server.probe), seconds, "timed", 0, 1))
    return out.getvalue().encode()


def _runs(campaign: Campaign) -> list[tuple[Sample, bool]]:
    """Return all runs in the order in which they ran, and whether each is part of a number."""
    bad = _bad_arms(campaign.samples)
    runs = [(s, s.arm not in bad) for s in campaign.samples] + [(s, False) for s in campaign.discarded]
    return sorted(runs, key=lambda run: run[0].started_s)


def _bad_arms(samples: Sequence[Sample]) -> set[str]:
    return {sample.arm for sample in samples if sample.outcome != "ok"}


def csv_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def read_samples(data: bytes, parameters: Parameters) -> TimedRuns:
    """Return the runs of a `samples.csv`; reasons of bad runs are not in it.

    Where the columns at the end are missing, as they did in earlier versions, every run is a timed one that counts.

    Raises: UsageError naming the line that is no sample.
    """
    runs: list[tuple[Sample, bool]] = []
    starts: dict[tuple[str, str], list[float]] = {}
    seed = parameters.seed
    rows = csv.DictReader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    try:
        for row in rows:
            if row.get("server_probe"):
                starts.setdefault((_text(row["server_probe"]), _text(row["arm"])), []).append(_seconds(row))
            else:
                runs.append((_sample(row), _used(row)))
                seed = int(row["seed"])
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        what = "not a sample" if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"this is no list of timed runs: {what}",
            where=f"samples.csv:{rows.line_num}",
            hint="move the file away, or grade again",
        ) from error
    servers = (ServerStarts(probe=probe, arm=arm, seconds=tuple(times)) for (probe, arm), times in starts.items())
    campaign = _campaign(runs, seed, parameters.warmups) if runs else None
    return TimedRuns(campaign=campaign, starts=tuple(servers))


def _campaign(runs: Sequence[tuple[Sample, bool]], seed: int, warmups: int) -> Campaign:
    bad = _bad_arms([sample for sample, _ in runs])
    return Campaign(
        seed=seed,
        rounds=1 + max(sample.round_index for sample, _ in runs),
        warmups=warmups,
        arms=tuple(dict.fromkeys(sample.arm for sample, _ in runs)),
        samples=tuple(sample for sample, used in runs if used or sample.arm in bad),
        discarded=tuple(sample for sample, used in runs if not used and sample.arm not in bad),
    )


def _used(row: dict[str, str]) -> bool:
    used = row.get("used") or "1"
    if used not in ("0", "1"):
        raise ValueError(f"`{used}` says not whether a run counts")
    return used == "1"


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
            "phase": row.get("phase") or "timed",
            "attempt": row.get("attempt") or 0,
        }
    )
