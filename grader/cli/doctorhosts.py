"""`grader doctor --host H`: the roles' own checks on lab hosts; with `--fix` the steps that mend what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import typer

from grader.adapters.catalogue import load_checks
from grader.bootstrap.checks import Purpose
from grader.cli.playing import Playing, run_playbook
from grader.cli.provision import exit_by
from grader.model.base import Record
from grader.model.hostcheck import FailedCheck, HostHealth, HostsHealth, KnownCheck, failed_check, mending_tags
from grader.model.provision import HostReport, PlayEnd, PlayEvent, ProvisionReport, TaskEnd
from grader.render.escape import json_document
from grader.render.provisiontable import health_text


class HostsWanted(Record):
    """The options of `doctor` for lab hosts; without a purpose the inventory says what each worker must be fit for."""

    inventory: Path
    limit: tuple[str, ...]
    purpose: Purpose | None
    fix: bool
    forks: int
    out: Path


class CheckList:
    """A `PlayWatcher` that keeps what each check said when it failed, once."""

    def __init__(self, known: Mapping[str, KnownCheck]) -> None:
        self._known = known
        self._found: dict[str, dict[str, FailedCheck]] = {}

    def attempt(self, number: int, hosts: Sequence[str]) -> None:
        """Forget what these hosts said before."""
        self._found.update({host: {} for host in hosts})

    def event(self, event: PlayEvent) -> None:
        """Keep a failure that is a check's."""
        if not isinstance(event, TaskEnd) or event.status != "failed":
            return
        # The last task of the playbook repeats, line by line, what was found.
        for message in event.message.split("\n"):
            check = failed_check(message, self._known, warns=event.ignored)
            if check is not None:
                self._found.setdefault(event.host, {}).setdefault(check.id, check)

    def ended(self, end: PlayEnd) -> None:
        """Nothing more is to be heard."""

    def of(self, host: str) -> tuple[FailedCheck, ...]:
        """Return the failed checks of a host, by id."""
        found = self._found.get(host, {})
        return tuple(found[id_] for id_ in sorted(found))


def doctor_hosts(wanted: HostsWanted, *, as_json: bool) -> NoReturn:
    """Ask the hosts, mend if asked to, print, and end with the code of the contract."""
    report, health = _asked(wanted)
    if as_json:
        typer.echo(json_document(health.model_dump_json(by_alias=True, indent=2)))
    else:
        typer.echo(health_text(health), nl=False)
    exit_by(report)


def _asked(wanted: HostsWanted) -> tuple[ProvisionReport, HostsHealth]:
    purpose: dict[str, object] | None = {"grader_worker_purpose": wanted.purpose} if wanted.purpose else None
    playing = Playing(
        inventory=wanted.inventory, limit=wanted.limit, forks=wanted.forks, out=wanted.out, variables=purpose
    )
    report, health = _ask(playing, fixed=False)
    tags = mending_tags(health.hosts)
    if wanted.fix and tags and not report.interrupted:
        ill = tuple(host.host for host in health.hosts if mending_tags([host]))
        mending = playing.model_copy(update={"limit": ill, "tags": tags, "out": wanted.out / "fix"})
        report = run_playbook("site.yml", mending)
        if not report.interrupted:
            report, health = _ask(playing, fixed=True)
    return report, health


def _ask(playing: Playing, *, fixed: bool) -> tuple[ProvisionReport, HostsHealth]:
    seen = CheckList(load_checks())
    report = run_playbook("doctor.yml", playing, seen)
    hosts = tuple(_health(host, seen.of(host.host)) for host in report.hosts)
    return report, HostsHealth(ready=all(host.outcome == "ready" for host in hosts), fixed=fixed, hosts=hosts)


def _health(host: HostReport, checks: tuple[FailedCheck, ...]) -> HostHealth:
    # What the checks say need not be said again; anything else that failed must.
    message = "" if checks and host.outcome == "failed" else host.message
    return HostHealth(host=host.host, outcome=host.outcome, message=message, checks=checks)
