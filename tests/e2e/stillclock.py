"""The command with a still clock, which may cut itself off: for tests of what a cut-off run leaves to the next one.

Run as `python -m tests.e2e.stillclock ARGS...`.  Builds, programs, sandbox, locks and files are real.  Only what a
clock and a memory gauge say is made up: a function of the command and of its place in the campaign, so that two runs
of the same inputs must give the same bytes.

Where `CUT_SEEN` names a file, the process kills itself at the first place at which it is about to change something
and that the file does not list yet; the place is added to the file.  Where `CUT_AFTER` is a number, it kills itself
beside the next program once so many timed runs are saved.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import grader
from grader.adapters.clock import SystemClock
from grader.adapters.output import SAMPLES_SUFFIX
from grader.cli import session
from grader.cli.app import main
from grader.cli.wiring import wire
from grader.model.bench import NoiseReading
from grader.model.run import Command, Completed, MemoryReading
from grader.ports import Engine, Host, NoiseMeter, Progress, Server
from grader.workflow.run import Desk

PACKAGE = str(Path(grader.__file__).parent)
CHANGES = {
    "ctypes.call_function", "fcntl.flock", "open", "os.chmod", "os.link", "os.mkdir", "os.posix_spawn", "os.remove",
    "os.rename", "os.rmdir", "os.symlink", "os.utime", "subprocess.Popen",
}  # fmt: skip
"""Audit events before which a process may be killed; each is raised before it happens."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
RUNNING_S = 0.05
"""How long a program has been running when the command is killed beside it."""

NOW_S = 1_764_272_795.0
STARTED_NS, ANSWERED_NS = 1_000_000_000, 1_004_000_000
GAUGE = MemoryReading(notion="cgroup", size_bytes=5_000_000, method="a gauge that stands still")


class StillClock(SystemClock):
    """A clock that tells one time only; who sleeps waits all the same."""

    def wall(self) -> float:
        return NOW_S

    def monotonic(self) -> float:
        return 0.0

    def ticks_ns(self) -> int:
        return ANSWERED_NS


class StillNoise:
    """A meter that looks as the real one does, and finds the host quiet."""

    def __init__(self, inner: NoiseMeter) -> None:
        self._inner = inner

    def read(self, at_s: float, pause_s: float = 0.0) -> NoiseReading:
        self._inner.read(at_s, pause_s)
        return NoiseReading(at_s=at_s, spawn_s=(0.0005,))


class StillHost:
    """The real host, which is never busy with anything else."""

    def __init__(self, inner: Host) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def listen(self) -> StillNoise:
        return StillNoise(self._inner.listen())


class StillServer:
    """A server that was started at a fixed time and needs a fixed amount of memory."""

    def __init__(self, inner: Server) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def started_ns(self) -> int:
        return STARTED_NS

    def memory(self) -> tuple[MemoryReading, ...]:
        return (GAUGE,) if self._inner.memory() else ()


class StillEngine:
    """The real engine, whose runs take a time that their command and the number of saved timed runs decide."""

    def __init__(self, inner: Engine, samples: Path, cut_after: int | None) -> None:
        self._inner = inner
        self._samples = samples
        self._cut_after = cut_after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def run_once(self, command: Command) -> Completed:
        done = self._still(command, self._inner.run_once(command))
        if self._cut_after is not None and timed_runs(self._samples) == self._cut_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def memory(self, command: Command) -> Completed:
        done = self._still(command, self._inner.memory(command))
        return done.model_copy(update={"memory_peak": (GAUGE,) if done.memory_peak else ()})

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[StillServer]:
        with self._inner.serve(command, port) as server:
            yield StillServer(server)

    def _still(self, command: Command, done: Completed) -> Completed:
        saved = timed_runs(self._samples)
        seconds = 0.002 + sum(map(len, command.argv)) * 0.0001 + saved * 0.000_01
        first = None if done.first_output_s is None else seconds / 2
        return done.model_copy(update={"total_s": seconds, "first_output_s": first})


def timed_runs(samples: Path) -> int:
    """Return how many timed runs a file of samples holds, 0 where there is none; it may be written to meanwhile."""
    try:
        lines = samples.read_bytes().splitlines()
    except FileNotFoundError:
        return 0
    return sum(line.startswith(b'{"sample"') and b'"phase":"timed"' in line for line in lines)


class StepNames:
    """The real progress; `now` is the step that began last."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.now = "start"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def step(self, name: str, detail: str = "") -> None:
        self.now = name
        self._inner.step(name, detail)


class Cutter:
    """Kills this process at places that were not seen yet, at most one in each process."""

    def __init__(self, seen: Path) -> None:
        self._file = os.open(seen, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._seen = set(seen.read_text("utf-8").splitlines())
        self._pid = os.getpid()
        self.steps: StepNames | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or os.getpid() != self._pid or (event == "open" and not arguments[2] & WRITING):
            return
        place = self._place(event, sys._getframe(1))
        if place is None:
            return
        if self._new(place):
            os.kill(self._pid, signal.SIGKILL)
        if event == "os.posix_spawn" and self._new(f"{place}, and running"):
            threading.Thread(target=self._kill_later, daemon=True).start()

    def _new(self, place: str) -> bool:
        if place in self._seen:
            return False
        self._seen.add(place)
        os.write(self._file, f"{place}\n".encode())
        return True

    def _kill_later(self) -> None:
        time.sleep(RUNNING_S)
        os.kill(self._pid, signal.SIGKILL)

    def _place(self, event: str, frame: FrameType | None) -> str | None:
        while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
            frame = frame.f_back
        if frame is None:
            return None
        file = os.path.relpath(frame.f_code.co_filename, PACKAGE)
        return f"{self.steps.now if self.steps else 'start'}: {event} at {file}:{frame.f_lineno}"


def still(cutter: Cutter | None, cut_after: int | None) -> None:
    """Let the command work with a still clock."""

    def still_wire(options: session.Request, *arguments: Any) -> Desk:
        assert options.out is not None  # tests name it
        desk = wire(options, *arguments)
        steps = StepNames(desk.progress)
        if cutter is not None:
            cutter.steps = steps
        samples = options.out.with_name(options.out.name + SAMPLES_SUFFIX)
        return replace(
            desk,
            engine=StillEngine(desk.engine, samples, cut_after),
            host=StillHost(desk.host),
            progress=steps,
            clock=StillClock(),
        )

    vars(session)["wire"] = still_wire


if __name__ == "__main__":
    seen = os.environ.get("CUT_SEEN")
    cutter = Cutter(Path(seen)) if seen else None
    still(cutter, int(os.environ["CUT_AFTER"]) if "CUT_AFTER" in os.environ else None)
    if cutter is not None:
        sys.addaudithook(cutter)
    main()
