"""Make one cgroup per run that caps memory and processes, on cgroup v1 and v2.

The new group lies below our own, so that the limits that hold for us hold for it too.  On v2 a group with processes
may not hand controllers to its children, and we are in our own; there the new group lies beside ours instead, below
a parent that has handed out `memory` and `pids` already.  Nobody else's group is ever changed.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grader.adapters.owner import fresh_name, is_leftover
from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Limits, MemoryReading
from grader.model.trouble import trouble

_CONTROLLERS = ("memory", "pids")
_USAGE = {1: ("memory.usage_in_bytes", "total_inactive_file"), 2: ("memory.current", "inactive_file")}
"""By version: the file that says how much is charged, and the part of memory.stat that does not count."""
_OF_A_RUN = "of a cgroup made for this run; what starts the program is in it too"
_DELEGATE = "run it as root, or below `systemd-run --user --scope -p Delegate=yes`"
_END_S = 20.0
"""For members that were killed to be gone: the kernel needs milliseconds, unless a disk does not answer."""
_END_PAUSE_S = 0.0005
"""Between two rounds of killing: each run ends with one, so it is to cost less than the run."""
_OCTAL = re.compile(r"\\([0-7]{3})")


class Cgroup:
    """The group of one run: one directory on v2, one for each controller on v1."""

    def __init__(self, version: int, directories: dict[str, Path]) -> None:
        self._version = version
        self._directories = directories

    def add(self, pid: int) -> None:
        """Move a process in, with all that it will start.  Raises: HostError if the kernel refuses."""
        for directory in set(self._directories.values()):
            _write(directory / "cgroup.procs", str(pid))

    def limit_hit(self, limits: Limits) -> Message | None:
        """Return which cap the run met, None if none."""
        memory, pids = self._directories["memory"], self._directories["pids"]
        if _event(memory / ("memory.oom_control" if self._version == 1 else "memory.events"), "oom_kill"):
            return Message(code="run.memory-limit", params={"bytes": limits.memory_bytes})
        if _event(pids / "pids.events", "max"):
            return Message(code="run.pids-limit", params={"pids": limits.pids})
        return None

    def peak(self) -> tuple[MemoryReading, ...]:
        """Return the most that was charged so far; empty where the kernel does not say (v2 before Linux 5.19)."""
        name = "memory.max_usage_in_bytes" if self._version == 1 else "memory.peak"
        text = _read(self._directories["memory"] / name)
        if not text:
            return ()
        method = f"{name} {_OF_A_RUN}"
        return (MemoryReading(notion="cgroup", size_bytes=int(text), method=method),)

    def usage(self) -> tuple[MemoryReading, ...]:
        """Return what is charged to the group now, without file pages that could be dropped at once.

        Source: what `docker stats` shows, docker/cli cli/command/container/stats_helpers.go.
        """
        directory = self._directories["memory"]
        name, inactive = _USAGE[self._version]
        text = _read(directory / name)
        if not text:
            return ()
        size_bytes = max(0, int(text) - _event(directory / "memory.stat", inactive))
        method = f"{name} less {inactive} of memory.stat, {_OF_A_RUN}"
        return (MemoryReading(notion="cgroup", size_bytes=size_bytes, method=method),)

    def kill(self) -> None:
        """Kill every member; none is left when this returns.  Raises: HostError if one stays."""
        empty(set(self._directories.values()))

    def remove(self) -> None:
        """Remove the group, which must be empty; a group that stays is swept by the next grader."""
        for directory in set(self._directories.values()):
            _remove(directory)


class Cgroups:
    """Where this process may make cgroups.  `missing` is None if it may, else what to tell."""

    def __init__(
        self,
        version: int,
        parents: dict[str, Path],
        *,
        tops: frozenset[Path] = frozenset(),
        missing: Message | None = None,
    ) -> None:
        self._version = version
        self._parents = parents
        self._tops = tops
        self.missing = missing

    @classmethod
    def find(cls, proc: Path = Path("/proc/self")) -> Cgroups:
        """Find our own groups, prove with a throw-away one that we may make more, and sweep what dead graders left."""
        own, mounts = own_groups(proc), mount_points(proc)
        try:
            if set(_CONTROLLERS) <= own.keys():
                tops = frozenset(mounts[name][0] for name in _CONTROLLERS)
                found = cls(1, {name: own[name] for name in _CONTROLLERS}, tops=tops)
            elif "" in own:
                top = mounts[""][0]
                found = cls(2, dict.fromkeys(_CONTROLLERS, _parent_v2(own[""], top)), tops=frozenset({top}))
            else:
                raise HostError("there is no memory and pids controller", hint=_DELEGATE)
            found.sweep()
            with found.fresh(Limits()):
                pass
        except HostError as error:
            return cls(0, {}, missing=trouble("sandbox.no-cgroup", error))
        return found

    @contextmanager
    def fresh(self, limits: Limits) -> Iterator[Cgroup | None]:
        """Yield a new group with these caps, None where none can be made; its members are killed at the end.

        Raises: HostError if a group that could be made before cannot be made now.
        """
        if self.missing is not None:
            yield None
            return
        name = fresh_name()
        group = Cgroup(self._version, {c: parent / name for c, parent in self._parents.items()})
        try:
            for controller, parent in self._parents.items():
                try:
                    (parent / name).mkdir(exist_ok=self._version == 2)
                except OSError as error:
                    raise HostError(
                        f"a {controller} cgroup cannot be made: {error.strerror}", hint=_DELEGATE
                    ) from error
                set_limit(self._version, controller, parent / name, limits)
            yield group
        finally:
            group.kill()
            group.remove()

    def sweep(self) -> None:
        """Kill and remove the groups of graders that are no more, in whatever session they ran."""
        for parent in self._tops:
            for directory in _left_below(parent):
                with suppress(HostError):
                    empty({directory})
                _remove(directory)


def set_limit(version: int, controller: str, directory: Path, limits: Limits) -> None:
    """Cap the group in one controller, `memory` or `pids`.  Raises: HostError if the kernel refuses."""
    memory = str(limits.memory_bytes)
    if controller == "pids":
        _write(directory / "pids.max", str(limits.pids))
    elif version == 2:
        _write(directory / "memory.max", memory)
        if (directory / "memory.swap.max").exists():
            _write(directory / "memory.swap.max", "0")
    else:
        _write(directory / "memory.limit_in_bytes", memory)
        # In this order: the kernel refuses a sum of memory and swap below memory.
        if (directory / "memory.memsw.limit_in_bytes").exists():
            _write(directory / "memory.memsw.limit_in_bytes", memory)


def mount_points(proc: Path) -> dict[str, tuple[Path, str]]:
    """Return mount point and mounted root by v1 controller; `""` is the v2 hierarchy.

    Source: proc_pid_mountinfo(5), cgroups(7).
    """
    found: dict[str, tuple[Path, str]] = {}
    for line in _read(proc / "mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, _, options) = left.split(), right.split()[:3]
        point = Path(_OCTAL.sub(lambda m: chr(int(m[1], 8)), fields[4]))
        if kind == "cgroup2":
            found.setdefault("", (point, fields[3]))
        elif kind == "cgroup":
            for controller in set(options.split(",")) - {"rw", "ro"}:
                found.setdefault(controller, (point, fields[3]))
    return found


def own_groups(proc: Path = Path("/proc/self")) -> dict[str, Path]:
    """Return our own cgroup directory by v1 controller; `""` is the v2 hierarchy."""
    mounts = mount_points(proc)
    own: dict[str, Path] = {}
    for line in _read(proc / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts and ".." not in path.split("/"):  # As seen from outside a cgroup namespace.
                point, root = mounts[controller]
                inside = path if root == "/" else path.removeprefix(root)
                own[controller] = point / inside.lstrip("/")
    return own


def _parent_v2(own: Path, mount: Path) -> Path:
    """Return the group below which children get both controllers.

    Raises: HostError if neither our own group nor its parent hands them out.
    """
    controllers = _read(own / "cgroup.controllers").split()
    if not set(_CONTROLLERS) <= set(controllers):
        raise HostError("cgroup v2 gives us no memory and pids controller", hint=_DELEGATE)
    # Only the true root has no cgroup.type, and only there may processes and such children stand side by side.
    if not (own / "cgroup.type").exists():
        with suppress(HostError):
            _write(own / "cgroup.subtree_control", "+memory +pids")
    for group in (own, own.parent):
        if group.is_relative_to(mount) and set(_CONTROLLERS) <= set(_read(group / "cgroup.subtree_control").split()):
            return group
    raise HostError("cgroup v2 delegates no memory and pids controller to us", hint=_DELEGATE)


def _left_below(top: Path) -> list[Path]:
    """Return the groups of dead graders in a hierarchy; those of other pid namespaces are not ours to judge."""
    found = []
    for place, directories, _ in os.walk(top):
        for directory in directories:
            if is_leftover(directory):
                found.append(Path(place) / directory)
    return found


def empty(directories: set[Path]) -> None:
    """Kill every member of the groups, those that are being born included.  Raises: HostError if one stays."""
    deadline = time.monotonic() + _END_S
    for directory in directories:
        with suppress(HostError):
            _write(directory / "pids.max", "0")
        with suppress(HostError):
            _write(directory / "cgroup.kill", "1")
    while members := {pid for d in directories for pid in _read(d / "cgroup.procs").split()}:
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if time.monotonic() > deadline:
            raise HostError(
                f"{len(members)} processes of a run cannot be killed",
                hint="see what they wait for with `ps`, often a disk that does not answer",
            )
        time.sleep(_END_PAUSE_S)


def _remove(directory: Path) -> None:
    """Remove a group; the kernel needs a moment after the last member's end."""
    for _ in range(50):
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.002)


def _event(file: Path, name: str) -> int:
    """Return a counter of a flat keyed file, 0 if it is not there."""
    return next((int(v) for k, _, v in (line.partition(" ") for line in _read(file).splitlines()) if k == name), 0)


def _read(file: Path) -> str:
    """Return a kernel file's text, empty if it is not there."""
    try:
        return file.read_text()
    except OSError:
        return ""


def _write(file: Path, text: str) -> None:
    """Write a kernel file in one call, without creating it."""
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise HostError(
            f"`{file.name}` cannot be written: {error.strerror}", where=str(file), hint=_DELEGATE
        ) from error
