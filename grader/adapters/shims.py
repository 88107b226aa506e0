"""What a runtime keeps beside each container: its shim, found by the container's id, and how much memory it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grader.adapters.processes import proportional
from grader.adapters.sampling import sampled
from grader.model.run import MemoryReading

_INTERVAL_S = 0.02
"""Between two looks, at least: a shim has what it needs once its container runs."""
_SHARE = 0.2
"""Of one CPU, that sampling may take: each look reads the command line of every process."""
_HOW = "Pss of smaps_rollup of the container's shim processes"


def shims_of(container: str) -> list[int]:
    """Return the processes of a container's shim: those that were started for its id, and their copies.

    A module runs in such a copy too, with the command line of its shim; that one is in the container's own cgroup.
    """
    wanted, found = container.encode(), list[int]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                is_shim = b"shim" in words[0] and words[words.index(b"-id") + 1] == wanted
                if is_shim and not _is_inside(container, (entry / "cgroup").read_text()):
                    found.append(int(entry.name))
    return found


def _is_inside(container: str, groups: str) -> bool:
    """Return whether a process with these cgroups is in one that is named after a container."""
    parts = {part for line in groups.splitlines() for part in line.partition("/")[2].split("/")}
    return any(part == container or part.endswith(f"-{container}.scope") for part in parts)


def shim_memory(container: str) -> tuple[MemoryReading, ...]:
    """Return what a container's shim has now; empty if there is none or it cannot be seen."""
    size_bytes = proportional(shims_of(container))
    return (MemoryReading(notion="shim", size_bytes=size_bytes, method=_HOW),) if size_bytes else ()


class ShimSampler:
    """Samples the memory of a container's shim until told to end, and keeps the largest."""

    def __init__(self, container: Callable[[], str | None]) -> None:
        self._container = container
        self._id: str | None = None
        self._largest = 0
        self._count = 0

    @classmethod
    @contextmanager
    def of(cls, container: Callable[[], str | None]) -> Iterator[ShimSampler]:
        """Sample while the body runs.

        Args:
            container: Returns the id once it is known; asked again until then.
        """
        sampler = cls(container)
        with sampled(sampler._look, interval_s=_INTERVAL_S, share=_SHARE):
            yield sampler

    def _look(self, _: float) -> None:
        self._id = self._id or self._container()
        size_bytes = proportional(shims_of(self._id)) if self._id is not None else 0
        if size_bytes:
            self._largest = max(self._largest, size_bytes)
            self._count += 1

    def readings(self) -> tuple[MemoryReading, ...]:
        """Return the largest, after the body; empty if no sample met the shim."""
        if not self._count:
            return ()
        method = f"{_HOW}, the largest of {self._count} samples"
        return (MemoryReading(notion="shim", size_bytes=self._largest, method=method),)
