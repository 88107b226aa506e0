"""Open one plain file, never a link and never what took its name since it was listed.

Works where there are no such flags (Windows) as well as it can: `claims` reads reports there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.errors import IntakeError
from grader.model.submission import shown

CHUNK = 1 << 16
OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A fifo that is put in a file's place must not make `open` wait, nor a terminal become ours.
_OPEN_FILE = OPEN | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_SPECIAL = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
}
# EINVAL is what reading a link says of a name that is no link any more.
_REPLACED = (errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENXIO, errno.EINVAL)


def read_plain_file(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of one plain file.

    A link is refused even where the caller named it: the folder may be a stranger's, and a link in it may lead to a
    secret of this host.
    Raises: IntakeError, also for more than `max_bytes`.
    """
    where = str(path)
    if not os.path.lexists(path):
        raise IntakeError("there is no such file", where=shown(where), hint="check its path")
    with unreadable(where):
        about = path.lstat()
    chunks, size = [], 0
    with opened_file(where, None, where, about) as descriptor:
        for chunk in content(descriptor, where):
            size += len(chunk)
            if size > max_bytes:
                raise IntakeError(
                    f"the file has more than {max_bytes} bytes", where=shown(where), hint="give a smaller one"
                )
            chunks.append(chunk)
    return b"".join(chunks)


@contextmanager
def opened_file(name: str, folder: int | None, path: str, about: os.stat_result) -> Iterator[int]:
    """Open the plain file that `about` describes.

    Args:
        name: Below the open directory `folder`, or anywhere if that is None.
        path: What messages call it.

    Raises: IntakeError if it is not a plain file, or is another one by now.
    """
    if not stat.S_ISREG(about.st_mode):
        what = _SPECIAL.get(stat.S_IFMT(about.st_mode), "something else")
        raise IntakeError(f"{what}, not a plain file", where=shown(path), hint="hand in plain files only")
    with opened(name, _OPEN_FILE, folder, path) as descriptor:
        found = os.fstat(descriptor)
        if not os.path.samestat(found, about) or not stat.S_ISREG(found.st_mode):
            raise changed(path)
        yield descriptor


def content(descriptor: int, path: str) -> Iterator[bytes]:
    """Yield the file's bytes; refuse a file that was written to in the meantime, which is no one version of it."""
    before = os.fstat(descriptor)
    size = 0
    with unreadable(path):
        while chunk := os.read(descriptor, CHUNK):
            size += len(chunk)
            yield chunk
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (size, after.st_mtime_ns, after.st_ctime_ns):
        raise changed(path)


@contextmanager
def opened(name: str, flags: int, folder: int | None, path: str) -> Iterator[int]:
    """Open and close; raises IntakeError."""
    with unreadable(path):
        descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def unreadable(path: str) -> Iterator[None]:
    """Turn what the operating system says about `path` into IntakeError."""
    try:
        yield
    except OSError as error:
        if error.errno in _REPLACED:
            raise changed(path) from error
        raise IntakeError(
            f"it cannot be read: {error.strerror}", where=shown(path), hint="make it readable, or leave it out"
        ) from error


def changed(path: str) -> IntakeError:
    """Return the error for something that is not what it was a moment ago."""
    return IntakeError(
        "it changed while it was being read", where=shown(path), hint="run again when nothing writes to the folder"
    )
