"""The JSON of hyperfine's `--export-json`, for the scripts and services that read it.  Pure."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

from grader.model.bench import Bench, BenchArm


def hyperfine_json(bench: Bench) -> bytes:
    """Return the arms that have numbers, each under its name as `hyperfine --command-name` writes it.

    `times` are those that the ratios rest on: spawn to exit, or to the first byte or valid answer where those were
    asked for.  hyperfine stops at a run that fails, so an arm that failed is not in it; nor are warm-ups.  Mean and
    standard deviation are what its format demands; our own intervals have no place in it.
    """
    measured = [arm for arm in bench.arms if arm.n]
    return (json.dumps({"results": [_result(arm, bench) for arm in measured]}, indent=2) + "\n").encode()


def _result(arm: BenchArm, bench: Bench) -> dict[str, object]:
    runs = [(s, t) for s in arm.samples if s.used and (t := s.total if bench.method.clock == "total" else s.start)]
    times = [seconds for _, seconds in runs]
    users, systems = [s.user for s, _ in runs], [s.system for s, _ in runs]
    return {
        "command": arm.name,
        "mean": statistics.fmean(times),
        "stddev": statistics.stdev(times) if len(times) > 1 else None,
        "median": statistics.median(times),
        "user": _mean(users),
        "system": _mean(systems),
        "min": min(times),
        "max": max(times),
        "times": times,
        "exit_codes": [sample.exit for sample, _ in runs],
    }


def _mean(seconds: Sequence[float | None]) -> float | None:
    """Return the mean, None where the kernel did not tell for each run."""
    known = [s for s in seconds if s is not None]
    return statistics.fmean(known) if known and len(known) == len(seconds) else None
