"""What a run over hosts leaves in its folder: a log per host, written as it happens, and the report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from grader.errors import HostError, UsageError
from grader.model.base import first_mistake
from grader.model.provision import PlayEnd, PlayEvent, ProvisionReport, TaskStart, log_name
from grader.ports import Clock

REPORT = "report.json"
LOGS = "logs"


class HostLogs:
    """A `PlayWatcher` that appends a line per task to the log of its host.

    The folder and its files are for the user alone: what a task says of a host is nobody else's.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder / LOGS
        self._clock = clock
        for private in (folder, self._folder):
            try:
                private.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                hint = "name another folder by `--out`"
                raise HostError(f"cannot be made: {error.strerror}", where=str(private), hint=hint) from error
        self._folder.chmod(0o700)

    def attempt(self, number: int, hosts: Sequence[str]) -> None:
        """Begin the logs of these hosts anew at the first attempt."""
        for host in hosts:
            if number == 1:
                (self._folder / log_name(host)).unlink(missing_ok=True)
            self._write(host, f"attempt {number}")

    def event(self, event: PlayEvent) -> None:
        """Write how a task ended; where it failed, why; what it changed, where that was asked for."""
        if isinstance(event, TaskStart):
            return
        status = f"{event.status} (ignored)" if event.ignored else event.status
        self._write(event.host, f"{status:<11} {event.seconds:7.2f} s  {event.named}")
        for line in (*event.message.splitlines(), *event.diff.splitlines()):
            self._write(event.host, f"    {line}")

    def ended(self, end: PlayEnd) -> None:
        """Write the counts of each host."""
        for total in end.totals:
            counts = total.model_dump(exclude={"host"})
            self._write(total.host, f"{end.outcome}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))

    def _write(self, host: str, text: str) -> None:
        when = datetime.fromtimestamp(self._clock.wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        file = os.open(self._folder / log_name(host), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(file, "a", encoding="utf-8", errors="backslashreplace") as opened:
            opened.write(f"{when} {text}\n")


def save_report(folder: Path, report: ProvisionReport) -> Path:
    """Write `report.json` in one step, for the user alone.  Raises: HostError."""
    file = folder / REPORT
    beside = file.with_suffix(".json.new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            opened.write(report.model_dump_json(by_alias=True, indent=2) + "\n")
        beside.replace(file)
    except OSError as error:
        raise HostError(f"cannot be written: {error.strerror}", where=str(file), hint="make room there") from error
    return file


def load_report(folder: Path) -> ProvisionReport:
    """Read the report of the last run.  Raises: UsageError if there is none."""
    file = folder / REPORT
    try:
        return ProvisionReport.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(
            f"no report of an earlier run: {error.strerror}", where=str(file), hint="leave out `--failed`"
        ) from error
    except ValidationError as error:
        raise UsageError(first_mistake(error), where=str(file), hint="leave out `--failed`") from error
