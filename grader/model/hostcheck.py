"""What the roles' own checks found on lab hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from grader.model.base import Record
from grader.model.provision import HostOutcome

_CODED = re.compile(r"(?P<id>[a-z0-9]+(-[a-z0-9.]+)+): (?P<found>.*)", re.DOTALL)
_SAID = re.compile(r"found (?P<found>.*?); expected (?P<expected>.*)", re.DOTALL)
_RULE = re.compile(r"found (?P<found>.*?), which ends in `(?P<says>.*?)`; (?P<remedy>.*)", re.DOTALL)
FITTING = "versions that work together"
"""What a rule of compatibility expects."""
VERSIONS = "versions-"
"""Begins the ids of the rules of compatibility, which are not in the list of checks."""


class KnownCheck(Record):
    """A check of `roles/lab_artifacts/files/checks.json`: what it prevents, what mends it, and the tags that do."""

    id: str
    role: str
    tags: tuple[str, ...]
    prevents: str
    remedy: str


class FailedCheck(Record):
    """A check that failed on a host, or only warns.  `tags` are the steps that mend it; none: a person must.

    `prevents` is what one would see otherwise, word for word.
    """

    id: str
    state: Literal["failed", "warning"] = "failed"
    found: str
    expected: str = ""
    prevents: str = ""
    remedy: str = ""
    tags: tuple[str, ...] = ()


class HostHealth(Record):
    """One host.  Invariant of its making: ready has no failed checks.  `message` says why it could not be asked."""

    host: str
    outcome: HostOutcome
    message: str = ""
    checks: tuple[FailedCheck, ...] = ()


# grader/host-doctor/1: the first.
class HostsHealth(Record):
    """What `grader doctor --host` prints as JSON."""

    schema_: Literal["grader/host-doctor/1"] = Field(default="grader/host-doctor/1", alias="schema")
    ready: bool
    fixed: bool = Field(description="Whether steps were run to mend what was found before.")
    hosts: tuple[HostHealth, ...]


def failed_check(message: str, known: Mapping[str, KnownCheck], *, warns: bool = False) -> FailedCheck | None:
    """Read what a role says when a check fails, `<id>: found …; expected …`; None if it is no check's."""
    coded = _CODED.match(message)
    if coded is None:
        return None
    check = known.get(coded["id"])
    if check is None:
        return _broken_rule(coded["id"], coded["found"]) if coded["id"].startswith(VERSIONS) else None
    if _RULE.fullmatch(coded["found"]):
        return _broken_rule(check.id, coded["found"], check.tags)
    said = _SAID.fullmatch(coded["found"])
    return FailedCheck(
        id=check.id,
        state="warning" if warns else "failed",
        found=said["found"] if said else coded["found"],
        expected=said["expected"] if said else "",
        prevents=check.prevents,
        remedy=check.remedy,
        tags=check.tags,
    )


def _broken_rule(id_: str, text: str, tags: tuple[str, ...] = ()) -> FailedCheck:
    said = _RULE.fullmatch(text)
    if said is None:
        return FailedCheck(id=id_, found=text)
    return FailedCheck(
        id=id_, found=said["found"], expected=FITTING, prevents=said["says"], remedy=said["remedy"], tags=tags
    )


def mending_tags(hosts: Sequence[HostHealth]) -> tuple[str, ...]:
    """Return the tags that mend all failures that a run can mend, sorted; a warning leaves a host fit."""
    failed = [check for host in hosts for check in host.checks if check.state == "failed"]
    return tuple(sorted({tag for check in failed for tag in check.tags}))
