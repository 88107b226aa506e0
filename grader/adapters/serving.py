"""A program that serves while its caller talks to it, whatever boundary it runs behind."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from typing import Literal

from grader.adapters.httpclient import Connect, ask
from grader.adapters.spawn import Followed
from grader.model.run import Answer, Completed, MemoryReading
from grader.ports import Stopped

How = Literal["by-itself", "terminated", "killed"]

_RETRY_S = 0.002


class ProgramServer:
    """Implements `ports.Server` for a program that is being followed.

    Args:
        connect: Returns a connection to its port within so many seconds.
        terminate: Sends SIGTERM to the program; False if there is none yet.
        memory: Reads what it has now.
        judged: Turns the end of what was started into that of the program, with nothing of it left.
    """

    def __init__(
        self,
        followed: Followed,
        *,
        connect: Connect,
        terminate: Callable[[], bool],
        memory: Callable[[], tuple[MemoryReading, ...]],
        judged: Callable[[Completed, How], Completed],
    ) -> None:
        self._followed = followed
        self._connect = connect
        self._terminate = terminate
        self._memory = memory
        self._judged = judged
        self._stopped: Stopped | None = None

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        connect = _refused if self._followed.ended() else self._connect
        return ask(connect, path, port, timeout_s=timeout_s, connect_s=connect_s)

    def started_ns(self) -> int:
        return self._followed.start_ns

    def ended(self) -> bool:
        return self._followed.ended()

    def memory(self) -> tuple[MemoryReading, ...]:
        return () if self._followed.ended() else self._memory()

    def stop(self, grace_s: float) -> Stopped:
        if self._stopped is None:
            how = self._end(grace_s)
            done = self._followed.done()
            if done.outcome not in ("ok", "failed"):
                how = "killed"  # At one of its limits.
            self._stopped = Stopped(how=how, completed=self._judged(done, how))
        return self._stopped

    def _end(self, grace_s: float) -> How:
        if self._followed.ended():
            return "by-itself"
        deadline_s = time.monotonic() + grace_s
        told = self._terminate()
        while not told and time.monotonic() < deadline_s and not self._followed.ended(_RETRY_S):
            told = self._terminate()
        if self._followed.ended(max(0.0, deadline_s - time.monotonic())):
            return "terminated" if told else "by-itself"
        self._followed.kill()
        return "killed"


class NeverServed:
    """Implements `ports.Server` for a program that could not be started."""

    def __init__(self, completed: Completed) -> None:
        self._completed = completed
        self._started_ns = time.perf_counter_ns()

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        return ask(_refused, path, port, timeout_s=timeout_s, connect_s=connect_s)

    def started_ns(self) -> int:
        return self._started_ns

    def ended(self) -> bool:
        return True

    def memory(self) -> tuple[MemoryReading, ...]:
        return ()

    def stop(self, grace_s: float) -> Stopped:
        return Stopped(how="by-itself", completed=self._completed)


def _refused(timeout_s: float) -> socket.socket:
    raise ConnectionRefusedError(errno.ECONNREFUSED, "the server has ended")
