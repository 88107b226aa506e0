"""The arms of a comparison as programs of this host, and what is done before each of their runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader.adapters.clock import SystemClock
from grader.adapters.host import file_digest
from grader.adapters.localserver import serve_locally
from grader.adapters.pagecache import cached_share, drop
from grader.adapters.stopwatch import TAIL_BYTES, Stopwatch
from grader.cli.bench.args import NamedCommand
from grader.errors import HostError, TimeLimitError
from grader.judging.expected import Expectation
from grader.model.base import Record
from grader.model.host import Tool
from grader.ports import Clocked, Progress
from grader.workflow.benchrun import Arm, CommandArm, Preparation, RunCheck, ServerArm, Url
from grader.workflow.budget import Budget

CHECKED_BYTES = 16 << 20
"""Of stdout that is looked into; more is a bad run."""
PREPARE_S = 600.0


class Found(Record):
    """An arm with the file that is started; empty where there is none, which its first run will tell."""

    name: str
    argv: tuple[str, ...]
    program: str


def find_program(arm: NamedCommand, environment: Mapping[str, str]) -> Found:
    program = shutil.which(arm.argv[0], path=environment.get("PATH", os.defpath))
    # A name that is not found must not be taken for a file in this directory.
    return Found(name=arm.name, argv=arm.argv, program=program or (arm.argv[0] if "/" in arm.argv[0] else ""))


def shown(word: str) -> str:
    """Return an argument as text; bytes that are no UTF-8 are replaced."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def make_arm(
    command: Found,
    expected: Expectation,
    environment: Mapping[str, str],
    url: Url | None,
    prepare: Preparation,
    check: RunCheck,
) -> Arm:
    """Return the arm, a server if it has a `url`; `check` is for one that ends by itself."""
    if url is not None:
        return ServerArm(
            lambda life_s: serve_locally(command.program, command.argv, environment, url.port, life_s),
            url,
            expected,
            SystemClock(),
            prepare=prepare,
        )
    stopwatch = Stopwatch(
        command.program,
        command.argv,
        environment,
        stdout_bytes=CHECKED_BYTES if expected.reads_output else TAIL_BYTES,
    )
    return CommandArm(shown(command.argv[0]), stopwatch, check, prepare=prepare)


def tools_of(commands: Mapping[str, Found]) -> tuple[Tool, ...]:
    """Return the identity of the programs that are compared."""
    programs = {Path(c.program) for c in commands.values() if c.program}
    readable = sorted(file for file in programs if file.is_file() and os.access(file, os.R_OK))
    return tuple(Tool(name=shown(file.name), version="", sha256=file_digest(file)) for file in readable)


def cold_files(command: Found, more: Sequence[Path]) -> tuple[Path, ...]:
    """Return the program and the files that its arguments and the caller name."""
    named = (Path(word) for word in (command.program, *command.argv[1:]) if word and "\0" not in word)
    return tuple(dict.fromkeys([*(file for file in named if file.is_file()), *more]))


def note_what_stays(name: str, files: Sequence[Path], progress: Progress) -> None:
    """Tell which files cannot be made cold; they are mapped by a program that runs."""
    drop(files)
    for file in files:
        share = cached_share(file)
        if share:
            progress.note(f"{name}: {share:.0%} of `{file}` stays in memory, because other programs use it")


def preparation(
    name: str,
    commands: Sequence[tuple[str | None, tuple[str, ...]]],
    cold: Sequence[Path],
    environment: Mapping[str, str],
) -> Preparation:
    """Return what is done before each run of an arm."""
    mine = [argv for arm, argv in commands if arm in (None, name)]
    watches = [(argv, Stopwatch(shutil.which(argv[0]) or argv[0], argv, environment)) for argv in mine]

    def prepare(budget: Budget) -> None:
        for argv, watch in watches:
            _prepare_once(argv, watch, budget)
        drop(cold)

    return prepare


def _prepare_once(argv: Sequence[str], watch: Stopwatch, budget: Budget) -> None:
    """Raises: TimeLimitError if the time is up; HostError if it does not go well: the runs would not be as asked."""
    timeout_s = budget.cap(PREPARE_S)
    try:
        done = watch.run(timeout_s)
    except (OSError, ValueError) as error:
        raise HostError(f"`{shown(argv[0])}` could not be started: {error}", where="--prepare") from error
    if done.timed_out and timeout_s < PREPARE_S:
        raise TimeLimitError(f"the time limit was up before `{shown(argv[0])}` had ended", where="--prepare")
    if done.exit_code != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-200:]
        how = "did not end in time" if done.timed_out else f"ended with {_end(done)}"
        what = f"`{shown(argv[0])}` {how}" + (f": {said}" if said else "")
        raise HostError(what, where="--prepare", hint="see what it needs")


def _end(done: Clocked) -> str:
    return f"signal {done.signal}" if done.signal is not None else f"exit code {done.exit_code}"
