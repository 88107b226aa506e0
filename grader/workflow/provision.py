"""Run a playbook over the hosts that are wanted, go on without those that fail, and try only these again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from grader.errors import UsageError
from grader.model.base import Record
from grader.model.provision import (
    Change,
    HostOutcome,
    HostReport,
    HostTotals,
    Inventory,
    Play,
    PlayEnd,
    PlayEvent,
    ProvisionReport,
    SlowTask,
    TaskStart,
    log_name,
    selected,
)
from grader.ports import Clock, PlaybookRunner, PlayWatcher

SLOWEST = 5
"""Tasks that a report names."""


class Wanted(Record):
    """What a run is to do.

    `lasting` are ids of checks: what one of them says, `<id>: found …`, is the same at once again, so it is not tried
    again.
    """

    playbook: Path
    inventories: tuple[Path, ...]
    limit: tuple[str, ...] = ()
    check: bool = False
    tags: tuple[str, ...] = ()
    forks: int = 5
    retries: int = 1
    folder: Path
    variables: Path | None = None
    lasting: frozenset[str] = frozenset()
    refused: tuple[str, ...] = ()


class Failure(NamedTuple):
    """Where a host stopped."""

    task: str
    message: str
    outcome: HostOutcome


class _Tally:
    """What the events of one attempt say by host."""

    def __init__(self) -> None:
        self.failures: dict[str, Failure] = {}
        self.tasks: dict[tuple[str, str, str], float] = {}
        self.changes: dict[str, list[Change]] = {}
        self.ended: dict[str, Counter[str]] = {}

    def hear(self, event: PlayEvent) -> None:
        if isinstance(event, TaskStart) or event.item:  # The task itself ends with the time of all its items.
            return
        key = (event.role, event.task, event.host)
        self.tasks[key] = self.tasks.get(key, 0.0) + event.seconds
        self.ended.setdefault(event.host, Counter())[event.status] += 1
        if event.status == "changed":
            change = Change(role=event.role, task=event.task, diff=event.diff)
            self.changes.setdefault(event.host, []).append(change)
        if event.status in ("failed", "unreachable") and not event.ignored:
            outcome: HostOutcome = "failed" if event.status == "failed" else "unreachable"
            self.failures[event.host] = Failure(event.named, event.message, outcome)

    def counts(self, host: str) -> dict[str, int]:
        """Return the counts of a host as Ansible's recap has them, for a run that came to no recap."""
        ended = self.ended.get(host, Counter())
        return {"ok": ended["ok"] + ended["changed"], "changed": ended["changed"], "skipped": ended["skipped"]}


def provision(
    wanted: Wanted,
    runner: PlaybookRunner,
    watchers: Sequence[PlayWatcher],
    clock: Clock,
    stop: Callable[[], bool],
) -> ProvisionReport:
    """Run the playbook; hosts that are unknown, refused or fail are told one by one, and the others go on.

    Raises: UsageError for an inventory that cannot be read or has no hosts; HostError where nothing can be run;
        KeyboardInterrupt if the run is stopped before it has begun.
    """
    began = clock.monotonic()
    inventory = _inventory(wanted, runner, stop)
    chosen = selected(inventory, wanted.limit)
    reports = {word: _unknown(word, inventory) for word in chosen.unknown}
    both = inventory.in_both()
    reports.update({host: _in_both(host) for host in chosen.hosts if host in both})
    hosts = tuple(host for host in chosen.hosts if host not in both)
    reports.update({host: HostReport(host=host, outcome="not-run") for host in hosts})
    slow: list[SlowTask] = []
    interrupted = False
    for attempt in range(1, 2 + (0 if wanted.check else wanted.retries)):
        if not hosts or stop():
            interrupted = interrupted or bool(hosts and stop())
            break
        for watcher in watchers:
            watcher.attempt(attempt, hosts)
        tally = _Tally()
        end = runner.play(_play(wanted, hosts), partial(_tell, tally, watchers), stop)
        for watcher in watchers:
            watcher.ended(end)
        interrupted = end.outcome == "interrupted"
        slow += [SlowTask(role=r, task=t, host=h, seconds=s) for (r, t, h), s in tally.tasks.items()]
        reports.update({host: _after(reports[host], end, tally, attempt, check=wanted.check) for host in hosts})
        hosts = tuple(host for host in hosts if _again(reports[host], wanted.lasting))
        if interrupted or end.outcome == "broken":
            break
    return ProvisionReport(
        playbook=wanted.playbook.name,
        check=wanted.check,
        tags=wanted.tags,
        interrupted=interrupted,
        seconds=round(clock.monotonic() - began, 3),
        hosts=tuple(reports[host] for host in sorted(reports)),
        slowest=slowest(slow),
        refused=wanted.refused,
    )


def _inventory(wanted: Wanted, runner: PlaybookRunner, stop: Callable[[], bool]) -> Inventory:
    try:
        inventory = runner.inventory(wanted.inventories)
    except UsageError:
        if stop():  # Ctrl-C on a terminal ends Ansible as well, which then reads no inventory.
            raise KeyboardInterrupt from None
        raise
    if not inventory.hosts and not wanted.refused:
        raise UsageError("the inventory has no hosts", hint="docs/hosts.md tells how to name them")
    return inventory


def slowest(tasks: Sequence[SlowTask], count: int = SLOWEST) -> tuple[SlowTask, ...]:
    """Return the tasks that took longest, each once with the host that it took longest on."""
    longest: dict[tuple[str, str], SlowTask] = {}
    for task in tasks:
        known = longest.get((task.role, task.task))
        if known is None or task.seconds > known.seconds:
            longest[task.role, task.task] = task
    ordered = sorted(longest.values(), key=lambda task: (-task.seconds, task.role, task.task))
    return tuple(task for task in ordered if task.seconds > 0)[:count]


def _tell(tally: _Tally, watchers: Sequence[PlayWatcher], event: PlayEvent) -> None:
    tally.hear(event)
    for watcher in watchers:
        watcher.event(event)


def _play(wanted: Wanted, hosts: tuple[str, ...]) -> Play:
    return Play(
        playbook=wanted.playbook,
        inventories=wanted.inventories,
        hosts=hosts,
        check=wanted.check,
        tags=wanted.tags,
        forks=wanted.forks,
        folder=wanted.folder,
        variables=wanted.variables,
    )


def _after(before: HostReport, end: PlayEnd, tally: _Tally, attempt: int, *, check: bool) -> HostReport:
    """Return what is known of a host after an attempt; counts are those of the last one, seconds those of all."""
    by_host: Mapping[str, HostTotals] = {total.host: total for total in end.totals}
    seconds = before.seconds + sum(s for (_, _, host), s in tally.tasks.items() if host == before.host)
    known: dict[str, object] = {
        "attempts": attempt,
        "seconds": round(seconds, 3),
        "log": f"logs/{log_name(before.host)}",
        "changes": (*before.changes, *tally.changes.get(before.host, ())),
    }
    total = by_host.get(before.host)
    failure = tally.failures.get(before.host, Failure("", "", "not-run"))
    if total is None:
        told = {"task": failure.task, "message": failure.message or end.error or _unheard(end)}
        return before.model_copy(update={**known, **tally.counts(before.host), **told, "outcome": failure.outcome})
    counts = {"ok": total.ok, "changed": total.changed, "skipped": total.skipped}
    if total.unreachable or total.failed:
        outcome = "unreachable" if total.unreachable else "failed"
        told = {"task": failure.task, "message": failure.message}
        return before.model_copy(update={**known, **counts, **told, "outcome": outcome})
    if end.outcome == "interrupted":
        return before.model_copy(update={**known, **counts, "outcome": "not-run", "message": "interrupted"})
    fit: HostOutcome = "differs" if check and total.changed else "ready"
    return before.model_copy(update={**known, **counts, "task": "", "message": "", "outcome": fit})


def _unheard(end: PlayEnd) -> str:
    if end.outcome == "interrupted":
        return "interrupted"
    return "the playbook has nothing for this host: put it into the group `student` or `grading`"


def _again(report: HostReport, lasting: frozenset[str]) -> bool:
    if report.outcome not in ("failed", "unreachable"):
        return False
    return report.message.partition(":")[0] not in lasting


def _unknown(word: str, inventory: Inventory) -> HostReport:
    groups = ", ".join(f"`{group}`" for group, hosts in inventory.groups.items() if hosts)
    return HostReport(
        host=word,
        outcome="refused",
        message=f"no such host: the inventory has {len(inventory.hosts)} hosts in the groups {groups or '(none)'}",
    )


def _in_both(host: str) -> HostReport:
    return HostReport(
        host=host,
        outcome="refused",
        message="is in `student` and in `grading`: a host on which students work must not grade",
    )
