"""Keep timed runs alone on the host: a reader/writer lock that every user of the host shares.

The lock is `flock` on one file: builds share it, a timed run excludes them and other timed runs.  `flock` alone
starves the timed run as long as builders keep coming, so whoever wants it first passes a turnstile, a queue on the
same file, and takes the lock at its head: a timed run that waits there keeps later builders out.

The queue is made of open file description locks.  Who comes draws a ticket, by locking the byte behind the last one
that anybody has locked, and has its turn when no byte below is locked any more.  The order is the tickets', however
one waits: without a timeout asleep in the kernel, with one by asking again and again, because neither kind of lock
takes a timeout, and at a plain lock the sleepers would go before those who ask.

All of it goes with the file descriptor, however its process ends.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grader.adapters.lockfile import open_lock_file
from grader.errors import LockError, TimeLimitError

DEFAULT_LOCK = Path("/run/lock/lab-grader.lock")

_COUNTER = 0
"""The byte that is locked while a ticket is drawn; the tickets are the bytes behind it."""
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05
"""Between two questions of a wait that has a timeout.

The longest is what its turn may come too late, and spares a run that is being timed more than 20 questions a second.
"""


class FileHostLock:
    """The host's lock file; it is created when it is missing and never removed.

    Args:
        path: A regular file that every grading user may open.
        waiting: Called once, with the holders' process ids as far as they are known, before a wait.
    """

    def __init__(self, path: Path = DEFAULT_LOCK, waiting: Callable[[tuple[int, ...]], None] | None = None) -> None:
        self._path = path
        self._waiting = waiting

    @contextmanager
    def shared(self, timeout_s: float | None = None) -> Iterator[None]:
        """Hold while building or probing; wait `timeout_s` seconds at most.

        Raises: TimeLimitError if it is not ours by then; LockError if the lock file cannot be used.
        """
        with self._opened() as fd:
            self._pass(fd, fcntl.LOCK_SH, timeout_s)
            # Not needed any more: the next in the queue may come in too, or wait at its head until we are done.
            _unlock_all(fd)
            yield

    @contextmanager
    def exclusive(self, timeout_s: float | None = None) -> Iterator[None]:
        """Hold while timing; wait `timeout_s` seconds at most.

        Raises: TimeLimitError if it is not ours by then; LockError if the lock file cannot be used.
        """
        with self._opened() as fd:
            self._pass(fd, fcntl.LOCK_EX, timeout_s)
            yield

    def _pass(self, fd: int, kind: int, timeout_s: float | None) -> None:
        """Go through the turnstile and take the lock; Ctrl-C ends the wait."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        told = False

        def take(lock: Callable[[bool], bool]) -> None:
            nonlocal told
            if lock(False):
                return
            if not told and self._waiting is not None:
                self._waiting(_holders(fd))
            told = True
            if until is None:
                lock(True)
            elif not _asked_until(until, lock):
                raise self._too_long(timeout_s or 0.0)

        take(lambda wait: _lock(fd, fcntl.F_WRLCK, _COUNTER, 1, wait))
        ticket = self._draw(fd)
        if ticket > _COUNTER + 1:
            take(lambda wait: _lock(fd, fcntl.F_RDLCK, _COUNTER + 1, ticket - _COUNTER - 1, wait))
        take(lambda wait: _flock(fd, kind, wait))

    def _draw(self, fd: int) -> int:
        """Lock the byte behind the last one that is locked, and let the next one draw; return where it is."""
        ticket = _COUNTER + 1
        while (found := _locked_by_another(fd, ticket)) is not None:
            start, length = found
            if length == 0:  # To the end of all files: none of ours.
                raise LockError(
                    "another program has locked the bytes of the host lock",
                    where=str(self._path),
                    hint="find out which in `/proc/locks`; only `flock` takes part",
                )
            ticket = start + length
        _lock(fd, fcntl.F_WRLCK, ticket, 1, wait=False)
        _lock(fd, fcntl.F_UNLCK, _COUNTER, 1, wait=False)
        return ticket

    def _too_long(self, timeout_s: float) -> TimeLimitError:
        return TimeLimitError(
            f"the host lock was not free within {timeout_s:.3g} s",
            where=str(self._path),
            hint="try again when the other gradings on this host are done, or allow more time",
        )

    @contextmanager
    def _opened(self) -> Iterator[int]:
        fd = open_lock_file(self._path)
        try:
            yield fd
        finally:
            os.close(fd)


def _asked_until(until: float, lock: Callable[[bool], bool]) -> bool:
    """Ask for a lock until it is ours or it is `until`, on the monotonic clock; return whether it is ours."""
    pause = _FIRST_PAUSE_S
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        if lock(False):
            return True
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)
    return False


def _flock(fd: int, kind: int, wait: bool) -> bool:
    """Take the lock itself; return False if that would have to wait and `wait` is False."""
    try:
        fcntl.flock(fd, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid (0 for a description's lock).
_RANGE = struct.Struct("hhqqi4x")


def _lock(fd: int, kind: int, start: int, length: int, wait: bool) -> bool:
    """Lock or unlock bytes, as many as there can be for a length of 0.

    Returns: False if that would have to wait and `wait` is False.
    """
    request = _RANGE.pack(kind, os.SEEK_SET, start, length, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, request)
    except BlockingIOError:
        return False
    return True


def _unlock_all(fd: int) -> None:
    _lock(fd, fcntl.F_UNLCK, _COUNTER, 0, wait=False)


def _locked_by_another(fd: int, start: int) -> tuple[int, int] | None:
    """Return start and length of some bytes from `start` on that another description has locked, None if none are."""
    request = _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, start, 0, 0)
    kind, _, found, length, _ = _RANGE.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, request))
    return None if kind == fcntl.F_UNLCK else (found, length)


def _holders(fd: int) -> tuple[int, ...]:
    """Return the processes that hold the lock, as far as the kernel lists them here.  Source: proc_locks(5)."""
    found = os.fstat(fd)
    file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    holders = set()
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5] == file:
                holders.add(int(fields[4]))
    return tuple(sorted(holders))
