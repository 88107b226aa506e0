"""Open the host's lock file, and make it for every user of the host when it is missing."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from grader.bootstrap import lockremedy
from grader.errors import LockError

_ELSEWHERE = "name another file with GRADER_LOCK"
_OR_ELSEWHERE = f"or {_ELSEWHERE}"
_TRIES = 100
"""To open a file that is made when it is missing: one that is gone each time is being removed on purpose."""


def open_lock_file(path: Path) -> int:
    """Return a descriptor of the file, for reading and writing; nothing is ever written to it.

    Raises: LockError if it is not a plain file that this user may open, or is missing and cannot be made.
    """
    for _ in range(_TRIES):
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            _make(path)
            continue
        except OSError as error:
            raise _closed(path, error) from error
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            raise _not_plain(path, mode)
        return fd
    raise LockError("the host lock comes and goes", where=str(path), hint=f"find out who removes it, {_OR_ELSEWHERE}")


def _make(path: Path) -> None:
    """Make the file with mode 0666, whatever the umask says, unless somebody else has just done so.

    It gets its name when its mode is right: at no moment does another user find a file that is closed to him.  It is
    not opened with O_CREAT either, which `fs.protected_regular` refuses for others' files in a folder like /run/lock.
    """
    try:
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            os.fchmod(fd, lockremedy.MODE)
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            os.close(fd)
            Path(name).unlink()
    except OSError as error:
        raise LockError(
            f"the host lock is not there and cannot be made: {error.strerror}",
            where=str(path),
            hint=f"as root: `{lockremedy.to_make(path)}`; {_OR_ELSEWHERE}",
        ) from error


def _closed(path: Path, error: OSError) -> LockError:
    """Return the error for a file that is there and cannot be opened."""
    try:
        found = path.lstat()
    except OSError:
        hint = f"as root: give others the right to enter `{path.parent}`; {_OR_ELSEWHERE}"
        return LockError(f"the host lock cannot be reached: {error.strerror}", where=str(path), hint=hint)
    if not stat.S_ISREG(found.st_mode):
        return _not_plain(path, found.st_mode)
    if isinstance(error, PermissionError):
        return LockError(
            f"the host lock is closed to this user: mode {stat.S_IMODE(found.st_mode):04o}, user id {found.st_uid}",
            where=str(path),
            hint=f"as root: `{lockremedy.to_open(path)}`; {_OR_ELSEWHERE}",
        )
    return LockError(f"the host lock cannot be opened: {error.strerror}", where=str(path), hint=_ELSEWHERE)


def _not_plain(path: Path, mode: int) -> LockError:
    """Return the error for anything but a plain file.

    In a folder that everyone may write, a link would let somebody choose which file is made or kept busy.
    """
    kinds = {stat.S_ISLNK: "a link", stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    kind = next((name for is_kind, name in kinds.items() if is_kind(mode)), "a device")
    return LockError(
        f"the host lock is {kind}, not a plain file",
        where=str(path),
        hint=f"as root: `{lockremedy.to_remove(path, mode)}`, and the next grading makes it anew; {_OR_ELSEWHERE}",
    )
