"""Read a directory as a submission while its owner, or an enemy, may still be writing to it.

Every step opens one name below an open directory, never through a link, and looks at what was opened: a name that
becomes something else between listing and reading is refused, and nothing outside the directory can be reached.
Nothing is written, created, or opened for writing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from grader.adapters.frozencopy import Copier
from grader.adapters.plainfile import OPEN, content, opened, opened_file, read_plain_file, unreadable
from grader.model.submission import Copied, IntakeCaps

_OPEN_FOLDER = OPEN | os.O_DIRECTORY


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
        with opened(str(self._path), _OPEN_FOLDER, None, str(self._path)) as top:
            _copy_folder(top, "", copier)
        return copier.finish()

    def beside(self, path: str, caps: IntakeCaps) -> bytes | None:
        """Return a plain file next to or above the directory; a link there is refused, not followed."""
        place = Path(os.path.normpath(self._path / path))
        if not os.path.lexists(place) or os.path.realpath(place.parent) != str(place.parent):
            return None
        return read_plain_file(place, caps.file_bytes)

    def entry_of(self, path: str) -> str | None:
        """Return the path below this directory; only the folders on the way are resolved, never the file."""
        named = Path(os.path.realpath(Path(path).parent)) / Path(path).name
        return str(named.relative_to(self._path)) if named.is_relative_to(self._path) else None


def _copy_folder(folder: int, prefix: str, copier: Copier) -> None:
    with unreadable(prefix or "."):
        names = sorted(os.listdir(folder))
    for name in names:
        path = prefix + name
        if not copier.listed(path):
            continue
        with unreadable(path):
            about = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(about.st_mode):
            copier.folder(path)
            with opened(name, _OPEN_FOLDER, folder, path) as inner:
                _copy_folder(inner, path + "/", copier)
        elif stat.S_ISLNK(about.st_mode):
            with unreadable(path):
                target = os.readlink(name, dir_fd=folder)
            copier.link(path, target)
        else:
            with opened_file(name, folder, path, about) as descriptor:
                copier.file(path, bool(about.st_mode & stat.S_IXUSR), content(descriptor, path))
