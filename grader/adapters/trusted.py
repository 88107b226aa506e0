"""Run a command with the caller's own rights (`--trust`): the interface of the sandbox without its boundary."""

from __future__ import annotations

import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from grader.adapters.network import connect, sole_use
from grader.adapters.processes import PeakSampler, smaps_now
from grader.adapters.sandbox import NOOP_OUTPUT, find_tool
from grader.adapters.serving import NeverServed, ProgramServer
from grader.adapters.spawn import GATE_SHELL, Followed, not_started, spawn, start
from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Bind, Command, Completed
from grader.ports import SandboxStatus, Server


class Trusted:
    """The `Runner` of somebody who vouches for the code: caps on time and output, a session and a /tmp of its own.

    Commands keep speaking in sandbox paths: each place where a bind's target stands as a path in an argument or a
    variable is replaced by its source.  Nothing is read-only, no network is cut off.
    """

    def status(self) -> SandboxStatus:
        """Always works, and says what is missing."""
        return SandboxStatus(works=True, kind="trusted", weak=(Message(code="sandbox.trusted"),))

    def noop(self) -> Command:
        """Return the command that prints `NOOP_OUTPUT` and does nothing else."""
        return Command(argv=("/bin/echo", NOOP_OUTPUT.strip()), binds=(_echo(),))

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        """Run to the end or to a limit; processes that left their session may survive.

        Raises: HostError if a tool of the system's own is missing.
        """
        limits = command.limits
        with _on_host(command) as (line, variables), ExitStack() as stack:
            pids: list[int] = []
            sampler = stack.enter_context(PeakSampler.of(lambda: pids, _launchers())) if memory else None
            # The gate tells the number in time; it is for runs that nobody times.
            hold = pids.append if memory else None
            done = spawn(line, variables, timeout_s=limits.timeout_s, output_bytes=limits.output_bytes, hold=hold)
            stack.close()
        peak = sampler.readings() if sampler is not None else ()
        return _as_told(command, done).model_copy(update={"memory_peak": peak})

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[Server]:
        """Start a server on this host's own network; processes that left its session may survive it.

        Raises: HostError if the port is somebody else's, or a tool of the system's own is missing.
        """
        limits = command.limits
        with (
            sole_use(port, "run without `--trust`"),
            _on_host(command) as (line, variables),
            ExitStack() as stack,
        ):
            try:
                program = stack.enter_context(start(line, variables, output_bytes=limits.output_bytes))
            except (OSError, ValueError) as error:
                yield NeverServed(_as_told(command, not_started(line, error)))
                return
            followed = stack.enter_context(Followed.let_go(program, limits.timeout_s))

            def terminate() -> bool:
                followed.tell(signal.SIGTERM)
                return True

            yield ProgramServer(
                followed,
                connect=lambda timeout_s: connect(socket.socket(), port, timeout_s),
                terminate=terminate,
                memory=lambda: smaps_now([program.pid]),
                judged=lambda done, how: _as_told(command, done),
            )


@contextmanager
def _on_host(command: Command) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield arguments and variables of a command in the host's own paths, with a /tmp that lives as long."""
    env = find_tool("env")
    if env is None:
        raise HostError("`env` is not installed", hint="apt-get install coreutils")
    with tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as scratch:
        places = Places((*command.binds, Bind(source=scratch, target="/tmp", writable=True)))
        argv = [places.on_host(argument) for argument in command.argv]
        variables = {name: places.on_host(value) for name, value in command.env.items()}
        directory = scratch if command.cwd == "/" else places.on_host(command.cwd)
        if not os.access(argv[0], os.X_OK):
            yield argv, variables  # `env` would start, and only then not find it.
        else:
            yield [*_dies_with_us(), str(env), f"--chdir={directory}", "--", *argv], variables


def _as_told(command: Command, done: Completed) -> Completed:
    """Return what became of a command in the sandbox's own paths."""
    changes: dict[str, object] = {"argv": command.argv}
    if done.outcome == "not-started" and done.reason is not None:
        params = done.reason.params | {"program": command.argv[0]}
        changes["reason"] = done.reason.model_copy(update={"params": params})
    return done.model_copy(update=changes)


class Places:
    """Where the paths of a command lie on the host."""

    def __init__(self, binds: Iterable[Bind]) -> None:
        self._sources = {bind.target.rstrip("/"): bind.source for bind in binds}
        targets = "|".join(re.escape(t) for t in sorted(self._sources, key=len, reverse=True))
        # A path begins where nothing, or a separator of lists and options, stands before it.
        self._path = re.compile(rf"(?:(?<=[=:,])|^)({targets})(?=[/:,]|$)")

    def on_host(self, text: str) -> str:
        """Return an argument or a variable's value with every bind's target replaced by its source."""
        return self._path.sub(lambda match: self._sources[match[1]], text)


def _echo() -> Bind:
    echo = find_tool("echo")
    if echo is None:
        raise HostError("`echo` is not installed", hint="apt-get install coreutils")
    return Bind(source=str(echo), target="/bin/echo")


def _dies_with_us() -> list[str]:
    """Return what makes a program end when the grader is killed; nothing where `setpriv` is missing."""
    setpriv = find_tool("setpriv")
    return [] if setpriv is None else [str(setpriv), "--pdeathsig=KILL", "--"]


def _launchers() -> list[Path]:
    """Return what a process is on its way from the gate to the program."""
    found = (Path(GATE_SHELL), find_tool("setpriv"), find_tool("env"))
    return [path for path in found if path is not None]
