"""One comparison of commands, with the adapters that it works with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

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
from grader.judging.expected import Expectation
from grader.model.bench import Bench
from grader.model.host import Tool
from grader.ports import Progress, Store
from grader.workflow.bench import Track, run_bench
from grader.workflow.benchmemory import Weighable, Weighing
from grader.workflow.benchrun import RunCheck
from grader.workflow.budget import BoundedLock, Budget
from grader.workflow.contender import Contender, two_engines, with_images, with_pairs

if TYPE_CHECKING:
    from grader.cli.bench.images import ImageHost


def bench_session(asked: Asked) -> tuple[Bench, Path]:
    """Compare; return the result in words, and the file of its raw samples.

    Raises: UsageError before anything is timed; HostError if an engine cannot be used; StoppedError if somebody ended
        it, with the samples kept.
    """
    meant = understood(asked)
    asked.targets.check()
    environment = os.environ | meant.images.env
    programs = {arm.name: find_program(arm, environment) for arm in meant.arms}
    progress = ConsoleProgress(quiet=asked.quiet)
    # A container has its ports to itself.
    if programs and meant.url is not None and meant.url.port in (given_away := ephemeral_ports()):
        safer = f"one below {given_away.start} is safer"
        progress.note(f"port {meant.url.port} may be given to somebody else at any time; {safer}")
    # Not through `wiring`: that loads all that a grading needs.
    store = DiskStore(asked.cache.absolute() if asked.cache is not None else cache_root(os.environ))
    log = SampleFile(asked.targets.samples or samples_file(store.root))
    budget = Budget(meant.given_s)
    with ended_by_signals(), told_where(log, progress), ExitStack() as stack:
        contenders, tools = _commands(asked, meant, programs, environment, progress), tools_of(programs)
        if meant.images.arms:
            progress.step("images", ", ".join(image.name for image in meant.images.images))
            images = _open_images(meant, stack.enter_context(store.scratch()), stack)
            prepare = {name: preparation(name, meant.prepare, (), environment) for name in meant.images.arms}
            first_byte = asked.ready == "first-byte"
            contenders |= images.contenders(meant.expected, meant.url, prepare, first_byte=first_byte)
            tools += images.tools
        track = _track(asked, meant, tools, store, log, progress, budget)
        bench = _compare(meant, contenders, track, _noop(environment) if programs else None, memory=asked.memory)
    progress.close()
    from grader.render.benchwords import worded_bench

    return worded_bench(bench), log.path


def _compare(
    meant: Meant, contenders: Mapping[str, Contender], track: Track, noop: Weighable | None, *, memory: bool
) -> Bench:
    """Time the arms, and weigh them if that is wanted; `noop` gives the floor of what programs of this host have."""
    apart = two_engines(contenders, meant.plan.baseline)

    def finish(bench: Bench, left: Budget) -> Bench:
        told = with_images(bench, contenders, apart)
        if not memory:
            return told
        weighing = Weighing(noop, meant.limits.run_s, left, track.progress)
        return weighing.read_peaks(told, {name: one.weighable for name, one in contenders.items()})

    return run_bench(
        with_pairs(meant.plan, apart),
        {name: one.arm for name, one in contenders.items()},
        {name: one.argv for name, one in contenders.items()},
        track,
        meant.limits,
        version=__version__,
        before_leaving=finish,
    )


def _commands(
    asked: Asked,
    meant: Meant,
    programs: Mapping[str, Found],
    environment: Mapping[str, str],
    progress: Progress,
) -> dict[str, Contender]:
    """Return the arms that are commands, by name."""
    made = {}
    for name, found in programs.items():
        cold = cold_files(found, asked.cold_files) if asked.state == "file-cold" else ()
        note_what_stays(name, cold, progress)
        prepare = preparation(name, meant.prepare, cold, environment)
        check = RunCheck(meant.expected, first_byte=asked.ready == "first-byte")
        arm = make_arm(found, meant.expected, environment, meant.url, prepare, check)
        weigh = partial(HostScales().weigh, found.program, found.argv, environment)
        argv = tuple(shown(word) for word in found.argv)
        made[name] = Contender(arm, Weighable(weigh, check, prepare), argv)
    return made


def _noop(environment: Mapping[str, str]) -> Weighable:
    weigh = partial(HostScales().weigh, "/bin/true", ("true",), environment)
    return Weighable(weigh, RunCheck(Expectation()))


def _open_images(meant: Meant, folder: Path, stack: ExitStack) -> ImageHost:
    """Open the daemons that the arms need until the stack ends; `folder` holds the images meanwhile."""
    # Not above: it loads all that talks to daemons.
    from grader.cli.bench.images import ImageHost

    return ImageHost(meant.images, folder, os.environ, stack)


def _track(
    asked: Asked,
    meant: Meant,
    tools: Sequence[Tool],
    store: Store,
    log: SampleFile,
    progress: Progress,
    budget: Budget,
) -> Track:
    host = LocalHost()
    lock = FileHostLock(asked.lock or DEFAULT_LOCK, lambda holders: progress.note(waiting_note(holders)))
    return Track(
        lock=BoundedLock(lock, budget),
        noise=host.listen,
        samples=log,
        progress=progress,
        store=store,
        host=host.fingerprint(tools),
        # What the caller bounds is the command, what we bound ourselves begins with the first run.
        budget=lambda: budget if meant.given_s is not None else Budget(meant.whole_s),
    )
