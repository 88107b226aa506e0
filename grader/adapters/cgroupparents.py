"""Make cgroups below which a container engine puts what it runs, capped and removed by us.

An engine's own groups vanish with their container, and what they counted with them; their parent stays until it has
been read.  It lies at the top of each hierarchy, because it is named from there: what caps the engine is the engine's
affair, and none of our own groups holds it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from grader.adapters.cgroups import Cgroup, empty, mount_points, set_limit
from grader.adapters.owner import fresh_name, is_leftover
from grader.adapters.sandbox import find_tool
from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Limits, MemoryReading
from grader.model.trouble import trouble

_CONTROLLERS = ("memory", "pids")
_AS_ROOT = "run it as root"
_SYSTEMCTL_S = 30.0
_FULL = 0.95
_GONE_S = 5.0
"""For an empty group to be let go: milliseconds, longer on a busy host or where an engine removes its own."""
_GONE_PAUSE_S = 0.005


class Parent:
    """The parent group of one run's containers.  `name` is what an engine is told, from the top of its hierarchies."""

    def __init__(self, name: str, group: Cgroup, directories: list[Path]) -> None:
        self.name = name
        self._group = group
        self._directories = directories

    def limit_hit(self, limits: Limits) -> Message | None:
        """Return which cap the containers met, None if none."""
        return self._group.limit_hit(limits)

    def peak(self) -> tuple[MemoryReading, ...]:
        """Return the most that was charged so far; the engine's own part in starting a container is in it."""
        return _told(self._group.peak())

    def was_full(self, limits: Limits) -> bool:
        """Return whether what was charged came up to the cap: then a program that was killed was killed for it.

        cgroup v1 counts such kills in the container's own group, which is gone.
        """
        return max((reading.size_bytes for reading in self.peak()), default=0) >= _FULL * limits.memory_bytes

    def usage(self) -> tuple[MemoryReading, ...]:
        """Return what is charged now, without file pages that could be dropped at once."""
        return _told(self._group.usage())

    def clear(self) -> None:
        """Kill whatever is in it and remove it, with the groups below.  Raises: HostError if a process stays."""
        for directory in self._directories:
            _clear(directory)


class CgroupParents:
    """Where this process may make such groups.  `missing` is None if it may, else what to tell."""

    def __init__(self, version: int, tops: dict[str, Path], *, missing: Message | None = None) -> None:
        self._version = version
        self._tops = tops
        self.missing = missing

    @classmethod
    def find(cls, proc: Path = Path("/proc/self")) -> CgroupParents:
        """Find the hierarchies, and see whether we may make groups in them."""
        mounts = {name: point for name, (point, _) in mount_points(proc).items()}
        try:
            if set(_CONTROLLERS) <= mounts.keys():
                return cls(1, mounts).proved()
            if "" in mounts:
                _refuse_undelegated(mounts[""])
                return cls(2, mounts).proved()
            raise HostError("there is no memory and pids controller", hint=_AS_ROOT)
        except HostError as error:
            return cls(0, {}, missing=trouble("sandbox.no-cgroup", error))

    def proved(self) -> Self:
        """Sweep the groups of dead graders, and prove with a throw-away one that we may make more.

        Raises: HostError if we may not.
        """
        self.sweep()
        with self.fresh(Limits()):
            pass
        return self

    @contextmanager
    def fresh(self, limits: Limits) -> Iterator[Parent]:
        """Yield a new parent with these caps; whatever is in it at the end is killed.

        Raises: HostError if none can be made, or if a process of it cannot be killed.
        """
        name = fresh_name()
        directories, groups = self._places(name)
        parent = Parent(f"/{name}", Cgroup(self._version, groups), directories)
        try:
            for directory in directories:
                _make(directory)
            for controller, directory in groups.items():
                set_limit(self._version, controller, directory, limits)
            yield parent
        finally:
            parent.clear()

    def for_driver(self, driver: str) -> CgroupParents:
        """Return where parents are made for an engine with this cgroup driver, `cgroupfs` or `systemd`."""
        return self if driver != "systemd" or self.missing is not None else _Slices.of(self._version, self._tops)

    def _places(self, name: str) -> tuple[list[Path], dict[str, Path]]:
        """Return the directories of a group, and those that cap and count."""
        groups = {c: self._tops[c if self._version == 1 else ""] / name for c in _CONTROLLERS}
        return sorted({top / name for top in self._tops.values()}), groups

    def sweep(self) -> None:
        """Kill what runs in the parents of graders that are no more, and remove them."""
        for top in set(self._tops.values()):
            for entry in top.iterdir():
                if is_leftover(entry.name):
                    with suppress(HostError):
                        _clear(entry)


class _Slices(CgroupParents):
    """Parents for an engine that asks systemd for its groups: slices, the only parents that it takes.

    A name with hyphens would be a slice within a slice for each of them.
    """

    @classmethod
    def of(cls, version: int, tops: dict[str, Path]) -> _Slices:
        """Return them, or what is missing where systemd makes none for us."""
        try:
            return cls(version, tops).proved()
        except HostError as error:
            return cls(0, {}, missing=trouble("sandbox.no-cgroup", error))

    @contextmanager
    def fresh(self, limits: Limits) -> Iterator[Parent]:
        """Yield a new slice with these caps; whatever is in it at the end is killed."""
        name = f"{fresh_name().replace('-', '_')}.slice"
        directories, groups = self._places(name)
        parent = Parent(name, Cgroup(self._version, groups), directories)
        caps = (f"MemoryMax={limits.memory_bytes}", "MemorySwapMax=0", f"TasksMax={limits.pids}")
        try:
            _systemctl("set-property", "--runtime", name, *caps)
            _systemctl("start", name)
            yield parent
        finally:
            parent.clear()
            _end_slice(name)

    def sweep(self) -> None:
        """Kill what runs in the slices of graders that are no more, and end them."""
        listed = _systemctl("list-units", "--all", "--type=slice", "--plain", "--no-legend", "lab_grader_*")
        for name in (line.split()[0] for line in listed.splitlines() if line.strip()):
            if is_leftover(name.removesuffix(".slice").replace("_", "-")):
                with suppress(HostError):
                    for directory in self._places(name)[0]:
                        _clear(directory)
                    _end_slice(name)


def _end_slice(name: str) -> None:
    _systemctl("stop", name)
    _systemctl("revert", name)  # what `set-property` has written


def _systemctl(*words: str) -> str:
    """Run `systemctl` and return what it prints.  Raises: HostError if it fails."""
    program = find_tool("systemctl")
    if program is None:
        raise HostError("there is no `systemctl`, and the container engine asks systemd for its cgroups", hint=_AS_ROOT)
    done = spawn((str(program), *words), {"LANG": "C"}, timeout_s=_SYSTEMCTL_S, output_bytes=1 << 16)
    if done.outcome != "ok":
        said = done.stderr.strip()[:200] or done.outcome
        raise HostError(f"`systemctl {words[0]}` failed: {said}", hint=_AS_ROOT)
    return done.stdout


def _make(directory: Path) -> None:
    try:
        directory.mkdir()
    except OSError as error:
        raise HostError(f"a cgroup cannot be made: {error.strerror}", where=str(directory), hint=_AS_ROOT) from error


def _clear(directory: Path) -> None:
    """Empty and remove a group with all below it, the lowest first.

    The kernel holds a group for a moment after its last process is listed no more; one that it does not let go at all
    is left to the next sweep.

    Raises: HostError if a process stays.
    """
    deadline = time.monotonic() + _GONE_S
    while below := [Path(place) for place, _, _ in os.walk(directory, topdown=False)]:
        empty(set(below))
        for group in below:
            with suppress(OSError):
                group.rmdir()
        if not directory.exists() or time.monotonic() > deadline:
            return
        time.sleep(_GONE_PAUSE_S)


def _refuse_undelegated(top: Path) -> None:
    """Raises: HostError if the top of a v2 hierarchy hands out no limits; that is for its owner to change."""
    try:
        handed_out = (top / "cgroup.subtree_control").read_text().split()
    except OSError:
        handed_out = []
    if not set(_CONTROLLERS) <= set(handed_out):
        raise HostError("cgroup v2 hands out no memory and pids controller", hint=_AS_ROOT)


def _told(readings: tuple[MemoryReading, ...]) -> tuple[MemoryReading, ...]:
    """Say what these figures hold: not a sandbox's processes but an engine's."""
    return tuple(
        reading.model_copy(
            update={"method": f"{reading.method.partition(' of a cgroup')[0]} of the container's parent cgroup"}
        )
        for reading in readings
    )
