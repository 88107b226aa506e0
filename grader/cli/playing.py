"""Run one of our playbooks over an inventory and its roster, with a table, logs and a report."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import typer

from grader.adapters.ansible import AnsibleRunner
from grader.adapters.catalogue import load_checks
from grader.adapters.clock import SystemClock
from grader.adapters.hostlogs import HostLogs, save_report
from grader.adapters.roster import FILE_NAME, load_roster, sources
from grader.adapters.shipped import shipped
from grader.adapters.steptags import require_tags
from grader.cli.hosttable import HostTable
from grader.cli.stopping import asked_to_stop
from grader.errors import HostError
from grader.model.base import Record
from grader.model.provision import BECOME_PASSWORD, ProvisionReport
from grader.ports import PlayWatcher
from grader.render.provisiontable import report_text
from grader.workflow.provision import Wanted, provision


class Playing(Record):
    """What the commands that run playbooks take from their options."""

    inventory: Path
    limit: tuple[str, ...] = ()
    check: bool = False
    tags: tuple[str, ...] = ()
    forks: int = 5
    retries: int = 0
    out: Path
    variables: dict[str, object] | None = None
    quiet: bool = False


def run_playbook(name: str, playing: Playing, *watchers: PlayWatcher) -> ProvisionReport:
    """Run a playbook and save its report.

    Args:
        watchers: Hear every event besides the table and the logs.

    Raises: UsageError for an inventory or a roster that cannot be read, and for a tag that no step has; HostError.
    """
    require_tags(playing.tags)
    inventory, out = playing.inventory.absolute(), playing.out.absolute()
    roster = load_roster(inventory)
    table, clock = HostTable(quiet=playing.quiet), SystemClock()
    with tempfile.TemporaryDirectory(prefix="grader-playbook-") as scratch:
        wanted = Wanted(
            playbook=shipped("playbooks") / name,
            inventories=sources(inventory, roster, Path(scratch)),
            limit=playing.limit,
            check=playing.check,
            tags=playing.tags,
            forks=playing.forks,
            retries=playing.retries,
            folder=out,
            variables=_written(playing.variables, Path(scratch)),
            lasting=frozenset(load_checks()) | {BECOME_PASSWORD},
            refused=tuple(f"{FILE_NAME}:{row.line}: {row.what}" for row in roster.refused) if roster else (),
        )
        with asked_to_stop() as stop, table.shown():
            logs = HostLogs(out, clock)
            report = provision(wanted, AnsibleRunner(), (table, logs, *watchers), clock, stop)
    try:
        save_report(out, report)
    except HostError:  # What became of the hosts must not be lost with the disk.
        typer.echo(report_text(report), nl=False, err=True)
        raise
    return report


def _written(variables: dict[str, object] | None, folder: Path) -> Path | None:
    if variables is None:
        return None
    file = folder / "variables.json"
    file.write_text(json.dumps(variables), encoding="utf-8")
    return file
