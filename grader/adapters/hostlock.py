"""Keep timed runs alone on the host: a reader/writer lock that every user of the host shares.

The lock is `flock` on one file: builds share it, a timed run excludes them and other timed runs.  `flock` alone
starves the timed run as long as builders keep coming, so whoever wants it first passes a turnstile, an open file
description lock on the same file: a waiting timed run keeps the turnstile shut.  Both go with the file descriptor,
however its process ends.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grader.errors import HostError

DEFAULT_LOCK = Path("/run/lock/lab-grader.lock")
MODE = 0o666


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
    def shared(self) -> Iterator[None]:
        """Hold while building or probing.  Raises: HostError if the lock file cannot be used."""
        with self._opened() as fd:
            self._pass(fd, fcntl.LOCK_SH)
            # Not needed any more: the next one in line may come in, or shut the turnstile until we are done.
            _turnstile(fd, fcntl.F_UNLCK, wait=False)
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold while timing.  Raises: HostError if the lock file cannot be used."""
        with self._opened() as fd:
            self._pass(fd, fcntl.LOCK_EX)
            yield

    def _pass(self, fd: int, kind: int) -> None:
        """Go through the turnstile and take the lock; Ctrl-C ends the wait."""
        told = False
        if not _turnstile(fd, fcntl.F_WRLCK, wait=False):
            told = self._tell(fd)
            _turnstile(fd, fcntl.F_WRLCK, wait=True)
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                self._tell(fd)
            fcntl.flock(fd, kind)

    def _tell(self, fd: int) -> bool:
        if self._waiting is not None:
            self._waiting(_holders(fd))
        return True

    @contextmanager
    def _opened(self) -> Iterator[int]:
        fd = self._open()
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise HostError("the host lock is not a regular file", where=str(self._path), hint=self._remedy())
            yield fd
        finally:
            os.close(fd)

    def _open(self) -> int:
        """Open the file, creating it with mode 0666 whatever the umask says.

        O_CREAT only for a file that is not there: with `fs.protected_regular` the kernel refuses it for another
        user's file in a directory like /run/lock.
        """
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            for _ in range(100):
                with suppress(FileNotFoundError):
                    return os.open(self._path, flags)
                with suppress(FileExistsError):
                    fd = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, MODE)
                    os.fchmod(fd, MODE)
                    return fd
            raise FileNotFoundError(2, "it comes and goes")
        except OSError as error:
            raise HostError(
                f"the host lock cannot be opened: {error.strerror}", where=str(self._path), hint=self._remedy()
            ) from error

    def _remedy(self) -> str:
        return f"as root: `install -m 0666 /dev/null {self._path}`; or name another file with GRADER_LOCK"


def _turnstile(fd: int, kind: int, *, wait: bool) -> bool:
    """Lock or unlock the first byte; return False if that would have to wait and `wait` is False."""
    # struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid (0 for a description's lock).
    request = struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 1, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK, request)
    except BlockingIOError:
        return False
    return True


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
