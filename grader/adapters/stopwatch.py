"""Time a program that its caller vouches for, again and again, with as little as possible on the clock.

`spawn` is for what must be held back: it reads descriptors, may keep the program at a gate and gives it a session.
Here all that can be done once is done before the first run.  The program gets a process group and no session: a
session is a scheduling group of its own (sched(7), autogroup), so on a busy host its times would differ from those of
the same command in a shell.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import closing

from grader.adapters.interrupts import HELD_BACK
from grader.adapters.spawn import (
    FIRST_FREE_FD,
    INHERITED_SIGNALS,
    exit_fd,
    inheritable,
    no_gc,
    poll_ms,
    reap,
)
from grader.ports import Clocked

TAIL_BYTES = 4 << 10
"""Of each stream, that is kept of what nobody checks."""

_CHUNK = 1 << 16
_LAST_READS = 64
"""After the end: more than a pipe holds, and an end where something left behind goes on filling it."""


class Stopwatch:
    """Implements `ports.Stopwatch` for one program with its arguments and all its variables.

    Its stdin is empty, its directory the caller's.

    Args:
        program: The file to start; the program is told `argv[0]`.
        stdout_bytes: How much of the end of stdout is kept; a program may print more.
    """

    def __init__(
        self, program: str, argv: Sequence[str], env: Mapping[str, str], *, stdout_bytes: int = TAIL_BYTES
    ) -> None:
        self._program = program
        self._argv = list(argv)
        self._env = dict(env)
        self._stdout_bytes = stdout_bytes
        self._strangers = [fd for fd in inheritable() if fd > 2]
        # Opening it anew in each child would cost 10 µs on the clock.
        self._nothing = _above(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        weakref.finalize(self, os.close, self._nothing)

    def run(self, timeout_s: float) -> Clocked:
        """Run the program to its end or for `timeout_s`, and reap it; what is left of its process group is killed.

        Raises: OSError or ValueError if it cannot be started; StillRunningError if it may not be killed.
        """
        with (
            closing(_Stream(self._stdout_bytes)) as stdout,
            closing(_Stream(TAIL_BYTES)) as stderr,
            no_gc(),
        ):
            return self._clock(stdout, stderr, timeout_s)

    def _clock(self, stdout: _Stream, stderr: _Stream, timeout_s: float) -> Clocked:
        program, argv, env = self._program, self._argv, self._env
        actions = [
            *((os.POSIX_SPAWN_CLOSE, fd) for fd in self._strangers),
            (os.POSIX_SPAWN_DUP2, self._nothing, 0),
            (os.POSIX_SPAWN_DUP2, stdout.writing, 1),
            (os.POSIX_SPAWN_DUP2, stderr.writing, 2),
        ]
        poll = select.poll()
        for stream in (stdout, stderr):
            poll.register(stream.reading, select.POLLIN)
        child: _Child | None = None
        began = time.time()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        try:
            try:
                start_ns = time.perf_counter_ns()
                pid = os.posix_spawn(
                    program, argv, env, file_actions=actions, setpgroup=0, setsigmask=(), setsigdef=INHERITED_SIGNALS
                )
                child = _Child(pid)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            with exit_fd(pid) as exited:
                poll.register(exited, select.POLLIN)
                try:
                    end_ns, timed_out = _follow(poll, exited, (stdout, stderr), start_ns + int(timeout_s * 1e9))
                finally:
                    code, used = child.reap()
        finally:
            if child is not None:
                child.reap()
        stdout.finish(end_ns)
        stderr.finish(end_ns)
        return Clocked(
            began=began,
            exit_code=code if code >= 0 and not timed_out else None,
            signal=-code if code < 0 and not timed_out else None,
            timed_out=timed_out,
            first_output_s=None if stdout.first_ns is None else (stdout.first_ns - start_ns) / 1e9,
            total_s=(end_ns - start_ns) / 1e9,
            user_s=used.ru_utime,
            system_s=used.ru_stime,
            stdout=stdout.tail(),
            stderr=stderr.tail(),
            stdout_cut=stdout.cut,
        )


class _Stream:
    """One pipe from the child, and the last `keep` bytes that came through it.

    Our own writing end stays open until the end: the hang-up that would follow the program's last close would wake us
    once more just before its exit.
    """

    __slots__ = ("_data", "_keep", "cut", "first_ns", "reading", "writing")

    def __init__(self, keep: int) -> None:
        self.reading, self.writing = _pipe()
        self.first_ns: int | None = None
        self.cut = False
        self._keep = keep
        self._data = bytearray()

    def read(self, now_ns: int) -> bool:
        """Take what is there now, without waiting, at most one chunk; False if there is nothing."""
        try:
            chunk = os.read(self.reading, _CHUNK)
        except BlockingIOError:
            return False
        if self.first_ns is None:
            self.first_ns = now_ns
        self._data += chunk
        if len(self._data) > self._keep:
            self.cut = True
            # Twice as much is let in first, so that a program that prints a lot is not slowed down by our copying.
            if len(self._data) > 2 * self._keep + _CHUNK:
                del self._data[: -self._keep]
        return True

    def finish(self, now_ns: int) -> None:
        """Take what was still in the pipe when the program ended."""
        for _ in range(_LAST_READS):
            if not self.read(now_ns):
                break

    def tail(self) -> bytes:
        return bytes(self._data[-self._keep :])

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


def _pipe() -> tuple[int, int]:
    """Return the reading end, which never waits, and the writing end."""
    reading, writing = os.pipe()
    if reading <= 2 or writing <= 2:
        reading, writing = _above(reading), _above(writing)
    os.set_blocking(reading, False)
    return reading, writing


def _above(fd: int) -> int:
    """Return the descriptor, moved above the numbers that a child is given: low ones are free if ours were closed."""
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    finally:
        os.close(fd)


class _Child:
    """A started program.  Invariant: reaped exactly once, with what is left of its process group killed first."""

    __slots__ = ("_ended", "_pid")

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended: tuple[int, resource.struct_rusage] | None = None

    def reap(self) -> tuple[int, resource.struct_rusage]:
        """Return its exit code, or minus its signal, and what it used."""
        if self._ended is None:
            self._ended = reap(self._pid)
        return self._ended


def _follow(poll: select.poll, exited: int, streams: tuple[_Stream, _Stream], deadline_ns: int) -> tuple[int, bool]:
    """Read until the program ends or its time is up; return when that was, and whether it was the latter.

    The end is the moment at which the kernel tells of it: what we do afterwards, reaping included, is our own time.
    """
    by_fd = {stream.reading: stream for stream in streams}
    now_ns = time.perf_counter_ns()
    while now_ns < deadline_ns:
        events = poll.poll(poll_ms(deadline_ns - now_ns))
        now_ns = time.perf_counter_ns()
        ended = False
        for fd, _ in events:
            if fd == exited:
                ended = True
            else:
                by_fd[fd].read(now_ns)
        if ended:
            return now_ns, False
    return now_ns, True
