"""The lab hosts on stderr while a playbook runs: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from grader.model.provision import PlayEnd, PlayEvent, TaskStart
from grader.render.escape import one_line

_REFRESH_S = 0.25
_STYLE = {"failed": "red", "unreachable": "red", "changed": "yellow", "ended": "green"}


@dataclass
class _Row:
    state: str = "waits"
    task: str = ""
    done: int = 0
    changed: int = 0
    began: float = 0.0


class HostTable:
    """A `PlayWatcher`.  It draws when something happens: a thread beside a runner that forks would be a trap."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet or sys.stderr is None
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._rows: dict[str, _Row] = {}
        self._drawn = 0.0
        self._role = ""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Hold the table on the terminal; it goes away at the end, and the last one on stdout stays."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def attempt(self, number: int, hosts: Sequence[str]) -> None:
        """Show the hosts that begin."""
        self._rows = {host: _Row() for host in hosts}
        self._line(f"attempt {number}: {_counted(hosts)}" if number > 1 else _counted(hosts))
        self._draw(at_once=True)

    def event(self, event: PlayEvent) -> None:
        """Show what a host does, or how it ended that."""
        row = self._rows.setdefault(event.host, _Row())
        name = event.named
        if isinstance(event, TaskStart):
            row.state, row.task, row.began = "runs", name, time.monotonic()
            if event.role != self._role:
                self._role = event.role
                self._line(event.role)
        elif not event.item:
            row.done += event.status != "skipped"
            row.changed += event.status == "changed"
            if event.status in ("failed", "unreachable") and not event.ignored:
                row.state = event.status
                self._line(f"{event.host}: {event.status}: {name}: {event.message}")
        self._draw()

    def ended(self, end: PlayEnd) -> None:
        """Show the end of the attempt."""
        for total in end.totals:
            if not total.failed and not total.unreachable and total.host in self._rows:
                self._rows[total.host].state = "ended"
        self._draw(at_once=True)

    def _line(self, text: str) -> None:
        if self._quiet or self._live is not None or not text:
            return
        try:
            print(one_line(text, 400), file=sys.stderr, flush=True)  # A `Console` would end the run with its reader.
        except OSError:  # Nobody listens any more, or a disk is full: the hosts are what matters.
            self._quiet = True

    def _draw(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._live is None or not (at_once or now - self._drawn > _REFRESH_S):
            return
        self._drawn = now
        table = Table("host", "state", "tasks", "changed", "task", "s", box=None, pad_edge=False)
        for host, row in self._rows.items():
            spent = f"{now - row.began:.0f}" if row.state == "runs" else ""
            state = Text(row.state, style=_STYLE.get(row.state, ""))
            task = Text(one_line(row.task, 80), no_wrap=True, overflow="ellipsis")
            table.add_row(Text(one_line(host)), state, str(row.done), str(row.changed), task, spent)
        self._live.update(table, refresh=True)


def _counted(hosts: Sequence[str]) -> str:
    return f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}"
