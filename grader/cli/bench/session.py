"""One comparison of commands: what was asked, and the adapters it works with."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from grader import __version__
from grader.adapters.host import LocalHost
from grader.adapters.hostlock import DEFAULT_LOCK, FileHostLock
from grader.adapters.localserver import ephemeral_ports
from grader.adapters.output import SampleFile
from grader.adapters.scales import HostScales
from grader.adapters.store import DiskStore, cache_root
from grader.cli.bench.args import (
    AUTO_LIMIT_S,
    NamedCommand,
    duration_s,
    make_plan,
    parse_arms,
    parse_expectation,
    parse_prepare,
    parse_ready,
    parse_rounds,
)
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
from grader.cli.bench.files import Targets, samples_file, told_where
from grader.cli.progress import ConsoleProgress, waiting_note
from grader.errors import UsageError
from grader.judging.expected import Expectation
from grader.model.base import Language, Record
from grader.model.bench import Bench, ExperimentPlan
from grader.model.grade import Conditions
from grader.ports import Progress, Store
from grader.workflow.bench import TimeLimits, Track, run_bench
from grader.workflow.benchmemory import Weighable, Weighing
from grader.workflow.benchrun import Arm, RunCheck, Url
from grader.workflow.budget import BoundedLock, Budget

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Asked(Record):
    """What the command line asked for, as given."""

    arms: tuple[str, ...]
    baseline: str | None
    expect_json: bool
    expect_regex: str | None
    expect_exit: int | None
    expect_fresh: str | None
    ready: str
    rounds: str
    time_limit: str | None
    timeout: str | None
    state: Conditions
    prepare: tuple[str, ...]
    cold_files: tuple[Path, ...]
    memory: bool
    shell: bool
    seed: int | None
    targets: Targets
    language: Language
    cache: Path | None
    lock: Path | None
    quiet: bool


@dataclass(frozen=True)
class _Meant:
    """What the command line means.  `given_s` bounds the whole command, `whole_s` the comparison."""

    arms: tuple[NamedCommand, ...]
    plan: ExperimentPlan
    expected: Expectation
    url: Url | None
    prepare: tuple[tuple[str | None, tuple[str, ...]], ...]
    limits: TimeLimits
    given_s: float | None
    whole_s: float | None


def bench_session(asked: Asked) -> tuple[Bench, Path]:
    """Compare; return the result in words, and the file of its raw samples.

    Raises: UsageError before anything runs; StoppedError if somebody ended it, with the samples kept.
    """
    meant = _understood(asked)
    asked.targets.check()
    environment = dict(os.environ)
    programs = {arm.name: find_program(arm, environment) for arm in meant.arms}
    progress = ConsoleProgress(quiet=asked.quiet)
    if meant.url is not None and meant.url.port in ephemeral_ports():
        progress.note(f"port {meant.url.port} may be given to somebody else at any time; one below 32768 is safer")
    # Not through `wiring`: that loads all that a grading needs.
    store = DiskStore(asked.cache.absolute() if asked.cache is not None else cache_root(os.environ))
    log = SampleFile(asked.targets.samples or samples_file(store.root))
    track = _track(asked, meant, programs, store, log, progress)

    arms: dict[str, Arm] = {}
    weighable: dict[str, Weighable] = {}

    def weigh(bench: Bench, budget: Budget) -> Bench:
        if not asked.memory:
            return bench
        weighing = Weighing(HostScales(), environment, meant.limits.run_s, budget, progress)
        return weighing.read_peaks(bench, weighable)

    with _ended_by_signals(), told_where(log, progress):
        for name, found in programs.items():
            cold = cold_files(found, asked.cold_files) if asked.state == "file-cold" else ()
            note_what_stays(name, cold, progress)
            prepare = preparation(name, meant.prepare, cold, environment)
            check = RunCheck(meant.expected, first_byte=asked.ready == "first-byte")
            arms[name] = make_arm(found, meant.expected, environment, meant.url, prepare, check)
            weighable[name] = Weighable(found.program, found.argv, check, prepare)
        argvs = {arm.name: tuple(shown(word) for word in arm.argv) for arm in meant.arms}
        bench = run_bench(meant.plan, arms, argvs, track, meant.limits, version=__version__, before_leaving=weigh)
    progress.close()
    from grader.render.benchwords import worded_bench

    return worded_bench(bench), log.path


def _understood(asked: Asked) -> _Meant:
    """Raises: UsageError for the first option that cannot hold."""
    arms = parse_arms(asked.arms, shell=asked.shell)
    prepare = parse_prepare(asked.prepare, [arm.name for arm in arms], shell=asked.shell)
    expected = parse_expectation(
        json=asked.expect_json, regex=asked.expect_regex, code=asked.expect_exit, fresh=asked.expect_fresh
    )
    url = parse_ready(asked.ready)
    _refuse_conflicts(asked, url)
    rounds = parse_rounds(asked.rounds, asked.state, prepared=bool(prepare))
    seed = asked.seed if asked.seed is not None else secrets.randbits(31)
    given_s = None if asked.time_limit is None else duration_s(asked.time_limit, "--time-limit")
    whole_s = AUTO_LIMIT_S if given_s is None and rounds is None else given_s
    run_s = None if asked.timeout is None else duration_s(asked.timeout, "--timeout")
    return _Meant(
        arms=arms,
        plan=make_plan(arms, asked.baseline, rounds, seed, asked.ready, asked.state),
        expected=expected,
        url=url,
        prepare=prepare,
        limits=TimeLimits.of(run_s, whole_s, len(arms)),
        given_s=given_s,
        whole_s=whole_s,
    )


def _track(
    asked: Asked,
    meant: _Meant,
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


def _refuse_conflicts(asked: Asked, url: Url | None) -> None:
    """Raises: UsageError for options that cannot hold together."""
    if url is not None and asked.expect_exit is not None:
        raise UsageError("a server is ended by us, so its exit code says nothing", where="--expect-exit")
    if url is not None and asked.memory:
        raise UsageError(
            "the peak of a server is not read", where="--memory", hint="it is for programs that end by themselves"
        )
    if asked.cold_files and asked.state != "file-cold":
        raise UsageError("files are dropped only with `--state file-cold`", where="--cold-file")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a terminal that goes away end the run as Ctrl-C does: children are killed, samples stay."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # What is ignored stays so: `nohup` means it.
    wanted = [number for number in ENDING_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
