"""Watch and hand over directories that a submission's process may write; nothing in them is trusted.

The tree may hold links that point anywhere, millions of entries, or directories nested without end, and while the
process lives it may swap one for another at any moment.
"""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from grader.errors import HostError
from grader.model.base import Message

MAX_DEPTH = 100
"""Directories nested deeper are counted as over any cap: Go's build cache and module trees stay below 20."""

_MAX_PATH = 2000
"""Bytes of a path below the directory; the kernel takes 4096 with everything above."""

_PER_ENTRY = 1024
"""What an entry counts at least, so that empty files and directories, which have no blocks, cannot fill a disk."""

_ASK_S = 5.0
"""Between two questions of what was written while the disk as a whole does not fill: to count it takes a while."""


def usage(directories: Sequence[str], cap: int) -> int:
    """Return the bytes that the directories hold, by blocks; counting stops at the first value above `cap`.

    Safe while an enemy writes there: every step opens one name below an open directory and follows no link.
    """
    total = 0
    for directory in directories:
        try:
            top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        total = _below(top, total, cap)
        if total > cap:
            break
    return total


def _below(top: int, total: int, cap: int) -> int:
    """Add up what lies below the open directory `top`, and close it."""
    stack = [(top, os.scandir(top))]
    try:
        while stack and total <= cap:
            here, entries = stack[-1]
            try:
                entry = next(entries)
                found = os.stat(entry.name, dir_fd=here, follow_symlinks=False)
                total += max(_PER_ENTRY, found.st_blocks * 512 // max(1, found.st_nlink))
                if stat.S_ISDIR(found.st_mode):
                    if len(stack) > MAX_DEPTH:
                        return cap + 1
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                    child = os.open(entry.name, flags, dir_fd=here)
                    stack.append((child, os.scandir(child)))
            except StopIteration:
                _, entries = stack.pop()
                entries.close()
                os.close(here)
            except OSError:
                continue  # Removed or made unreadable since it was listed.
        return total
    finally:
        for fd, entries in stack:
            entries.close()
            os.close(fd)


def growth(
    folder: Path, cap: int, own: Callable[[], int], clock: Callable[[], float] = time.monotonic
) -> Callable[[], Message | None]:
    """Return what looks whether somebody writes more than `cap` bytes to a file system.

    For a folder of somebody else's, such as a container engine's, where others write and remove too.

    Args:
        own: Counts what whoever is watched has written.  It may take long: it is asked whenever the disk has less room
            by the cap than now, and else every few seconds, since what others remove hides what is written.
    """

    def free() -> int | None:
        try:
            found = os.statvfs(folder)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize

    before = free()
    asked_s = clock()

    def look() -> Message | None:
        nonlocal asked_s
        now = free()
        fills = before is not None and now is not None and before - now > cap
        if not fills and clock() - asked_s < _ASK_S:
            return None
        try:
            written = own()
        except HostError:
            if fills:
                raise
            written = 0  # what is counted comes and goes meanwhile; it is asked again
        asked_s = clock()
        return Message(code="run.disk-limit", params={"bytes": cap}) if written > cap else None

    return look


def hand_over(directory: str, uid: int, gid: int) -> None:
    """Give a directory and all that it holds to a user; no process of an enemy may be alive.

    Directories become accessible to their new owner, and set-id bits go, as `chown` always clears them on files.
    A directory nested deeper than `MAX_DEPTH`, or with too long a path, is moved up to the top as
    `deep-<n>`, so that whoever removes the tree later meets no path longer than the kernel or Python allows.
    """
    top = Path(directory)
    queue = [(top, 0)]
    moved = 0
    while queue:
        here, depth = queue.pop()
        if depth > MAX_DEPTH or len(os.fsencode(here)) - len(os.fsencode(top)) > _MAX_PATH:
            up = next(path for n in itertools.count(moved + 1) if not os.path.lexists(path := top / f"deep-{n}"))
            moved = int(up.name.removeprefix("deep-"))
            here, depth = here.rename(up), 1
        _give(here, uid, gid)
        here.chmod(stat.S_IMODE(here.lstat().st_mode) & 0o777 | 0o700)
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    queue.append((Path(entry.path), depth + 1))
                else:
                    _give(Path(entry.path), uid, gid)


def _give(path: Path, uid: int, gid: int) -> None:
    """Change the owner of a file, a directory or a link itself; a user may not even "change" it to what it is."""
    found = path.lstat()
    if (found.st_uid, found.st_gid) != (uid, gid):
        os.chown(path, uid, gid, follow_symlinks=False)
