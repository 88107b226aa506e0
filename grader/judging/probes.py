"""Set what a program printed against what a probe expects of it.  Pure: the wall clock is an argument."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from grader.model.base import Message, Record, Scalar
from grader.model.lab import JsonCheck, StdoutJsonProbe
from grader.model.run import Completed, ProbeResult

VALID = "valid"
"""Value of a passed probe: what was printed differs from run to run and stays in the step's output."""

FAILED_AS_EXPECTED = "no server: "
"""Begins the value of such a server, as people read it; the words that it printed follow."""

_SHOWN = 60
"""Characters of a value that a message quotes."""

_ZONE_LABEL = re.compile(r"\s*(?P<name>[A-Za-z]{1,5})?(?:(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?)?")
"""What may follow a local time: a zone's name, an offset, both or nothing."""

_UNIVERSAL = frozenset({"UTC", "GMT", "Z"})
"""Names that mean offset 0 unless an offset follows; what any other abbreviation means depends on who writes it."""


class WallClock(Record):
    """Unix time just before and just after a run, seconds."""

    before: float
    after: float


_FAILURE = ("panic:", "fatal error:", "Error:", "error:")


def judge_probe(
    name: str, probe: StdoutJsonProbe, subject: str, arm: str, completed: Completed, clock: WallClock
) -> ProbeResult:
    """Return what one run of a probe showed; never raises, whatever was printed."""
    reason = check_run(probe, completed, clock)
    return ProbeResult(
        probe=name,
        subject=subject,
        arm=arm,
        state="passed" if reason is None else "failed",
        value=VALID if reason is None else None,
        reason=reason,
        completed=completed,
    )


def check_run(probe: StdoutJsonProbe, completed: Completed, clock: WallClock) -> Message | None:
    """Return why a run does not count, None if it exited 0 and printed what it should."""
    if completed.outcome != "ok":
        return completed.reason or _ended(completed)
    return check_json(probe.checks, completed.stdout_bytes(), clock)


def check_json(checks: Sequence[JsonCheck], data: bytes, clock: WallClock) -> Message | None:
    """Return why `data` is not one JSON object that passes the checks, None if it is."""
    printed = _json_object(data)
    if isinstance(printed, Message):
        return printed
    for check in checks:
        reason = _check(check, printed, clock)
        if reason is not None:
            return reason
    return None


def _ended(completed: Completed) -> Message:
    if completed.signal is not None:
        return Message(code="probe.signal", params={"signal": completed.signal, "said": last_words(completed)})
    return Message(code="probe.exit", params={"exit": completed.exit_code, "said": last_words(completed)})


def last_words(completed: Completed) -> str:
    """Return the line on stderr that names the failure: Go and wasmtime begin with it, most programs end with it."""
    text = completed.stderr_bytes().decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return shown(next((line for line in lines if line.startswith(_FAILURE)), lines[-1] if lines else ""))


def _json_object(stdout: bytes) -> dict[str, object] | Message:
    try:
        text = stdout.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_no_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        found = shown(stdout.decode("utf-8", "replace").strip())
        return Message(code="probe.empty" if not found else "probe.not-json", params={"found": found})
    if not isinstance(value, dict):
        return Message(code="probe.not-object", params={"found": shown(text.strip())})
    return value


def _no_twice(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _check(check: JsonCheck, printed: dict[str, object], clock: WallClock) -> Message | None:
    if check.key not in printed:
        return Message(code="probe.key-missing", params={"key": check.key, "found": shown(", ".join(printed))})
    value = printed[check.key]
    if check.within_s is not None:
        reason = _near_now(check.key, value, check.within_s, clock)
        if reason is not None:
            return reason
    if check.offset is not None and check.same_instant_as is not None:
        return _same_instant(check, value, printed.get(check.same_instant_as))
    return None


def _near_now(key: str, value: object, within_s: float, clock: WallClock) -> Message | None:
    """A whole Unix second at most `within_s` before the run began or after it ended."""
    if not isinstance(value, int) or isinstance(value, bool):
        return _unexpected(key, value, "a whole number of seconds since 1970")
    # Not `int(clock.before)`: a second that is cut off lies up to one second before the instant it stands for.
    if clock.before - within_s <= value <= clock.after + within_s:
        return None
    return Message(
        code="probe.not-now",
        params={"key": key, "found": shown(str(value)), "expected": int(clock.after), "within": within_s},
    )


def _same_instant(check: JsonCheck, value: object, other: object) -> Message | None:
    assert check.offset is not None  # narrowed by the caller
    offset = _offset(check.offset[0], check.offset[1:3], check.offset[4:6])
    if not isinstance(other, int) or isinstance(other, bool):
        return _unexpected(check.same_instant_as or "", other, "a whole number of seconds since 1970")
    try:
        expected = datetime.fromtimestamp(other, timezone(offset)).strftime(check.format)
    except (OverflowError, ValueError, OSError):
        return _unexpected(check.same_instant_as or "", other, "a time of this age")
    if not isinstance(value, str):
        return _unexpected(check.key, value, expected)
    if value.startswith(expected) and _may_be_called(value[len(expected) :], offset):
        return None
    return Message(
        code="probe.other-instant",
        params={
            "key": check.key,
            "found": shown(value),
            "expected": expected,
            "offset": check.offset,
            "other": check.same_instant_as,
        },
    )


def _may_be_called(label: str, offset: timedelta) -> bool:
    """True unless the words after a local time name another offset than its own, or are no zone at all."""
    zone = _ZONE_LABEL.fullmatch(label)
    if zone is None:
        return False
    if zone["sign"]:
        return _offset(zone["sign"], zone["hours"], zone["minutes"] or "0") == offset
    return (zone["name"] or "").upper() not in _UNIVERSAL or not offset


def _offset(sign: str, hours: str, minutes: str) -> timedelta:
    size = timedelta(hours=int(hours), minutes=int(minutes))
    return -size if sign == "-" else size


def _unexpected(key: str, value: object, expected: str) -> Message:
    params: dict[str, Scalar] = {"key": key, "found": shown(json.dumps(value)), "expected": expected}
    return Message(code="probe.wrong-value", params=params)


def shown(text: str) -> str:
    """Cut a program's words and blank what is no visible character, lone surrogates included."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
