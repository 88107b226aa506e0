"""One comparison of commands, with the adapters that it works with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from grader import __version__
from grader.adapters.host import LocalHost
from grader.adapters.hostlock import DEFAULT_LOCK, FileHostLock
from grader.adapters.localserver import ephemeral_ports
from grader.adapters.output import SampleFile
from grader.adapters.scales import HostScales
from grader.adapters.store import DiskStore, cache_root
from grader.cli.bench.arms import (
    Found,
    cold_files,
    find_program,
    make_arm,
    note_what_stays,
    preparation,
    shown,
    tools_of,
)
from grader.cli.bench.meaning import Asked, Meant, understood
from grader.cli.bench.samples import samples_file, told_where
from grader.cli.bench.signals import ended_by_signals
from grader.cli.progress import ConsoleProgress, waiting_note
from grader.model.bench import Bench
from grader.ports import Progress, Store
from grader.workflow.bench import Track, run_bench
from grader.workflow.benchmemory import Weighable, Weighing
from grader.workflow.benchrun import Arm, RunCheck
from grader.workflow.budget import BoundedLock, Budget


def bench_session(asked: Asked) -> tuple[Bench, Path]:
    """Compare; return the result in words, and the file of its raw samples.

    Raises: UsageError before anything runs; StoppedError if somebody ended it, with the samples kept.
    """
    meant = understood(asked)
    asked.targets.check()
    environment = dict(os.environ)
    programs = {arm.name: find_program(arm, environment) for arm in meant.arms}
    progress = ConsoleProgress(quiet=asked.quiet)
    if meant.url is not None and meant.url.port in (given_away := ephemeral_ports()):
        safer = f"one below {given_away.start} is safer"
        progress.note(f"port {meant.url.port} may be given to somebody else at any time; {safer}")
    # Not through `wiring`: that loads all that a grading needs.
    store = DiskStore(asked.cache.absolute() if asked.cache is not None else cache_root(os.environ))
    log = SampleFile(asked.targets.samples or samples_file(store.root))
    track = _track(asked, meant, programs, store, log, progress)
    with ended_by_signals(), told_where(log, progress):
        arms, weighable = _make_arms(asked, meant, programs, environment, progress)

        def weigh(bench: Bench, budget: Budget) -> Bench:
            if not asked.memory:
                return bench
            weighing = Weighing(HostScales(), environment, meant.limits.run_s, budget, progress)
            return weighing.read_peaks(bench, weighable)

        argvs = {arm.name: tuple(shown(word) for word in arm.argv) for arm in meant.arms}
        bench = run_bench(meant.plan, arms, argvs, track, meant.limits, version=__version__, before_leaving=weigh)
    progress.close()
    from grader.render.benchwords import worded_bench

    return worded_bench(bench), log.path


def _make_arms(
    asked: Asked,
    meant: Meant,
    programs: Mapping[str, Found],
    environment: Mapping[str, str],
    progress: Progress,
) -> tuple[dict[str, Arm], dict[str, Weighable]]:
    """Return the arms by name, as they are timed and as they are weighed: prepared and checked alike."""
    arms: dict[str, Arm] = {}
    weighable: dict[str, Weighable] = {}
    for name, found in programs.items():
        cold = cold_files(found, asked.cold_files) if asked.state == "file-cold" else ()
        note_what_stays(name, cold, progress)
        prepare = preparation(name, meant.prepare, cold, environment)
        check = RunCheck(meant.expected, first_byte=asked.ready == "first-byte")
        arms[name] = make_arm(found, meant.expected, environment, meant.url, prepare, check)
        weighable[name] = Weighable(found.program, found.argv, check, prepare)
    return arms, weighable


def _track(
    asked: Asked,
    meant: Meant,
    programs: Mapping[str, Found],
    store: Store,
    log: SampleFile,
    progress: Progress,
) -> Track:
    host, budget = LocalHost(), Budget(meant.given_s)
    lock = FileHostLock(asked.lock or DEFAULT_LOCK, lambda holders: progress.note(waiting_note(holders)))
    return Track(
        lock=BoundedLock(lock, budget),
        noise=host.listen,
        samples=log,
        progress=progress,
        store=store,
        host=host.fingerprint(tools_of(programs)),
        # What the caller bounds is the command, what we bound ourselves begins with the first run.
        budget=lambda: budget if meant.given_s is not None else Budget(meant.whole_s),
    )
