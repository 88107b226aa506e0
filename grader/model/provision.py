"""What a run of a playbook over lab hosts asks for, tells while it goes, and leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field

from grader.model.base import Record

TaskStatus = Literal["ok", "changed", "failed", "skipped", "unreachable"]
HostOutcome = Literal["ready", "differs", "failed", "unreachable", "refused", "not-run"]
"""`differs` is of check mode alone: a run would change something."""
PlayOutcome = Literal["done", "interrupted", "broken"]

BECOME_PASSWORD = "become-password"  # noqa: S105  (the id of a message)
"""Begins the message of a host that refused our password; asked again, sudo may lock the account."""
STUDENT = "student"
GRADING = "grading"


class Inventory(Record):
    """Hosts and groups; a group holds the hosts of its children too."""

    hosts: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]

    def in_both(self) -> frozenset[str]:
        """Return the hosts on which students work and which grade: there must be none."""
        return frozenset(self.groups.get(STUDENT, ())) & frozenset(self.groups.get(GRADING, ()))


class Selection(Record):
    """The hosts that a limit names, in the order of the inventory, and the words of it that name none."""

    hosts: tuple[str, ...]
    unknown: tuple[str, ...]


def selected(inventory: Inventory, limit: Sequence[str]) -> Selection:
    """Resolve a limit: names of hosts or groups, or patterns as of a shell; nothing means every host."""
    if not limit:
        return Selection(hosts=inventory.hosts, unknown=())
    found: set[str] = set()
    unknown = []
    for word in limit:
        hosts = {host for host in inventory.hosts if fnmatchcase(host, word)}
        hosts.update(host for group, held in inventory.groups.items() if fnmatchcase(group, word) for host in held)
        found |= hosts
        if not hosts:
            unknown.append(word)
    return Selection(hosts=tuple(h for h in inventory.hosts if h in found), unknown=tuple(dict.fromkeys(unknown)))


def log_name(host: str) -> str:
    """Return the file name of a host's log; an inventory may name a host as it likes."""
    return f"{re.sub('[^A-Za-z0-9._-]', '_', host)}.log"


class Play(Record):
    """One run of a playbook.  Every path is absolute: Ansible works in a folder of its own."""

    playbook: Path
    inventories: tuple[Path, ...]
    hosts: tuple[str, ...]
    check: bool = False
    tags: tuple[str, ...] = ()
    forks: int = Field(default=5, ge=1)
    folder: Path = Field(description="Where the events are kept; made with mode 0700.")
    variables: Path | None = Field(default=None, description="JSON of variables that win over the inventory's.")


class OfTask(Record):
    """What is told of a task; `role` is empty where it is of none."""

    role: str
    task: str

    @property
    def named(self) -> str:
        """Role and task as a person reads them."""
        return f"{self.role}: {self.task}" if self.role else self.task


class TaskStart(OfTask):
    """A host begins a task."""

    host: str


class TaskEnd(OfTask):
    """A host ended a task, or one item of a task that loops.

    `message` is why it failed, `diff` what it changed, or would in check mode; empty otherwise.  `ignored` is true
    where the playbook goes on by its own word.
    """

    host: str
    status: TaskStatus
    seconds: float = Field(ge=0)
    message: str = ""
    diff: str = ""
    ignored: bool = False
    item: bool = False


PlayEvent = TaskStart | TaskEnd


class HostTotals(Record):
    """How many tasks of a play ended how on a host; `failed` counts what nothing rescued."""

    host: str
    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0


class PlayEnd(Record):
    """How a run of a playbook ended.  `error` says why there are no totals."""

    outcome: PlayOutcome
    totals: tuple[HostTotals, ...] = ()
    error: str = ""


class Change(OfTask):
    """A task that changed a host, or would in check mode; `diff` is empty where the task does not tell it."""

    diff: str = ""


class HostReport(Record):
    """What became of one host.

    `task` and `message` are those of the failure; `log` is relative to the folder of the report; `seconds` is the sum
    of its tasks; `changes` are those of all attempts, in order.
    """

    host: str
    outcome: HostOutcome
    attempts: int = 0
    ok: int = 0
    changed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    task: str = ""
    message: str = ""
    log: str = ""
    changes: tuple[Change, ...] = ()


class SlowTask(OfTask):
    """A task and the host that it took longest on."""

    host: str
    seconds: float


# grader/provision/1: the first.
class ProvisionReport(Record):
    """`report.json`."""

    schema_: Literal["grader/provision/1"] = Field(default="grader/provision/1", alias="schema")
    playbook: str
    check: bool
    tags: tuple[str, ...]
    interrupted: bool
    seconds: float
    hosts: tuple[HostReport, ...]
    slowest: tuple[SlowTask, ...]
    refused: tuple[str, ...] = Field(default=(), description="Rows of the roster that were left out, and why.")

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Hosts that one more run may mend."""
        return tuple(host.host for host in self.hosts if host.outcome in ("failed", "unreachable", "not-run"))
