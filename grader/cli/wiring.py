"""Which adapters a command that runs something works with; it takes their settings from the environment."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from grader.adapters.clock import SystemClock
from grader.adapters.embedded import EmbeddedEngine
from grader.adapters.host import LocalHost
from grader.adapters.hostlock import DEFAULT_LOCK, FileHostLock
from grader.adapters.intake import LocalIntake
from grader.adapters.sandbox import Sandbox
from grader.adapters.store import DiskStore, cache_root
from grader.adapters.trusted import Trusted
from grader.cli.containers import open_containers
from grader.cli.progress import waiting_note
from grader.errors import HostError
from grader.model.lab import Lab
from grader.ports import Progress, Runner
from grader.workflow.budget import BoundedHost, BoundedLock, BoundedRunner, Budget
from grader.workflow.join import joined
from grader.workflow.run import Desk


class WiringOptions(Protocol):
    """The options that choose adapters."""

    @property
    def cache(self) -> Path | None:
        """Cache folder, None for the user's own."""

    @property
    def lock(self) -> Path | None:
        """Lock file, None for the host's."""

    @property
    def trust(self) -> bool:
        """Run without a sandbox."""

    @property
    def engine(self) -> str:
        """`auto`, `embedded` or `containers`."""


def open_store(cache: Path | None) -> DiskStore:
    """Open the cache that the option or the environment names, else the user's own."""
    return DiskStore(cache.absolute() if cache is not None else cache_root(os.environ))


def open_runner(*, trust: bool, lock: Path | None) -> Runner:
    """Return the boundary behind which a submission's code runs."""
    return Trusted() if trust else Sandbox(lock=lock or DEFAULT_LOCK)


def wire(options: WiringOptions, lab: Lab, progress: Progress, stack: ExitStack, limit_s: float | None = None) -> Desk:
    """Make the adapters of a command.

    Args:
        stack: At its end what container engines were given is taken back.
        limit_s: Bounds the whole run from now on; None for no limit.

    Raises: HostError if the engine that was named is not there.
    """
    store = open_store(options.cache)
    budget = Budget(limit_s)
    runner = BoundedRunner(open_runner(trust=options.trust, lock=options.lock), budget)
    embedded = EmbeddedEngine(lab, runner, store, progress, os.environ.get("PATH", os.defpath))
    if options.engine == "embedded":
        status = runner.status()
        if not status.works and status.reason is not None:
            from grader.render.catalogue import words

            raise HostError(words(status.reason), where="--engine embedded", hint=status.remedy)
    containers = open_containers(options.engine, lab, store, budget, os.environ, stack)
    waiting = FileHostLock(options.lock or DEFAULT_LOCK, lambda holders: progress.note(waiting_note(holders)))
    intake, host = LocalIntake(os.environ), BoundedHost(LocalHost(), budget)
    return Desk(
        store=store,
        intake=intake,
        runner=runner,
        engine=joined(embedded, containers.engines, containers.images, containers.absent),
        lock=BoundedLock(waiting, budget),
        host=host,
        progress=progress,
        clock=SystemClock(),
        budget=budget,
        images=containers.images,
    )
