"""A comparison of commands as JSON, and every run of it as CSV, for people's own programs, and back.  Pure."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import from_json

from grader.errors import UsageError
from grader.exports.samples import csv_cell
from grader.model.base import first_mistake
from grader.model.bench import Bench

SCHEMA = Bench.model_fields["schema_"].default
HINT = "give a file that `grader bench --export-json` wrote"

BENCH_COLUMNS = (
    "arm", "round", "attempt", "phase", "outcome", "start_s", "total_s", "exit", "used", "flagged", "at_s",
    "user_s", "system_s", "seed", "grader",
)  # fmt: skip

LARGEST = 1e15
"""Beyond it, and below its inverse, no clock and no ratio of two times goes; quotients of such numbers overflow."""


def bench_json(bench: Bench) -> bytes:
    """Return the whole result with every sample, in the field order of the records.

    All of it is ASCII: a terminal obeys characters that JSON need not escape, and names and output of arms are
    anybody's.
    """
    document = json.dumps(bench.model_dump(mode="json", by_alias=True), indent=2, allow_nan=False)
    return document.replace("\x7f", "\\u007f").encode() + b"\n"


def read_bench(data: bytes, where: str) -> Bench:
    """Return the result that `bench_json` wrote.

    Args:
        where: What an error names as the place, usually the file.

    Raises: UsageError if this is no JSON, of another format, or holds what no result holds.
    """
    try:
        document: object = from_json(data)
    except ValueError as error:
        raise UsageError(f"this is not JSON, or it is cut off: {error}", where=where, hint=HINT) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        found = f"its schema is `{str(schema)[:80]}`" if schema else "it has no `schema`"
        raise UsageError(f"this is no result of a comparison: {found}; `{SCHEMA}` is read", where=where, hint=HINT)
    wild = next(_wild_numbers(document), None)
    if wild is not None:
        raise UsageError(f"`{wild}` is a number that no result holds", where=where, hint=HINT)
    try:
        return Bench.model_validate(document)
    except ValidationError as error:
        raise UsageError(first_mistake(error), where=where, hint=HINT) from error


def bench_csv(bench: Bench) -> bytes:
    """Return every run in the order in which they ran, warm-ups and repeated rounds included; times in seconds.

    An empty time is a run that does not count.  `used` is 1 for the runs that the numbers rest on, `flagged` for an
    outlier among them.
    """
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerow(BENCH_COLUMNS)
    runs = [(sample, arm.name) for arm in bench.arms for sample in arm.samples]
    for s, name in sorted(runs, key=lambda run: run[0].at):
        timed = (s.start, s.total, s.exit, int(s.used), int(s.flagged), s.at)
        spent = (s.user, s.system)
        writer.writerow(
            (csv_cell(name), s.round, s.attempt, s.phase, s.outcome, *timed, *spent, bench.seed, bench.grader)
        )
    return out.getvalue().encode()


def _wild_numbers(value: object) -> Iterator[str]:
    """Yield numbers that JSON may hold but nothing measures: not finite, or so large or small that they overflow."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _wild_numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _wild_numbers(one)
    elif isinstance(value, float) and _is_wild(value):
        yield str(value)


def _is_wild(value: float) -> bool:
    return not math.isfinite(value) or (value != 0 and not 1 / LARGEST <= abs(value) <= LARGEST)
