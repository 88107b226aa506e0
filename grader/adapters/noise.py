"""Look at how busy this host is: start no-op programs, and read what the kernel counts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from grader.adapters.stopwatch import Stopwatch
from grader.errors import HostError
from grader.model.base import Record
from grader.model.bench import NoiseReading

SPAWNS = 20
SPAWN_S = 10.0
"""Longest wait for one of them."""

LISTEN_S = 0.05
"""How long we keep still to see what others do: five ticks of the kernel's clock for each CPU."""

_SETTLE_S = 0.01
"""Before that: what our last run left to the kernel to clean up is ours."""

_NOOPS = (Path("/usr/bin/true"), Path("/bin/true"))


class CpuTicks(Record):
    """Time of all CPUs since boot, in ticks.  Source: proc_stat(5)."""

    busy: int
    steal: int
    total: int


class HostNoise:
    """The noise of this host, one reading after the other.

    Args:
        proc: Where the kernel tells.
    Raises: HostError if there is no program that does nothing.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        program = next((path for path in _NOOPS if os.access(path, os.X_OK)), None)
        if program is None:
            raise HostError("`true` is not installed", hint="apt-get install coreutils")
        self._proc = proc
        self._noop = Stopwatch(str(program), ["true"], {})
        self._since = (time.monotonic(), cpu_pressure(proc), cpu_ticks(proc))

    def read(self, at_s: float, pause_s: float = 0.0) -> NoiseReading:
        """Pause, keep still a little longer, start the programs, and return what all that told.

        Args:
            at_s: Seconds since the campaign began.
        Raises: HostError if this host starts no program.
        """
        began, pressed_us, before = self._since
        now_us, ran_s = cpu_pressure(self._proc), time.monotonic() - began
        time.sleep(_SETTLE_S)
        still = cpu_ticks(self._proc)
        time.sleep(pause_s + LISTEN_S)
        heard = cpu_ticks(self._proc)
        spawn_s = tuple(self._spawn() for _ in range(SPAWNS))
        self._since = (time.monotonic(), cpu_pressure(self._proc), cpu_ticks(self._proc))
        return NoiseReading(
            at_s=at_s,
            spawn_s=spawn_s,
            pressure=None if pressed_us is None or now_us is None else max(0.0, now_us - pressed_us) / 1e6 / ran_s,
            foreign_load=_share(still, heard, lambda ticks: ticks.busy),
            steal=_share(before, self._since[2], lambda ticks: ticks.steal),
            load_average=tuple(round(load, 2) for load in os.getloadavg()),
        )

    def _spawn(self) -> float:
        try:
            return self._noop.run(SPAWN_S).total_s
        except OSError as error:
            raise HostError(
                f"`true` could not be started: {error.strerror}",
                hint="see `ulimit -a` and what else runs on this host, and run again",
            ) from error


def cpu_ticks(proc: Path = Path("/proc")) -> CpuTicks | None:
    """Return what `/proc/stat` counts for all CPUs together; None where it does not."""
    try:
        name, *fields = (proc / "stat").read_text().split("\n", 1)[0].split()
        ticks = [int(field) for field in fields[:8]]
    except (OSError, ValueError):
        return None
    if name != "cpu" or len(ticks) < 8:
        return None
    idle, iowait, steal = ticks[3], ticks[4], ticks[7]
    return CpuTicks(busy=sum(ticks) - idle - iowait - steal, steal=steal, total=sum(ticks))


def cpu_pressure(proc: Path = Path("/proc")) -> int | None:
    """Return for how long since boot some task had to wait for a CPU, microseconds; None where nobody counts.

    Source: Documentation/accounting/psi.rst of Linux.
    """
    try:
        lines = (proc / "pressure/cpu").read_text().splitlines()
        return next(int(line.rpartition("total=")[2]) for line in lines if line.startswith("some "))
    except (OSError, ValueError, StopIteration):
        return None


def _share(before: CpuTicks | None, after: CpuTicks | None, of: Callable[[CpuTicks], int]) -> float | None:
    """Return a part of the time of all CPUs between two looks; None if no tick passed."""
    if before is None or after is None or after.total <= before.total:
        return None
    # Counters of single CPUs may step back when one goes off line.
    return min(1.0, max(0, of(after) - of(before)) / (after.total - before.total))
