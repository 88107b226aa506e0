"""Does what a claim's own quote says fit together: JSON of one program call, a weekday and its date.  Pure."""

from __future__ import annotations

import json
import re
from datetime import date

from grader.judging.probes import WallClock, check_json
from grader.model.lab import JsonCheck, Lab, StdoutJsonProbe
from grader.model.report import Claim

_WEEKDAYS = (
    ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
    ("пн", "вт", "ср", "чт", "пт", "сб", "вс"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?|пн|вт|ср|чт|пт|сб|вс"
"""Whole names only: `monitor` and `month` are no Monday."""
_ISO = re.compile(
    rf"(?<!\w)(?P<weekday>{_WEEKDAY})\.?,? +(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)",
    re.IGNORECASE,
)
_MONTH = "|".join(_MONTHS)
_CLOCK = r"(?:[ ,]{1,3}(?:\d\d?:\d\d(?::\d\d)?(?:\.\d{1,9})?|[AP]M|[A-Z]{2,5}|[+-]\d\d(?::?\d\d)?)){0,3}"
"""What a clock prints between day and year: time, half of the day and zone; prose there may name another year."""
_NAMED = re.compile(
    rf"(?<!\w)(?P<weekday>{_WEEKDAY})\.?,? +"
    rf"(?:(?P<name>{_MONTH})[a-z]* +(?P<day>\d\d?)|(?P<day_first>\d\d?) +(?P<name_last>{_MONTH})[a-z]*)"
    rf"{_CLOCK}[ ,]{{1,3}}(?P<year>20\d\d)(?!\d)",
    re.IGNORECASE,
)
"""`date` prints `Wed Apr 22 13:22:11 UTC 2026`, mail and HTTP `Wed, 22 Apr 2026`."""


def is_sound(lab: Lab, claim: Claim) -> bool | None:
    """Return whether a quote agrees with itself; None where it says nothing that could disagree."""
    subject, _, metric = claim.id.partition(".")
    if subject in lab.subjects and metric in lab.metrics:
        return _json_is_sound(_checks(lab, metric), claim.quote)
    return _weekday_is_right(claim.quote)


def _checks(lab: Lab, metric: str) -> tuple[JsonCheck, ...]:
    """Return the checks of a metric's program that hold at any time: not those against the clock."""
    for probe in lab.probes.values():
        if isinstance(probe, StdoutJsonProbe) and probe.metric == metric:
            return tuple(c.model_copy(update={"within_s": None}) for c in probe.checks if c.same_instant_as)
    return ()


def _json_is_sound(checks: tuple[JsonCheck, ...], quote: str) -> bool | None:
    try:
        printed = json.loads(quote)
    except (ValueError, RecursionError):
        return None
    asked = {key for check in checks for key in (check.key, check.same_instant_as)}
    if not checks or not isinstance(printed, dict) or not asked <= printed.keys():
        return None
    return check_json(checks, quote.encode(), WallClock(before=0, after=0)) is None


def _weekday_is_right(quote: str) -> bool | None:
    """Return whether every weekday is that of the date behind it; None where there is no such pair."""
    found = [_pair(match) for pattern in (_ISO, _NAMED) for match in pattern.finditer(quote)]
    pairs = [pair for pair in found if pair is not None]
    return all(day.weekday() == weekday for weekday, day in pairs) if pairs else None


def _pair(match: re.Match[str]) -> tuple[int, date] | None:
    parts = match.groupdict()
    name = parts["weekday"].casefold()
    weekday = next(n for names in _WEEKDAYS for n, short in enumerate(names) if name.startswith(short))
    month_name = parts.get("name") or parts.get("name_last")
    month = _MONTHS.index(month_name.casefold()) + 1 if month_name else int(parts["month"])
    try:
        return weekday, date(int(parts["year"]), month, int(parts.get("day") or parts["day_first"]))
    except ValueError:
        return None
