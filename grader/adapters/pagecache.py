"""Push files out of the page cache, so that a program has to read them from the disk again."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

from grader.errors import UsageError

_PROT_READ = 1
_MAP_SHARED = 1
_FAILED = ctypes.c_void_p(-1).value


def drop(files: Sequence[Path]) -> None:
    """Drop the cached pages of these files.

    The kernel keeps what is not on the disk yet, so that is written first, and what a running program has mapped.

    Raises: UsageError naming a file that cannot be read.
    Source: posix_fadvise(2), POSIX_FADV_DONTNEED.
    """
    for file in files:
        try:
            fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                os.fdatasync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)
        except OSError as error:
            raise UsageError(
                f"cannot be pushed out of the page cache: {error.strerror}",
                where=str(file),
                hint="`--state file-cold` needs files that you may read",
            ) from error


def cached_share(file: Path) -> float | None:
    """Return which share of a file's pages is in memory; None for an empty file or where the kernel does not tell.

    Source: mincore(2).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        # Python's own mmap does not tell where it lies.
        place = libc.mmap(None, size, _PROT_READ, _MAP_SHARED, opened.fileno(), 0) if size else _FAILED
    if place == _FAILED:
        return None
    try:
        pages = ctypes.create_string_buffer(-(-size // mmap.PAGESIZE))
        if libc.mincore(place, size, pages) != 0:
            return None
        return sum(byte & 1 for byte in pages.raw) / len(pages.raw)
    finally:
        libc.munmap(place, size)
