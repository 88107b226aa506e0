"""Read the peak of a program's memory in a cgroup of its own; where there is none, by sampling its processes.

`ru_maxrss` will not do: it is the caller's own figure where that is larger, and of a program's children only the
largest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from grader.adapters.cgroups import Cgroups
from grader.adapters.processes import PeakSampler
from grader.adapters.spawn import GATE_SHELL, spawn
from grader.model.run import Completed, Limits

_OUTPUT_BYTES = 16 << 20
_UNLIMITED = Limits(memory_bytes=1 << 60, pids=1 << 22)
"""More than there is: the group is here to count.  The kernel takes no larger number of processes."""


class HostScales:
    """Implements `ports.Scales` on this host."""

    def __init__(self) -> None:
        self._cgroups = Cgroups.find()

    def weigh(self, program: str, argv: Sequence[str], env: Mapping[str, str], timeout_s: float) -> Completed:
        """Run the program, which is told its path as its name, and read its peak.

        The page cache that it is the first to fill is charged to it: the first run after a change reads more.

        Raises: HostError if a group that could be made before cannot be made now.
        """
        line = [program, *argv[1:]]
        pids: list[int] = []
        with ExitStack() as stack:
            group = stack.enter_context(self._cgroups.fresh(_UNLIMITED))
            sampler = stack.enter_context(PeakSampler.of(lambda: pids, _launchers(program))) if group is None else None
            hold = pids.append if group is None else group.add
            done = spawn(line, env, timeout_s=timeout_s, output_bytes=_OUTPUT_BYTES, hold=hold)
            peak = group.peak() if group is not None else ()
        if sampler is not None:
            peak = sampler.readings()
        return done.model_copy(update={"argv": tuple(argv), "memory_peak": peak})


def _launchers(program: str) -> list[Path]:
    """Return what the process is before it is the program: the shell of the gate, unless that is meant itself."""
    gate = Path(GATE_SHELL)
    return [] if Path(program).resolve() == gate.resolve() else [gate]
