"""What bubblewrap says about itself: its first process, that one's namespace, and whether the command started."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from grader.adapters.processes import children, terminate
from grader.errors import HostError

_GONE_S = 20.0
"""For processes that were killed to be gone: the kernel needs milliseconds, unless a disk does not answer."""
_GONE_PAUSE_S = 0.0005
"""Between two looks: each run ends with one, so it is to cost less than the run."""
_POLL_MS = 5
"""Between two looks whether all has ended, where the pipe says nothing; what it says wakes us at once."""
_SAID_BYTES = 1 << 16
"""More than bubblewrap ever says: three lines, of numbers."""


class Boundary:
    """One sandbox, as its status pipe tells of it.

    Args:
        fd: The pipe's reading end, which never waits: one JSON object a line, each written piece by piece.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._begun = b""
        self.pid: int | None = None
        self._namespace: int | None = None
        self.started = False
        """Whether the command was started, known only after its end."""

    def read(self) -> None:
        """Take in what was said by now."""
        try:
            text = os.read(self._fd, _SAID_BYTES)
        except BlockingIOError:
            return
        *lines, self._begun = (self._begun + text).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                self.pid = said.get("child-pid", self.pid)
                self._namespace = said.get("pid-namespace", self._namespace)
                self.started |= "exit-code" in said

    def wait_for_pid(self, ended: Callable[[], bool]) -> int | None:
        """Wait until the namespaces are there and return their first process; None if it all ended before."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        over = False
        while self.pid is None and not over:
            over = ended()
            poll.poll(0 if over else _POLL_MS)
            self.read()
        return self.pid

    def programs(self) -> list[int]:
        """Return the processes that the first one started: the program, and orphans that it adopted."""
        self.read()
        return [] if self.pid is None or not self._alive() else children(self.pid)

    def terminate(self) -> bool:
        """Send SIGTERM to the program; False if there is none (yet).  The kernel lists adopted orphans after it."""
        programs = self.programs()
        return self.pid is not None and programs != [] and terminate(programs[0], self.pid)

    def end(self) -> None:
        """Kill the namespace's first process, and wait for it: the kernel lets it go only after all the others.

        Once bubblewrap has ended.  Its `--die-with-parent` is not enough: it leaves the process group before it asks
        the kernel for that signal, and one whose parent was killed in between would live on (bubblewrap 0.8.0,
        `setsid` in `main`, `prctl` in `do_init`).
        Raises: HostError if it stays.
        """
        self.read()
        self._kill()
        deadline = time.monotonic() + _GONE_S
        while self.pid is not None and self._alive():
            if time.monotonic() > deadline:
                raise HostError(
                    f"processes of the sandbox are still there after {_GONE_S:.0f} s",
                    where=str(self.pid),
                    hint="see what they wait for with `ps`, often a disk that does not answer",
                )
            time.sleep(_GONE_PAUSE_S)

    def _kill(self) -> None:
        """Its number may be another process's by now, so it is held first and its namespace compared then."""
        if self.pid is None:
            return
        with contextlib.suppress(OSError):
            fd = os.pidfd_open(self.pid)
            try:
                if self._in_namespace():
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
            finally:
                os.close(fd)

    def _alive(self) -> bool:
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            # A zombie here has seen all the others go, and its reaper may take its time.
            return state not in "ZX" and self._in_namespace()
        except PermissionError:
            return True
        except OSError:
            return False

    def _in_namespace(self) -> bool:
        """Raises: OSError if it has ended or is another user's."""
        return Path(f"/proc/{self.pid}/ns/pid").stat().st_ino == self._namespace
