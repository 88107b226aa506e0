"""The content-addressed cache of one user on disk.

Layout below the root, `<XDG_CACHE_HOME>/lab-grader`:

    <kind>/<first two of key>/<key>.data            one result: a header line with its sha256, then its bytes
    <kind>/<first two of key>/<key>.dir/content/    one directory
    <kind>/<first two of key>/<key>.dir/complete    there before the rename that makes the entry visible
    work/<name>/  work/<name>.lock                  what a living process is making; the lock is held while it lives
    .lab-grader                                     empty; without it nothing that lies under `work/` is ours

Everything is made under `work/` and becomes visible by one rename, so a kill at any moment leaves an old entry, a
new one or none.  A lock (flock) rather than a process id tells the living from the dead: ids are reused, and differ
between containers that share a cache.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import Field

from grader.adapters.remove import remove_tree
from grader.errors import HostError
from grader.model.base import Record

_MAGIC = b"grader/store/1"
_WORK = "work"
_MARKER = ".lab-grader"
_WORKSPACE_BYTES = 8
_WORKSPACE = re.compile(rf"[0-9a-f]{{{2 * _WORKSPACE_BYTES}}}")
_LEFT = re.compile(rf"{_WORKSPACE.pattern}(\.\d+)?")
"""A workspace, or what `remove_tree` moves out of one."""
_KIND = re.compile(r"[a-z][a-z0-9-]{0,63}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,199}")
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_ATTEMPTS = 10  # others may prune or replace an entry between two steps; ten times in a row is no coincidence
_IN_USE_AT_ONCE = 64  # directories one process keeps from being pruned: the descriptors that this may cost


class KindUsage(Record):
    """What the store holds of one kind; `size_bytes` is the sum of the files' lengths."""

    kind: str
    entries: int = Field(ge=0)
    size_bytes: int = Field(ge=0)


class PruneResult(Record):
    """What a prune removed; `in_use` counts entries that it would have removed but for a process at work on them."""

    removed: int = Field(ge=0)
    freed_bytes: int = Field(ge=0)
    kept: int = Field(ge=0)
    kept_bytes: int = Field(ge=0)
    in_use: int = Field(ge=0)


class _Entry(Record):
    """One entry on disk; `used_s` is the Unix time of its last use."""

    kind: str
    path: Path
    size_bytes: int
    used_s: float


def cache_root(environ: Mapping[str, str]) -> Path:
    """Return where the store lies: `GRADER_CACHE`, else `lab-grader` in the XDG cache directory.

    Source: XDG Base Directory Specification 0.8; a relative `XDG_CACHE_HOME` is to be ignored.
    """
    if own := environ.get("GRADER_CACHE"):
        return Path(own).absolute()
    base = environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path(environ.get("HOME") or "~").expanduser() / ".cache"
    return home / "lab-grader"


class DiskStore:
    """Implements `ports.Store`.

    Directories are safe against a kill, not against a loss of power before the disk has written them: a reader to
    whom each byte matters keeps a manifest and compares.

    Raises: HostError for a root that anybody may write to, and from every method if the disk fails or is full.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._in_use: dict[Path, int] = {}  # entry to the descriptor of its shared lock, oldest first
        weakref.finalize(self, _close_all, self._in_use)
        self._swept = False
        with _disk_errors(root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = root.stat().st_mode
        if mode & stat.S_IWOTH:
            raise HostError(
                "the cache may be written by every user of this host, so its results cannot be trusted",
                where=str(root),
                hint=f"run `chmod o-w {root}`, or name another directory in GRADER_CACHE",
            )

    def load(self, kind: str, key: str) -> bytes | None:
        """Return a stored result, None if there is none or it is damaged; using it keeps it from being pruned."""
        path = self._place(kind, key, ".data")
        with _disk_errors(path):
            try:
                raw = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
            header, _, data = raw.partition(b"\n")
            if header != _header(data):
                return None
            _mark_used(path)
            return data

    def save(self, kind: str, key: str, data: bytes) -> None:
        """Store a result, on disk when this returns; the last of several writers wins."""
        path = self._place(kind, key, ".data")
        with _disk_errors(path), self._workspace() as work:
            fresh = work / "data"
            with fresh.open("xb") as file:
                file.write(_header(data) + b"\n" + data)
                file.flush()
                os.fsync(file.fileno())
            self._make_parents(path)
            fresh.replace(path)
            _fsync(path.parent)

    def directory(
        self, kind: str, key: str, fill: Callable[[Path], None], intact: Callable[[Path], bool] | None = None
    ) -> Path:
        """Return the directory of that key, made by `fill` in a temporary place first if there is none.

        An entry that `intact` denies is made anew.  Two processes may fill the same key at once; one result stays,
        both return it.  It is not pruned while this store is alive and has not asked for 64 others since.
        """
        path = self._place(kind, key, ".dir")
        content = path / "content"
        for _ in range(_ATTEMPTS):
            if self._hold(path):
                if intact is None or intact(content):
                    return content
                self._set_aside(path)
            with self._workspace() as work:
                fresh = work / "entry"
                with _disk_errors(work):
                    (fresh / "content").mkdir(parents=True)
                fill(fresh / "content")
                with _disk_errors(path):
                    self._publish(fresh, path, work)
        raise HostError(
            "an entry of the cache is damaged or gone each time it is made",
            where=str(path),
            hint="check that disk, or name another in GRADER_CACHE",
        )

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Return an empty directory (mode 0700, on the cache's own file system) that is removed afterwards."""
        with self._workspace() as work:
            yield work

    def info(self) -> tuple[KindUsage, ...]:
        """Return what the store holds, by kind in alphabetical order."""
        entries = self._entries()
        return tuple(
            KindUsage(
                kind=kind,
                entries=sum(e.kind == kind for e in entries),
                size_bytes=sum(e.size_bytes for e in entries if e.kind == kind),
            )
            for kind in sorted({e.kind for e in entries})
        )

    def prune(self, older_than_days: float | None, max_bytes: int | None, *, dry_run: bool = False) -> PruneResult:
        """Remove entries not used for so long, then the longest unused until at most `max_bytes` are left.

        None sets no such limit.  What a process is using stays.  With `dry_run` nothing is removed, and the result
        is that of a prune now.
        """
        if not dry_run:
            self._sweep()
        entries = sorted(self._entries(), key=lambda entry: entry.used_s)
        too_old_s = time.time() - older_than_days * 86400 if older_than_days is not None else float("-inf")
        total = sum(entry.size_bytes for entry in entries)
        removed = freed = in_use = 0
        for entry in entries:
            if entry.used_s > too_old_s and (max_bytes is None or total - freed <= max_bytes):
                break
            if not _in_use(entry.path) if dry_run else self._drop(entry.path):
                removed, freed = removed + 1, freed + entry.size_bytes
            else:
                in_use += 1
        return PruneResult(
            removed=removed, freed_bytes=freed, kept=len(entries) - removed, kept_bytes=total - freed, in_use=in_use
        )

    def _place(self, kind: str, key: str, suffix: str) -> Path:
        if not _KIND.fullmatch(kind) or kind == _WORK or not _KEY.fullmatch(key):
            raise ValueError(f"not a kind and key of the store: {kind!r}, {key!r}")
        return self.root / kind / key[:2] / f"{key}{suffix}"

    def _make_parents(self, path: Path) -> None:
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o775, exist_ok=True)

    def _hold(self, path: Path) -> bool:
        """Return whether `path` is a complete entry; if so, keep `prune` from it and mark it as used."""
        marker = path / "complete"
        with _disk_errors(path):
            try:
                held = os.open(marker, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except (FileNotFoundError, NotADirectoryError):
                return False
            fcntl.flock(held, fcntl.LOCK_SH)
            # Between open and lock a prune may have moved the entry away.
            if not _same_file(held, marker) or not (path / "content").is_dir():
                os.close(held)
                return False
            _mark_used(marker)
        self._let_go(path)
        self._in_use[path] = held
        if len(self._in_use) > _IN_USE_AT_ONCE:
            self._let_go(next(iter(self._in_use)))
        return True

    def _let_go(self, path: Path) -> None:
        held = self._in_use.pop(path, None)
        if held is not None:
            os.close(held)

    def _set_aside(self, path: Path) -> None:
        """Remove a damaged entry, waiting a little for others who are looking at it."""
        self._let_go(path)
        for _ in range(50):
            if self._drop(path):
                return
            time.sleep(0.1)
        raise HostError(
            "an entry of the cache is damaged and another process is using it",
            where=str(path),
            hint=f"wait for that process to end, remove `{path}` and run again",
        )

    def _publish(self, fresh: Path, path: Path, work: Path) -> None:
        """Mark a finished entry as complete and rename it into place, unless a complete one is there by now."""
        (fresh / "complete").touch(exist_ok=False)
        fresh.chmod(0o755)
        (fresh / "content").chmod(0o755)
        self._make_parents(path)
        for attempt in range(_ATTEMPTS):
            try:
                fresh.rename(path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            else:
                _fsync(path.parent)
                return
            if (path / "complete").is_file() and (path / "content").is_dir():
                return
            with suppress(FileNotFoundError):
                path.rename(work / f"broken-{attempt}")
        raise HostError(
            "an entry of the cache cannot be replaced", where=str(path), hint=f"remove `{path}` and run again"
        )

    def _drop(self, path: Path) -> bool:
        """Remove an entry; False if it is in use."""
        with _disk_errors(path), self._workspace() as work:
            try:
                held = os.open(path / "complete" if path.suffix == ".dir" else path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                held = -1  # an incomplete directory, or gone by now
            try:
                if held >= 0:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.rename(work / "pruned")
            except BlockingIOError:
                return False
            except FileNotFoundError:
                pass
            finally:
                if held >= 0:
                    os.close(held)
        return True

    def _entries(self) -> list[_Entry]:
        with _disk_errors(self.root):
            return [
                entry
                for kind in _below(self.root)
                if kind.name != _WORK
                for start in _below(kind)
                for path in _below(start)
                if _is_entry(path)
                if (entry := _measured(path)) is not None
            ]

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        """Make a directory whose lock says that it belongs to a living process; remove both afterwards."""
        if not self._swept:
            self._swept = True
            self._sweep()
        with _disk_errors(self.root):
            path, lock, held = self._new_workspace()
        try:
            with _space_errors(path):
                yield path
        finally:
            with _disk_errors(path):
                remove_tree(path)
                lock.unlink(missing_ok=True)
                os.close(held)

    def _new_workspace(self) -> tuple[Path, Path, int]:
        """Return a new directory, its lock file and the descriptor that holds the lock."""
        parent = self.root / _WORK
        parent.mkdir(mode=0o775, exist_ok=True)
        if not self._is_ours():
            with suppress(FileExistsError):
                (self.root / _MARKER).touch(exist_ok=False)
        while True:
            path = parent / secrets.token_hex(_WORKSPACE_BYTES)
            lock = path.with_suffix(".lock")
            held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same_file(held, lock):
                    path.mkdir(mode=0o700)
                    return path, lock, held
            except BlockingIOError:
                pass  # a sweep saw the lock file before we held it, and removes it
            except BaseException:
                os.close(held)
                raise
            os.close(held)

    def _is_ours(self) -> bool:
        return os.path.lexists(self.root / _MARKER)

    def _sweep(self) -> None:
        """Remove what processes that are no longer alive have left under `work/`, and nothing that others keep there.

        Anybody may name a folder of that name, and people mistype `--cache`.
        """
        if not self._is_ours():
            return
        with _disk_errors(self.root / _WORK):
            for lock in (self.root / _WORK).glob("*.lock"):
                if not _WORKSPACE.fullmatch(lock.stem):
                    continue
                try:
                    held = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                except (FileNotFoundError, PermissionError):
                    continue  # gone by now, or another user's in a shared cache
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if _same_file(held, lock):
                        remove_tree(lock.with_suffix(""))
                        lock.unlink()
                except BlockingIOError:
                    pass
                finally:
                    os.close(held)
            # A removal that was killed leaves folders named after a workspace that has lost its lock.
            for left in (self.root / _WORK).glob("*"):
                if _LEFT.fullmatch(left.name) and not left.with_suffix(".lock").exists():
                    with suppress(PermissionError):
                        remove_tree(left)


def _close_all(held: dict[Path, int]) -> None:
    for descriptor in held.values():
        os.close(descriptor)


def _header(data: bytes) -> bytes:
    return b"%s %s %d" % (_MAGIC, hashlib.sha256(data).hexdigest().encode(), len(data))


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _mark_used(path: Path) -> None:
    with suppress(PermissionError):  # another user's entry in a shared cache: its owner's use counts
        os.utime(path)


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _below(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing if it is none, or gone by now: others use the cache meanwhile."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_entry(path: Path) -> bool:
    """Return whether this store could have made `path`: a root that is no cache must lose nothing."""
    kind, start = path.parts[-3], path.parts[-2]
    named = path.suffix in (".data", ".dir") and _KEY.fullmatch(path.stem) and path.stem[:2] == start
    if not named or not _KIND.fullmatch(kind) or kind == _WORK or path.is_symlink():
        return False
    if path.suffix == ".dir":
        return path.is_dir() and {entry.name for entry in _below(path)} <= {"content", "complete"}
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(_MAGIC)) in (_MAGIC, b"")
    return False


def _in_use(path: Path) -> bool:
    """Return whether a process keeps this directory from being pruned; results are read in one go and never kept."""
    try:
        marker = os.open(path / "complete", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(marker)
    return False


def _measured(path: Path) -> _Entry | None:
    """Return the entry at `path`, None if it is gone by now."""
    size = 0
    try:
        if path.suffix == ".data":
            about = path.stat()
            size, used = about.st_size, about.st_mtime
        else:
            marker = path / "complete"
            used = marker.stat().st_mtime if marker.exists() else 0.0
            for folder, _, files in os.walk(path):
                size += sum(Path(folder, name).lstat().st_size for name in files)
    except FileNotFoundError:
        return None
    return _Entry(kind=path.parts[-3], path=path, size_bytes=size, used_s=used)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into our error."""
    try:
        with _space_errors(path):
            yield
    except OSError as error:
        raise HostError(
            f"the cache cannot be used: {error.strerror or error}",
            where=str(error.filename or path),
            hint="make it writable for you, or name another directory in GRADER_CACHE",
        ) from error


@contextmanager
def _space_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise HostError(
            "no space left for the cache",
            where=str(path),
            hint="free some there, run `grader cache prune`, or name another directory in GRADER_CACHE",
        ) from error
