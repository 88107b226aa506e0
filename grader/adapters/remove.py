"""Remove a directory tree that something else has written: any depth, any owner, read-only folders inside."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path


def remove_tree(top: Path) -> None:
    """Remove `top` and all below it; links are removed, never followed.  No error if there is none.

    Each inner folder is first renamed to stand beside `top` (`<top>.1`, `<top>.2`, …), so that neither the depth
    of what a program made nor the length of its paths costs stack, descriptors or an error, as they do in
    `shutil.rmtree`.

    Raises: OSError where this user may not remove something.
    """
    number = count(1)
    parent = os.open(top.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        pending = [top.name]
        while pending:
            name = pending.pop()
            try:
                folder = _open_folder(name, parent)
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                os.unlink(name, dir_fd=parent)
                continue
            try:
                pending += _empty(folder, parent, top.name, number)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=parent)
    finally:
        os.close(parent)


def _open_folder(name: str, parent: int) -> int:
    """Open `name` in `parent`, never through a link, giving its owner the right to list it first if need be."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)


def _empty(folder: int, parent: int, prefix: str, number: count[int]) -> list[str]:
    """Unlink the files of `folder`, move its folders to `parent` and return their new names there."""
    with suppress(PermissionError):  # not ours, but we may be root or share its group
        os.fchmod(folder, 0o700)
    with os.scandir(folder) as listing:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
    moved = []
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
            continue
        aside = f"{prefix}.{next(number)}"
        try:
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=parent)
        except PermissionError:  # moving a folder rewrites its `..`, which needs the right to write into it
            os.chmod(name, 0o700, dir_fd=folder)
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=parent)
        moved.append(aside)
    return moved
