"""Run containers with `ctr`: in a namespace and a parent cgroup of ours, capped where `ctr` caps nothing.

`ctr` and not containerd's own protocol: it is the lab's command, so its time is what the lab means, and for the
protocol there is no client for Python that anybody keeps up.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from grader.adapters.cgroupparents import CgroupParents, Parent
from grader.adapters.containerfolder import unmount_below
from grader.adapters.host import SYSTEM_PATH
from grader.adapters.network import NetworkSockets, connect
from grader.adapters.owner import fresh_name, is_leftover, own_name
from grader.adapters.serving import How, NeverServed, ProgramServer
from grader.adapters.shims import ShimSampler, shim_memory
from grader.adapters.spawn import Followed, as_told, not_started, spawn, start
from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Command, Completed, MemoryReading
from grader.model.trouble import without_host_paths
from grader.ports import Server

NAME = "containerd"
CONTAINER = "lab-grader"
"""Stands in a command for the container's id, which is another one each time."""
ASK_S = 15.0
"""For a question, and for removing something small."""
MOVE_S = 180.0
"""For an image on its way in, and for removing one with all that is below it."""
_OUTPUT_BYTES = 4 << 20
_KILLED = 128 + signal.SIGKILL
_VERSION = re.compile(r"(\d+)\.(\d+)\.\S+")
_IMAGES_FAULT = re.compile(
    r"unable to start container process: exec|exec format error|can't handle spec|no such file or directory: unknown"
    r"|args must not be empty|mount callback failed on "
)
"""What `ctr`, runc, crun and the shims say of a program or a user that is not there, or not for them."""
_GONE = "not found"


class Ctr:
    """The `ctr` program with a daemon's address and our namespace; every call has a deadline."""

    def __init__(self, program: Path, address: Path, namespace: str) -> None:
        self.program: Final = program
        self.address: Final = address
        self.namespace: Final = namespace

    def of(self, namespace: str) -> Ctr:
        """Return the same for another namespace."""
        return Ctr(self.program, self.address, namespace)

    def line(self, *words: str) -> list[str]:
        """Return a whole line."""
        place = ("--address", str(self.address), "--namespace", self.namespace)
        return [str(self.program), *place, "--connect-timeout", f"{ASK_S:g}s", *words]

    def variables(self) -> dict[str, str]:
        """Return all variables that `ctr` gets."""
        return {"PATH": SYSTEM_PATH, "LANG": "C"}

    def ask(self, *words: str, timeout_s: float = ASK_S, missing: str = _GONE) -> str:
        """Return what a command prints; empty if it says that its object is not there.

        Raises: HostError if it fails otherwise, or does not end in time.
        """
        listener(self.address)  # `ctr` itself waits for a daemon that is not there
        done = spawn(self.line(*words), self.variables(), timeout_s=timeout_s, output_bytes=_OUTPUT_BYTES)
        if done.outcome == "timeout":
            raise HostError(
                f"containerd did not answer within {timeout_s:g} s", where=NAME, hint="restart it and see its log"
            )
        if done.outcome != "ok" and missing not in done.stderr:
            what = f"`ctr {' '.join(words[:2])}` failed: {_said(done)}"
            hint = "free some space there" if "no space left" in done.stderr else "see `ctr version` and its log"
            raise HostError(what, where=NAME, hint=hint)
        return done.stdout if done.outcome == "ok" else ""

    def listed(self, *words: str) -> list[str]:
        """Return the names that a command prints, one a line."""
        return [line.split()[0] for line in self.ask(*words).splitlines() if line.strip()]

    def version(self) -> tuple[int, int]:
        """Return the version of the client.  Raises: HostError if the daemon does not answer."""
        found = _VERSION.search(self.ask("version"))
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def purge(self) -> None:
        """Remove everything in the namespace, and the namespace.  Raises: HostError."""
        for task in self.listed("tasks", "ls", "-q"):
            self.ask("tasks", "rm", "--force", task)
        for container in self.listed("containers", "ls", "-q"):
            self.ask("containers", "rm", container)
        images = self.listed("images", "ls", "-q")
        if images:
            self.ask("images", "rm", "--sync", *images, timeout_s=MOVE_S)
        for lease in self.listed("leases", "ls", "-q"):
            self.ask("leases", "rm", "--sync", lease, timeout_s=MOVE_S)
        self._purge_snapshots()
        for blob in self.listed("content", "ls", "-q"):
            self.ask("content", "rm", blob)
        self.ask("namespaces", "rm", self.namespace)

    def _purge_snapshots(self) -> None:
        """Remove what a cut-off import has left; a snapshot goes only after those on top of it."""
        left = self._snapshots()
        while left:
            for name in left:
                self.ask("snapshots", "rm", name, missing="cannot remove")
            before, left = left, self._snapshots()
            if len(left) >= len(before):
                return  # in use by something that is not ours to end

    def _snapshots(self) -> list[str]:
        return [name for name in self.listed("snapshots", "ls") if name != "KEY"]


class CtrRunner:
    """Implements `ports.Launcher`: a command is a line of `ctr run` without what is only of one run.

    The image is named in it by its digest, and the archive that holds it is bound to that name: it is imported on
    first use.  Invariant: what it has made is gone after `close`, and what a killed grader made is after `sweep`.
    """

    def __init__(self, ctr: Ctr, parents: CgroupParents) -> None:
        self._ctr = ctr
        self._parents = parents
        self._images: dict[str, str] = {}
        self._folder = Path(tempfile.gettempdir(), own_name())
        self._old_import = ctr.version()[0] >= 2

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        """Run a container to its end or to a limit; nothing of it is left.

        Raises: HostError if containerd fails, or if what is left of the container cannot be removed.
        """
        limits = command.limits
        with self._placed(command) as run, ExitStack() as stack:
            sampler = stack.enter_context(ShimSampler.of(lambda: run.name)) if memory else None
            done = spawn(run.line, run.variables, timeout_s=limits.timeout_s, output_bytes=limits.output_bytes)
            stack.close()
            done = self._judged(command, run, done)
            peak = (*run.parent.peak(), *sampler.readings()) if sampler is not None else ()
        return done.model_copy(update={"memory_peak": peak})

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[Server]:
        """Start a container that serves; it is removed at the end at the latest."""
        limits = command.limits
        with ExitStack() as stack:
            run = stack.enter_context(self._placed(command))
            sockets = stack.enter_context(NetworkSockets.helper())
            try:
                program = stack.enter_context(start(run.line, run.variables, output_bytes=limits.output_bytes))
            except (OSError, ValueError) as error:
                yield NeverServed(as_told(command, not_started(run.line, error)))
                return
            followed = stack.enter_context(Followed.let_go(program, limits.timeout_s))

            def judged(done: Completed, how: How) -> Completed:
                return self._judged(command, run, done)

            yield ProgramServer(
                followed,
                connect=lambda timeout_s: run.connect(sockets, port, timeout_s),
                terminate=lambda: self._terminate(run),
                memory=run.memory,
                judged=judged,
            )

    def _terminate(self, run: _Run) -> bool:
        if run.pid() is None:
            return False
        self._ctr.ask("tasks", "kill", "--signal", "SIGTERM", run.name)
        return True

    @contextmanager
    def _placed(self, command: Command) -> Iterator[_Run]:
        """Prepare one run: the image is imported, and there are a parent cgroup and a folder for its pipes."""
        listener(self._ctr.address)
        for bind in command.binds:
            self._load(bind.target, Path(bind.source), _option(command.argv, "--platform"))
        name = fresh_name()
        pipes = self._folder / name
        pipes.mkdir(parents=True, mode=0o700)
        try:
            with self._parents.fresh(command.limits) as parent:
                # `ctr` mounts an image to look into it, and what it was killed at stays mounted.
                variables = self._ctr.variables() | {"TMPDIR": str(pipes)}
                run = _Run(name, self._line(command, name, parent, pipes), variables, parent, pipes / "pid")
                try:
                    yield run
                except BaseException:
                    self._remove(run)
                    raise
        finally:
            _remove_folder(pipes)

    def _line(self, command: Command, name: str, parent: Parent, pipes: Path) -> list[str]:
        image = command.binds[0].target
        at = command.argv.index(image)
        assert command.argv[at + 1] == CONTAINER
        own = ("--cgroup", f"{parent.name}/{name}", "--fifo-dir", str(pipes), "--pid-file", str(pipes / "pid"))
        return self._ctr.line("run", *own, *command.argv[2:at], self._images[image], name, *command.argv[at + 2 :])

    def _load(self, digest: str, archive: Path, platform: str) -> None:
        """Have containerd take an image in, under a name that only it has."""
        if digest in self._images:
            return
        base = f"lab-grader/{digest.removeprefix('sha256:')[:12]}"
        options = ("--digests", "--base-name", base, "--platform", platform, *(["--local"] if self._old_import else []))
        self._ctr.ask("images", "import", *options, str(archive), timeout_s=MOVE_S)
        names = [name for name in self._ctr.listed("images", "ls", "-q") if name.startswith(base)]
        if not names:
            raise HostError(f"containerd took an image for {platform} and lists none", where=NAME)
        self._images[digest] = names[0]

    def _judged(self, command: Command, run: _Run, done: Completed) -> Completed:
        """Tell a program's end from containerd's trouble, and remove the container where `ctr` did not.

        Raises: HostError if the container never came about.
        """
        done = as_told(command, done)
        if done.outcome == "ok":
            return done
        created = run.pid() is not None
        unmount_below(run.folder)
        full = run.parent.was_full(command.limits)
        self._remove(run)
        if done.outcome != "failed":
            return done
        if not created:
            if _IMAGES_FAULT.search(done.stderr) is None:
                raise HostError(f"`ctr run` could not start the container: {_said(done)}", where=NAME)
            reason = Message(code="run.not-started", params={"program": "the image's program", "error": _said(done)})
            return done.model_copy(update={"outcome": "not-started", "reason": reason})
        limit = command.limits.memory_bytes
        if done.exit_code == _KILLED and full:
            return done.model_copy(update={"reason": Message(code="run.memory-limit", params={"bytes": limit})})
        return done

    def _remove(self, run: _Run) -> None:
        """Kill and remove a container; what is not there is removed already.

        A task that is being made while its client is killed may come after we looked, so it is looked for twice.
        """
        for _ in range(2):
            self._ctr.ask("tasks", "rm", "--force", run.name)
            self._ctr.ask("containers", "rm", run.name)

    def close(self) -> None:
        """Remove every image and container that was made here, and the namespace."""
        _remove_folder(self._folder)
        self._images.clear()
        self._ctr.purge()


class _Run:
    """One container.  `pid_file` holds the number of its first process from when it is made."""

    def __init__(
        self, name: str, line: Sequence[str], variables: Mapping[str, str], parent: Parent, pid_file: Path
    ) -> None:
        self.name = name
        self.line = list(line)
        self.variables = variables
        self.folder = pid_file.parent
        self.parent = parent
        self._pid_file = pid_file
        self._joined = False

    def pid(self) -> int | None:
        """Return its first process, by then in namespaces of its own; None if it was not made (yet)."""
        try:
            return int(self._pid_file.read_text("ascii"))
        except (OSError, ValueError):
            return None

    def connect(self, sockets: NetworkSockets, port: int, timeout_s: float) -> socket.socket:
        """Connect from inside the container's own network."""
        pid = self.pid()
        if pid is None:
            raise ConnectionRefusedError("the container does not run yet")
        self._joined = self._joined or sockets.join(pid)
        if not self._joined:
            raise ConnectionRefusedError("the container has ended")
        return connect(sockets.take(), port, timeout_s)

    def memory(self) -> tuple[MemoryReading, ...]:
        """Return the cgroup's figure, and what the shim beside it has."""
        return (*self.parent.usage(), *shim_memory(self.name))


def sweep(ctr: Ctr) -> None:
    """Remove the namespaces of graders that are no more, with all that is in them, and their pipes.

    Raises: HostError if containerd does not answer.
    """
    for namespace in ctr.listed("namespaces", "ls", "-q"):
        if is_leftover(namespace):
            ctr.of(namespace).purge()
    for folder in Path(tempfile.gettempdir()).glob("lab-grader-*"):
        if is_leftover(folder.name):
            _remove_folder(folder)


def _remove_folder(folder: Path) -> None:
    """Remove a folder of ours, and never what is mounted in it."""
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _option(argv: Sequence[str], name: str) -> str:
    return argv[argv.index(name) + 1]


def _said(done: Completed) -> str:
    lines = [line.strip() for line in done.stderr_bytes().decode("utf-8", "replace").splitlines() if line.strip()]
    return without_host_paths((lines[-1] if lines else "no reason given").removeprefix("ctr: "))[:300]


def listener(address: Path) -> int:
    """Return the process that listens on a unix socket.  Raises: HostError if nothing does."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ASK_S)
            connection.connect(str(address))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError as error:
        raise HostError(f"containerd cannot be reached: {error.strerror or error}", where=str(address)) from error
    pid: int = struct.unpack("3i", credentials)[0]
    return pid
