"""Read a directory as a submission while its owner, or an enemy, may still be writing to it.

Every step opens one name below an open directory, never through a link, and looks at what was opened: a name that
becomes something else between listing and reading is refused, and nothing outside the directory can be reached.
Nothing is written, created, or opened for writing.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.adapters.frozencopy import CHUNK, Copier
from grader.errors import IntakeError
from grader.model.submission import Copied, IntakeCaps, shown

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
# A fifo that is put in a file's place must not make `open` wait, nor a terminal become ours.
_OPEN_FILE = _OPEN | os.O_NONBLOCK | os.O_NOCTTY
_SPECIAL = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
_REPLACED = (errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENXIO)


class DirectorySource:
    """Implements `ports.Source` for a directory; the path itself may be a link, as the caller named it."""

    kind = "directory"
    packed = False

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))
        self.name = self._path.name

    def copy(self, tree: Path, caps: IntakeCaps) -> Copied:
        """Copy every plain file; links are settled from the copy."""
        copier = Copier(tree, caps)
        with _opened(str(self._path), _OPEN | os.O_DIRECTORY, None, str(self._path)) as top:
            _copy_folder(top, "", copier)
        return copier.finish()

    def beside(self, path: str, caps: IntakeCaps) -> bytes | None:
        """Return a plain file next to or above the directory; a link there is refused, not followed."""
        place = Path(os.path.normpath(self._path / path))
        if not os.path.lexists(place) or os.path.realpath(place.parent) != str(place.parent):
            return None
        return read_plain_file(place, caps)

    def entry_of(self, path: str) -> str | None:
        """Return the path below this directory; only the folders on the way are resolved, never the file."""
        named = Path(os.path.realpath(Path(path).parent)) / Path(path).name
        return str(named.relative_to(self._path)) if named.is_relative_to(self._path) else None


def read_plain_file(path: Path, caps: IntakeCaps) -> bytes:
    """Return the bytes of one plain file.

    A link is refused even where the caller named it: the folder may be a stranger's, and a link in it may lead to a
    secret of this host.
    Raises: IntakeError.
    """
    where = str(path)
    with _unreadable(where):
        about = path.lstat()
    with _opened_file(path.name, None, where, about, whole=path) as descriptor:
        chunks, size = [], 0
        for chunk in _content(descriptor, where):
            size += len(chunk)
            if size > caps.file_bytes:
                raise IntakeError(f"the file has more than {caps.file_bytes} bytes", where=shown(where))
            chunks.append(chunk)
        return b"".join(chunks)


def _copy_folder(folder: int, prefix: str, copier: Copier) -> None:
    with _unreadable(prefix or "."):
        names = sorted(os.listdir(folder))
    for name in names:
        path = prefix + name
        if not copier.listed(path):
            continue
        with _unreadable(path):
            about = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(about.st_mode):
            copier.folder(path)
            with _opened(name, _OPEN | os.O_DIRECTORY, folder, path) as inner:
                _copy_folder(inner, path + "/", copier)
        elif stat.S_ISLNK(about.st_mode):
            with _unreadable(path):
                copier.link(path, os.readlink(name, dir_fd=folder))
        else:
            with _opened_file(name, folder, path, about) as descriptor:
                copier.file(path, bool(about.st_mode & stat.S_IXUSR), _content(descriptor, path))


@contextmanager
def _opened_file(
    name: str, folder: int | None, path: str, about: os.stat_result, whole: Path | None = None
) -> Iterator[int]:
    """Open the plain file that `about` describes, and nothing else that has its name by now."""
    if not stat.S_ISREG(about.st_mode):
        what = _SPECIAL.get(stat.S_IFMT(about.st_mode), "a link" if stat.S_ISLNK(about.st_mode) else "a folder")
        raise IntakeError(f"{what}, not a plain file", where=shown(path), hint="hand in plain files only")
    with _opened(str(whole or name), _OPEN_FILE, folder, path) as descriptor:
        found = os.fstat(descriptor)
        if not os.path.samestat(found, about) or not stat.S_ISREG(found.st_mode):
            raise _changed(path)
        yield descriptor


def _content(descriptor: int, path: str) -> Iterator[bytes]:
    """Yield the file's bytes; refuse a file that was written to in the meantime, which is no one version of it."""
    before = os.fstat(descriptor)
    size = 0
    with _unreadable(path):
        while chunk := os.read(descriptor, CHUNK):
            size += len(chunk)
            yield chunk
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (size, after.st_mtime_ns, after.st_ctime_ns):
        raise _changed(path)


@contextmanager
def _opened(name: str, flags: int, folder: int | None, path: str) -> Iterator[int]:
    with _unreadable(path):
        descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _unreadable(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _REPLACED:
            raise _changed(path) from error
        raise IntakeError(
            f"it cannot be read: {error.strerror}", where=shown(path), hint="make it readable, or leave it out"
        ) from error


def _changed(path: str) -> IntakeError:
    return IntakeError(
        "it changed while it was being read", where=shown(path), hint="run again when nothing writes to the folder"
    )
