"""Take a file that a submission or its build made into our own keeping."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from grader.errors import HostError
from grader.model.base import Message, Record

MAX_BYTES = 256 << 20
"""Above any real build of these labs (Go: 5 MB) by far; what is larger fills caches."""

_HEAD = 4096


class Taken(Record):
    """A private copy: `path`, `size`, `sha256`, and the first bytes."""

    path: str
    size: int
    sha256: str
    head: bytes


def take_file(source: Path, target: Path, *, cap: int = MAX_BYTES) -> Taken | Message:
    """Copy one plain file, mode 0755, reading it once: what is hashed is what is kept.

    Returns: A message if there is none, if it is a link, device or pipe, or larger than `cap` bytes.
    Raises: HostError if the copy cannot be written.
    """
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Message(code="build.no-file", params={"file": source.name})
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        os.close(fd)
        return Message(code="build.no-file", params={"file": source.name})
    with os.fdopen(fd, "rb") as file:
        if about.st_size > cap:
            return Message(code="build.too-large", params={"file": source.name, "size": about.st_size, "cap": cap})
        try:
            data = file.read(cap + 1)
            target.write_bytes(data)
            target.chmod(0o755)
        except OSError as error:
            raise HostError(
                f"cannot be kept: {error.strerror}",
                where=str(target),
                hint="free some space there, or name another directory in GRADER_CACHE",
            ) from error
    return Taken(path=str(target), size=len(data), sha256=hashlib.sha256(data).hexdigest(), head=data[:_HEAD])
