"""One comparison of commands: what was asked, the adapters it works with, and the files it writes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from grader import __version__
from grader.adapters.host import LocalHost, file_digest
from grader.adapters.hostlock import DEFAULT_LOCK, FileHostLock
from grader.adapters.localserver import ephemeral_ports, serve_locally
from grader.adapters.output import SampleFile, replace_file
from grader.adapters.pagecache import cached_share, drop
from grader.adapters.scales import HostScales
from grader.adapters.stopwatch import TAIL_BYTES, Stopwatch
from grader.cli.benchargs import (
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
from grader.cli.progress import ConsoleProgress
from grader.cli.wiring import open_store
from grader.errors import HostError, StoppedError, UsageError
from grader.judging.expected import Expectation
from grader.model.base import Language, Record
from grader.model.bench import Bench
from grader.model.grade import Conditions
from grader.model.host import Tool
from grader.ports import Progress
from grader.workflow.bench import Limits, Track, run_bench
from grader.workflow.benchmemory import read_peaks
from grader.workflow.benchrun import Arm, CommandArm, ServerArm, Url
from grader.workflow.budget import BoundedLock, Budget

CHECKED_BYTES = 16 << 20
"""Of stdout that is looked into; more is a bad run."""
PREPARE_S = 600.0
KEPT_FILES = 50
"""Raw samples of so many comparisons stay in the cache."""
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
    samples: Path | None
    export_json: Path | None
    export_csv: Path | None
    export_hyperfine: Path | None
    plot: Path | None
    language: Language
    cache: Path | None
    lock: Path | None
    quiet: bool


class _Command(Record):
    """An arm with the file that is started; empty where there is none, which its first run will tell."""

    name: str
    argv: tuple[str, ...]
    program: str


def bench_session(asked: Asked) -> Bench:
    """Compare, write the files that were asked for, and return the result in words.

    Raises: UsageError before anything runs; StoppedError if somebody ended it, with the samples kept.
    """
    arms = parse_arms(asked.arms, shell=asked.shell)
    names = [arm.name for arm in arms]
    prepare = parse_prepare(asked.prepare, names, shell=asked.shell)
    expected = parse_expectation(
        json=asked.expect_json, regex=asked.expect_regex, code=asked.expect_exit, fresh=asked.expect_fresh
    )
    url = parse_ready(asked.ready)
    _refuse_conflicts(asked, url)
    rounds = parse_rounds(asked.rounds, asked.state, prepared=bool(prepare))
    seed = asked.seed if asked.seed is not None else secrets.randbits(31)
    plan = make_plan(arms, asked.baseline, rounds, seed, asked.ready, asked.state)
    given_s = None if asked.time_limit is None else duration_s(asked.time_limit, "--time-limit")
    whole_s = AUTO_LIMIT_S if given_s is None and rounds is None else given_s
    limits = Limits.of(
        None if asked.timeout is None else duration_s(asked.timeout, "--timeout"), whole_s, len(plan.arms)
    )
    for option, target in _targets(asked).items():
        _refuse_place(target, option)
    environment = dict(os.environ)
    commands = {arm.name: _found(arm, environment) for arm in arms}
    progress = ConsoleProgress(quiet=asked.quiet)
    cold = {name: _cold_files(asked, command) for name, command in commands.items()}
    if url is not None and url.port in ephemeral_ports():
        progress.note(f"port {url.port} may be given to somebody else at any time; a port below 32768 is safer")
    prepares = {name: _prepare(name, prepare, cold[name], environment) for name in names}
    store, budget, host = open_store(asked.cache), Budget(given_s), LocalHost()
    log = SampleFile(asked.samples or _samples_file(store.root))
    waiting = FileHostLock(asked.lock or DEFAULT_LOCK, lambda _: progress.note("waiting for the host lock"))
    track = Track(
        lock=BoundedLock(waiting, budget),
        noise=host.listen,
        samples=log,
        progress=progress,
        store=store,
        host=host.fingerprint(_tools(commands)),
        # What the caller bounds is the command, what we bound ourselves begins with the first run.
        budget=lambda: budget if given_s is not None else Budget(whole_s),
    )

    def weigh(bench: Bench) -> Bench:
        if not asked.memory:
            return bench
        programs = {name: (c.program, c.argv) for name, c in commands.items()}
        return read_peaks(bench, HostScales(), programs, environment, expected, limits.run_s, progress)

    with _ended_by_signals(), _told_where(log, progress):
        for name, files in cold.items():
            _note_what_stays(name, files, progress)
        ready = {
            name: _arm(command, expected, environment, url, prepares[name], first_byte=asked.ready == "first-byte")
            for name, command in commands.items()
        }
        argvs = {arm.name: tuple(_shown(word) for word in arm.argv) for arm in arms}
        bench = run_bench(plan, ready, argvs, track, limits, version=__version__, before_leaving=weigh)
    progress.close()
    from grader.render.benchwords import worded_bench

    bench = worded_bench(bench)
    _export(asked, bench)
    return bench


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


def _targets(asked: Asked) -> dict[str, Path]:
    places = {
        "--export-json": asked.export_json,
        "--export-csv": asked.export_csv,
        "--export-hyperfine": asked.export_hyperfine,
        "--plot": asked.plot,
        "--samples": asked.samples,
    }
    return {option: place for option, place in places.items() if place is not None}


def _refuse_place(target: Path, option: str) -> None:
    """Refuse early what could not be written at the end.  Raises: UsageError."""
    folder = target.parent
    if target.is_dir() or not folder.is_dir():
        what = "is a folder" if target.is_dir() else f"lies in `{folder}`, which is no folder"
        raise UsageError(f"`{target}` {what}", where=option, hint="name a file in a folder that is there")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise UsageError(f"`{target}` cannot be written", where=option, hint="name a file that you may write")


def _found(arm: NamedCommand, environment: Mapping[str, str]) -> _Command:
    program = shutil.which(arm.argv[0], path=environment.get("PATH", os.defpath))
    # A name that is not found must not be taken for a file in this directory.
    return _Command(name=arm.name, argv=arm.argv, program=program or (arm.argv[0] if "/" in arm.argv[0] else ""))


def _shown(word: str) -> str:
    """Return an argument as text; bytes that are no UTF-8 are replaced."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _arm(
    command: _Command,
    expected: Expectation,
    environment: Mapping[str, str],
    url: Url | None,
    prepare: Callable[[], None],
    *,
    first_byte: bool,
) -> Arm:
    shown = _shown(command.argv[0])
    if url is not None:
        return ServerArm(
            shown,
            lambda life_s: serve_locally(command.program, command.argv, environment, url.port, life_s),
            url,
            expected,
            prepare=prepare,
        )
    stopwatch = Stopwatch(
        command.program,
        command.argv,
        environment,
        stdout_bytes=CHECKED_BYTES if expected.reads_output else TAIL_BYTES,
    )
    return CommandArm(shown, stopwatch, expected, prepare=prepare, first_byte=first_byte)


def _cold_files(asked: Asked, command: _Command) -> tuple[Path, ...]:
    """Return the program and the files that its arguments and the caller name, if they are to be read anew."""
    if asked.state != "file-cold":
        return ()
    named = (Path(word) for word in (command.program, *command.argv[1:]) if word and "\0" not in word)
    return tuple(dict.fromkeys([*(file for file in named if file.is_file()), *asked.cold_files]))


def _note_what_stays(name: str, files: Sequence[Path], progress: Progress) -> None:
    """Tell which files cannot be made cold; they are mapped by a program that runs."""
    drop(files)
    for file in files:
        share = cached_share(file)
        if share:
            progress.note(f"{name}: {share:.0%} of `{file}` stays in memory, because other programs use it")


def _prepare(
    name: str,
    commands: Sequence[tuple[str | None, tuple[str, ...]]],
    cold: Sequence[Path],
    environment: Mapping[str, str],
) -> Callable[[], None]:
    """Return what is done before each run of an arm."""
    mine = [argv for arm, argv in commands if arm in (None, name)]
    if not mine and not cold:
        return lambda: None
    watches = [(argv, Stopwatch(shutil.which(argv[0]) or argv[0], argv, environment)) for argv in mine]

    def prepare() -> None:
        for argv, watch in watches:
            _prepare_once(argv, watch)
        drop(cold)

    return prepare


def _prepare_once(argv: Sequence[str], watch: Stopwatch) -> None:
    """Raises: HostError if it does not go well: the runs would not be what was asked for."""
    try:
        done = watch.run(PREPARE_S)
    except (OSError, ValueError) as error:
        raise HostError(f"`{_shown(argv[0])}` could not be started: {error}", where="--prepare") from error
    if done.exit_code != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-200:]
        how = "did not end in time" if done.timed_out else f"ended with exit code {done.exit_code}"
        raise HostError(f"`{_shown(argv[0])}` {how}: {said}", where="--prepare", hint="see what it needs")


def _tools(commands: Mapping[str, _Command]) -> tuple[Tool, ...]:
    """Return the identity of the programs that are compared."""
    programs = {Path(c.program) for c in commands.values() if c.program}
    readable = sorted(file for file in programs if file.is_file() and os.access(file, os.R_OK))
    return tuple(Tool(name=_shown(file.name), version="", sha256=file_digest(file)) for file in readable)


def _samples_file(cache: Path) -> Path:
    """Return a new place for raw samples in the cache; the oldest of many are removed."""
    folder = cache / "bench"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = sorted(folder.glob("*.jsonl"), key=lambda file: file.name)
    for file in old[: max(0, len(old) - KEPT_FILES + 1)]:
        file.unlink(missing_ok=True)
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a terminal that goes away end the run as Ctrl-C does: children are killed, samples stay."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _told_where(log: SampleFile, progress: ConsoleProgress) -> Iterator[None]:
    """Tell where the samples are if the run does not come to its end.

    Raises: StoppedError for an interrupt.
    """
    began = time.time()

    def kept() -> str:
        saved = log.saved()
        if saved is None or saved.header.began < began:  # What an earlier comparison has left there.
            return "no run was begun"
        return f"{len(saved.samples)} runs are kept in `{log.path}`"

    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"interrupted; {kept()}", hint="run the same command again to start afresh") from None
    except HostError as error:
        progress.note(kept())
        if error.where != str(log.path):
            raise
        hint = "free some room, or name a file on another disk with `--samples`"
        raise HostError(error.what, where=error.where, hint=hint) from error


def _export(asked: Asked, bench: Bench) -> None:
    """Write the files that were asked for.  Raises: HostError naming the first that cannot be written."""
    if asked.export_json is not None:
        from grader.exports.bench import bench_json

        _write(asked.export_json, bench_json(bench))
    if asked.export_csv is not None:
        from grader.exports.bench import bench_csv

        _write(asked.export_csv, bench_csv(bench))
    if asked.export_hyperfine is not None:
        from grader.exports.hyperfine import hyperfine_json

        _write(asked.export_hyperfine, hyperfine_json(bench))
    if asked.plot is not None:
        from grader.render.benchplot import bench_svg

        _write(asked.plot, bench_svg(bench, asked.language))


def _write(target: Path, data: bytes) -> None:
    if target.exists() and not target.is_file():
        target.write_bytes(data)  # A pipe or a device cannot be replaced.
    else:
        replace_file(target, data)
