"""Where a submission is measured: what every kind of run needs, handed on as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from grader.model.base import Record, canonical_json
from grader.model.host import Fingerprint
from grader.model.run import Limits
from grader.ports import Clock, Engine, HostLock, NoiseMeter, Progress, Store
from grader.workflow.records import load_record
from grader.workflow.waits import Waits

Stored = TypeVar("Stored", bound=Record)


@dataclass(frozen=True)
class Site:
    """The ports that measuring uses, what this host is, the caps on one run of a program, and on waits for a server.

    Unless `use_cache`, no result is read from the store, and nothing is kept in it.  With `remeasure` what was timed
    is timed again, and what the store holds of it stays until that is whole.
    """

    engine: Engine
    store: Store
    lock: HostLock
    progress: Progress
    host: Fingerprint
    limits: Limits
    use_cache: bool
    clock: Clock
    waits: Waits
    listen: Callable[[], NoiseMeter]
    remeasure: bool = False

    def earlier(self, kind: str, key: str, model: type[Stored]) -> Stored | None:
        """Return what an earlier measuring kept under that key."""
        return load_record(self.store, kind, key, model) if self.use_cache else None

    def keep(self, kind: str, key: str, record: Record) -> None:
        """Keep a result for the next measuring of the same content."""
        if self.use_cache:
            self.store.save(kind, key, canonical_json(record))

    def tools(self) -> tuple[bytes, ...]:
        """Return what tells this engine's programs from others', for a key."""
        return tuple(canonical_json(tool) for tool in self.engine.tools())
