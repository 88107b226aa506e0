"""The folder of an offline bundle: look at it without following a link, write its manifest, keep to its own files."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from grader.adapters.fetch import disk_full, file_sha256
from grader.errors import HostError, UsageError
from grader.model.base import first_mistake
from grader.model.bundle import MANIFEST, PARTIAL, PARTS, Bundle, Entry, Found, digest_of, manifest_bytes

_LARGEST_MANIFEST = 16 << 20
_REMAKE = "make it again with `grader bundle create`, or copy it again"


def open_for_writing(folder: Path) -> Path:
    """Have a folder that a bundle may be made in; returns the one inside it for what is not whole yet.

    A folder of anything else is refused.  The manifest of an earlier bundle goes first: from here to the end the
    folder is no bundle.

    Raises: UsageError, HostError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / PARTIAL
        strangers = sorted({path.name for path in folder.iterdir()} - {MANIFEST, PARTIAL, *PARTS})
        own = (folder / MANIFEST).is_file() or partial.is_dir()
        if strangers or (not own and any(folder.iterdir())):
            what = f"the folder holds `{strangers[0]}`" if strangers else "the folder holds files"
            raise UsageError(f"{what}, which no bundle made", where=str(folder), hint="name a new or an empty folder")
        for name in (PARTIAL, *PARTS):
            if (folder / name).is_symlink():
                raise UsageError("is a symbolic link", where=str(folder / name), hint="name a new or an empty folder")
        partial.mkdir(exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
    except FileExistsError as error:
        raise UsageError("is no folder", where=str(folder), hint="name a new or an empty folder") from error
    except OSError as error:
        raise _trouble(error, folder) from error
    return partial


def require_room(folder: Path, needed: int) -> None:
    """Refuse to begin what cannot end.  Raises: HostError."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        what = f"{needed:,} bytes are still to come, and {free:,} are free"
        raise HostError(what, where=str(folder), hint="make room, or name a folder on another disk")


def entry_of(folder: Path, path: str) -> Entry:
    """Return the manifest's line for a file that was put there."""
    digest = file_sha256(folder / path)
    if digest is None:
        raise HostError("cannot be read any more", where=str(folder / path))
    return Entry(path=path, size=(folder / path).stat().st_size, sha256=digest)


def keep_only(folder: Path, paths: Iterable[str]) -> None:
    """Remove from the bundle's own folders what an earlier list had and this one has not."""
    kept = set(paths)
    for part in PARTS:
        for top, folders, files in os.walk(folder / part, topdown=False):
            for name in (*files, *(name for name in folders if Path(top, name).is_symlink())):
                if Path(top, name).relative_to(folder).as_posix() not in kept:
                    Path(top, name).unlink()
            if not any(Path(top).iterdir()):
                Path(top).rmdir()


def finish(folder: Path, bundle: Bundle) -> str:
    """Write the manifest, which makes the folder a bundle, and return the bundle's digest."""
    data = manifest_bytes(bundle)
    unfinished = folder / PARTIAL / MANIFEST
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / MANIFEST)
        shutil.rmtree(folder / PARTIAL)
    except OSError as error:
        raise _trouble(error, folder) from error
    return digest_of(data)


def read_manifest(folder: Path, digest: str) -> Bundle:
    """Return the manifest, whose digest must be the given one: nothing of it is looked at before that is so.

    Raises: UsageError.
    """
    path = folder / MANIFEST
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            data = file.read(_LARGEST_MANIFEST + 1)
    except FileNotFoundError as error:
        if (folder / PARTIAL).is_dir():
            raise UsageError(
                "the bundle is not finished", where=str(folder), hint="run the same `grader bundle create` again"
            ) from error
        raise UsageError("is no bundle: it has no `bundle.json`", where=str(folder), hint=_REMAKE) from error
    except NotADirectoryError as error:
        raise UsageError("is no folder", where=str(folder)) from error
    except OSError as error:
        reason = "is a symbolic link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
        raise UsageError(reason, where=str(path), hint=_REMAKE) from error
    found = digest_of(data)
    if found != digest:
        raise UsageError(
            f"the bundle's digest is `{found}`, and `{digest}` was asked for",
            where=str(folder),
            hint="take the digest that `grader bundle create` printed last; if it is that one, do not use this bundle",
        )
    try:
        return Bundle.model_validate_json(data)
    except ValidationError as error:
        raise UsageError(first_mistake(error), where=str(path), hint=_REMAKE) from error


def contents(folder: Path, bundle: Bundle) -> dict[str, Found]:
    """Return everything in the folder but its manifest, by path; files are hashed where their size is right."""
    sizes = {entry.path: entry.size for entry in bundle.files}
    found = {}
    for path, about in _walk(folder, folder):
        if path == MANIFEST:
            continue
        if stat.S_ISREG(about.st_mode):
            digest = file_sha256(folder / path) if sizes.get(path) == about.st_size else None
            found[path] = Found(kind="file", size=about.st_size, sha256=digest)
        elif stat.S_ISDIR(about.st_mode):
            found[path] = Found(kind="folder")
        else:
            found[path] = Found(kind="link" if stat.S_ISLNK(about.st_mode) else "special")
    return found


def _walk(folder: Path, top: Path) -> Iterator[tuple[str, os.stat_result]]:
    try:
        for entry in sorted(os.scandir(folder), key=lambda found: found.name):
            about = entry.stat(follow_symlinks=False)
            yield Path(entry.path).relative_to(top).as_posix(), about
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), top)
    except OSError as error:
        raise _trouble(error, folder) from error


def _trouble(error: OSError, folder: Path) -> HostError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(folder / MANIFEST)
    return HostError(f"cannot be used: {error.strerror}", where=error.filename or str(folder))
