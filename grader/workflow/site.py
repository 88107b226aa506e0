"""Where a submission is measured: what every kind of run needs, handed on as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from grader.model.base import Record, canonical_json
from grader.model.host import Fingerprint
from grader.model.run import Limits
from grader.ports import Clock, Engine, HostLock, ImageBuilder, NoiseMeter, Progress, Store
from grader.workflow.join import part_of
from grader.workflow.records import load_record
from grader.workflow.waits import Waits

Stored = TypeVar("Stored", bound=Record)


@dataclass(frozen=True)
class Site:
    """The ports that measuring uses, what this host is, the caps on one run of a program, and on waits for a server.

    `images` is None where nothing builds images.  Unless `use_cache`, no result is read from the store, and nothing is
    kept in it.  With `remeasure` what was timed is timed again, and what the store holds of it stays until that is
    whole.
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
    images: ImageBuilder | None = None
    remeasure: bool = False

    def earlier(self, kind: str, key: str, model: type[Stored]) -> Stored | None:
        """Return what an earlier measuring kept under that key."""
        return load_record(self.store, kind, key, model) if self.use_cache else None

    def keep(self, kind: str, key: str, record: Record) -> None:
        """Keep a result for the next measuring of the same content."""
        if self.use_cache:
            self.store.save(kind, key, canonical_json(record))

    def maker(self, arm: str) -> tuple[bytes, ...]:
        """Return what tells the engine of an arm and its programs from others', for a key.

        Another engine beside it changes nothing of what it gives, so nothing is run again because one came.
        """
        part = part_of(self.engine, arm)
        return (part.name.encode(), *(canonical_json(tool) for tool in part.tools()))

    def host_of(self, arm: str) -> bytes:
        """Return this host with the programs of an arm's own engine, for a key."""
        return canonical_json(self.host.model_copy(update={"tools": part_of(self.engine, arm).tools()}))
