"""Set what a command of a comparison printed against what its caller expects of every run.  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

from pydantic import Field

from grader.judging.probes import shown
from grader.model.base import Message, Record, Scalar

_TAIL_LINES = 10
_TAIL_CHARACTERS = 1000

_MILLISECONDS = 1e11
"""A number above it, as seconds after the year 5000, counts milliseconds since 1970."""


class Freshness(Record):
    """The key of a printed JSON object that tells when it was made, and how far from the first byte that may be."""

    key: str = Field(min_length=1)
    within_s: float = Field(default=2.0, gt=0)


class Expectation(Record):
    """What a run has to do to count.

    Output: `json` wants one JSON value, and of an object the keys that the arm's first run printed; `regex` is
    searched for in the text, bytes that are no UTF-8 replaced.  A run that should print something and prints nothing
    is bad.
    """

    exit: int = 0
    json_: bool = False
    regex: str | None = None
    fresh: Freshness | None = None

    @cached_property
    def reads_output(self) -> bool:
        """Whether the output decides."""
        return self.json_ or self.regex is not None or self.fresh is not None

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """The compiled `regex`.  Raises: re.error."""
        return None if self.regex is None else re.compile(self.regex, re.MULTILINE)


class Printed(Record):
    """What a run printed: on stdout, or as the body of an answer.

    `at` is when its first byte came, Unix seconds; `cut` if the beginning was not kept.
    """

    data: bytes
    at: float
    cut: bool = False


def check_exit(expected: Expectation, code: int | None, signal: int | None, stderr: bytes) -> Message | None:
    """Return why a program did not end as expected."""
    if signal is not None:
        return Message(code="probe.signal", params={"signal": signal, "said": _last_line(stderr)})
    if code == expected.exit:
        return None
    said = _last_line(stderr)
    params: dict[str, Scalar] = {"exit": code, "expected": expected.exit}
    if not said:
        return Message(code="bench.exit-silent", params=params)
    return Message(code="bench.exit", params=params | {"said": said})


def check_printed(expected: Expectation, printed: Printed, keys: Sequence[str] | None) -> Message | None:
    """Return why what a run printed is not what was expected.

    Args:
        keys: Those of the object that the arm's first run printed, None for that run itself.
    """
    if not expected.reads_output:
        return None
    if printed.cut:
        return Message(code="run.output-limit", params={"bytes": len(printed.data), "stream": "stdout"})
    text = printed.data.decode("utf-8", "replace").strip()
    if not text:
        return Message(code="probe.empty", params={"found": ""})
    if expected.pattern is not None and expected.pattern.search(text) is None:
        return Message(code="bench.no-match", params={"regex": expected.regex, "found": shown(text)})
    if not expected.json_ and expected.fresh is None:
        return None
    try:
        value: object = json.loads(printed.data.decode("utf-8"))
    except (ValueError, RecursionError):
        return Message(code="probe.not-json", params={"found": shown(text)})
    found = _keys(value)
    if expected.fresh is not None:
        reason = _stale(expected.fresh, value, printed.at)
        if reason is not None:
            return reason
    if keys is not None and found != tuple(keys):
        return Message(
            code="bench.other-keys", params={"found": shown(", ".join(found)), "expected": shown(", ".join(keys))}
        )
    return None


def printed_keys(expected: Expectation, printed: Printed) -> tuple[str, ...] | None:
    """Return the keys of the JSON object that a good run printed, sorted; None where no JSON is expected."""
    if not expected.json_ and expected.fresh is None:
        return None
    return _keys(json.loads(printed.data))


def tail_of(*streams: bytes) -> str:
    """Return the end of the first stream that holds anything; bytes that are no UTF-8 are replaced."""
    for data in streams:
        lines = data.decode("utf-8", "replace").strip().splitlines()[-_TAIL_LINES:]
        if lines:
            return "\n".join(lines)[-_TAIL_CHARACTERS:]
    return ""


def _last_line(data: bytes) -> str:
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return shown(lines[-1].strip()) if lines else ""


def _keys(value: object) -> tuple[str, ...]:
    return tuple(sorted(value)) if isinstance(value, dict) else ()


def _stale(fresh: Freshness, value: object, at: float) -> Message | None:
    if not isinstance(value, dict):
        return Message(code="probe.not-object", params={"found": _as_json(value)})
    if fresh.key not in value:
        return Message(code="probe.key-missing", params={"key": fresh.key, "found": shown(", ".join(value))})
    said = _as_json(value[fresh.key])
    moment = _unix(value[fresh.key])
    if moment is None:
        expected = "seconds since 1970, or an ISO 8601 time with its offset"
        return Message(code="probe.wrong-value", params={"key": fresh.key, "found": said, "expected": expected})
    if abs(moment - at) <= fresh.within_s:
        return None
    params = {"key": fresh.key, "found": said, "expected": round(at, 1), "within": fresh.within_s}
    return Message(code="probe.not-now", params={**params})


def _unix(value: object) -> float | None:
    """Return a moment as Unix seconds, None if it is none."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return _number(value)
        return None if moment.tzinfo is None else moment.timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return value / 1000 if abs(value) > _MILLISECONDS else float(value)
        except OverflowError:
            return None
    return None


def _as_json(value: object) -> str:
    try:
        return shown(json.dumps(value))
    except RecursionError:  # It was read a frame nearer to the limit.
        return "[…]"


def _number(text: str) -> float | None:
    try:
        return _unix(float(text))
    except ValueError:
        return None
