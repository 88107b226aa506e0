"""Look at a tree of processes from outside: who belongs to it, what memory it has, and how to end its root."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from grader.adapters.sampling import sampled
from grader.model.run import MemoryReading

_INTERVAL_S = 0.002
"""Between two samples, at least: short beside the tens of milliseconds that a runtime takes to grow its heap."""
_LEAST = 5
"""Samples that a reading needs: fewer, of a program that ends within 10 ms, show how it began and not its peak."""
_SHARE = 0.2
"""Of one CPU, that sampling may take: it costs from 0.1 ms to more than 1 ms a look."""


def children(pid: int) -> list[int]:
    """Return the children of all threads of a process, empty if it has ended.  Source: proc_pid_children(5)."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def tree(roots: Sequence[int]) -> list[int]:
    """Return these processes and all their descendants."""
    found = list(roots)
    for pid in found:  # Grows while it is read.
        found += children(pid)
    return found


def terminate(pid: int, parent: int) -> bool:
    """Send SIGTERM to a child of `parent`; False if it is none, so that no other process is hit."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if pid not in children(parent):
            return False
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def smaps_now(roots: Sequence[int]) -> tuple[MemoryReading, ...]:
    """Return the proportional set sizes of a process tree, summed; empty if it has ended or cannot be seen."""
    total = proportional(tree(roots))
    if total == 0:
        return ()
    return (
        MemoryReading(notion="smaps", size_bytes=total, method="Pss of smaps_rollup, summed over the process tree"),
    )


def _file(path: Path) -> tuple[int, int]:
    """Return what tells one file from any other, by whatever name.  Raises: OSError if there is none."""
    about = path.stat()
    return about.st_dev, about.st_ino


def proportional(pids: Sequence[int]) -> int:
    """Return the sum of what can be read, in bytes; a process that has ended has none."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) << 10
    return total


class PeakSampler:
    """Samples the memory of a process tree until told to end, and keeps the largest sum.

    A peak between two samples is missed; how many there were and how far apart is part of the reading.
    """

    def __init__(self, roots: Callable[[], Sequence[int]], launchers: Iterable[Path]) -> None:
        self._roots = roots
        self._launchers = frozenset(_file(path) for path in launchers)
        self._peak = 0
        self._times_s: list[float] = []

    @classmethod
    @contextmanager
    def of(cls, roots: Callable[[], Sequence[int]], launchers: Iterable[Path]) -> Iterator[PeakSampler]:
        """Sample while the body runs.

        Args:
            roots: Asked for each sample: the processes whose trees are meant, none before they are known.
            launchers: The programs that become the one that is meant, one after the other in the same process: what
                they have counts for nothing.  What is a script of theirs has no reading.
        """
        sampler = cls(roots, launchers)
        with sampled(sampler._look, interval_s=_INTERVAL_S, share=_SHARE):
            yield sampler

    def _look(self, began_s: float) -> None:
        total = proportional(tree([pid for pid in self._roots() if self._is_meant(pid)]))
        if total:
            self._peak = max(self._peak, total)
            self._times_s.append(began_s)

    def _is_meant(self, pid: int) -> bool:
        try:
            return _file(Path(f"/proc/{pid}/exe")) not in self._launchers
        except OSError:
            return False  # It has ended, or is still on its way to a user of ours.

    def readings(self) -> tuple[MemoryReading, ...]:
        """Return the peak, after the body; empty if too few samples met the program."""
        count = len(self._times_s)
        if count < _LEAST:
            return ()
        apart_ms = 1000 * (self._times_s[-1] - self._times_s[0]) / (count - 1)
        method = (
            f"Pss of smaps_rollup, summed over the process tree, the largest of {count} samples, "
            f"{apart_ms:.1f} ms apart; a peak between two samples is missed"
        )
        return (MemoryReading(notion="smaps", size_bytes=self._peak, method=method),)
