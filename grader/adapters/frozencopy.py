"""Write the frozen copy of a submission: plain files only, each checked, counted and hashed while it is written.

`directory`, `archive` and `git` list what was handed in; all of them go through `Copier`, so that no source has
rules of its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from grader.adapters.plainfile import CHUNK
from grader.errors import HostError, IntakeError
from grader.model.base import Message
from grader.model.submission import REPORT_ENTRY, Copied, IntakeCaps, ManifestEntry, shown

_PART_BYTES = 255  # NAME_MAX of every file system that Linux has
_LINK_STEPS = 1000  # parts walked for one link, all hops together; the kernel stops at 40 hops
_LEFT_OUT = frozenset({".git", "grader-out"})
_BACKUP = re.compile(r".+\.md\.bak\d*")
"""What `fill --in-place` leaves beside a report: ours, as `grader-out` is."""


class Copier:
    """Builds the new directory `tree`.

    Announce everything that the source lists with `listed` first; it answers whether the content is wanted.
    Invariants: below `tree` are only plain files and folders made here; a path is written at most once; what
    `entries` say is what was written.  Links are settled by `finish`, from the copy and never from the source.
    """

    def __init__(self, tree: Path, caps: IntakeCaps) -> None:
        self._tree = tree
        self._caps = caps
        self._listed = 0
        self._bytes = 0
        self._entries: dict[str, ManifestEntry] = {}
        self._links: dict[str, str] = {}
        self._messages: list[Message] = []
        self._folded_files: dict[str, str] = {}
        self._folded_folders: dict[str, str] = {}
        self._made: set[str] = {""}
        with _write_errors(tree):
            _make_folder(tree)

    def listed(self, path: str) -> bool:
        """Count one listed file, folder or link; False if it stays out of every submission.

        Raises: IntakeError for a path that is not plainly relative, is too long, too deep, or one too many.
        """
        self._listed += 1
        if self._listed > self._caps.files:
            raise IntakeError(
                f"more than {self._caps.files} files, folders and links",
                where=shown(path),
                hint="hand in only the lab's own files",
            )
        parts = checked_parts(path, self._caps)
        return _LEFT_OUT.isdisjoint(parts) and not _BACKUP.fullmatch(parts[-1])

    def folder(self, path: str) -> None:
        """Note a folder, so that a file of that name is refused; only folders with files in them are made."""
        self._claim_folder(path)

    def file(self, path: str, executable: bool, chunks: Iterable[bytes]) -> None:
        """Write one file."""
        self._claim(path)
        self._write(path, executable, chunks)

    def link(self, path: str, target: str) -> None:
        """Note a symbolic link; `finish` puts a copy of the file that it leads to in its place."""
        self._claim(path)
        self._links[path] = target

    def hard_link(self, path: str, target: str) -> None:
        """Note another name for the file at `target`, which is a path from the top as `path` is."""
        try:
            checked_parts(target, self._caps)
        except IntakeError as error:
            raise IntakeError(
                f"a hard link to `{shown(target)}`: {error.what}",
                where=shown(path),
                hint="hand in the file itself instead of a link to it",
            ) from None
        self.link(path, "../" * path.count("/") + target)

    def absent(self, path: str, object_id: str, executable: bool) -> None:
        """Note a file whose content the source does not hold."""
        self._claim(path)
        self._entries[path] = ManifestEntry(
            path=path, size=0, executable=executable, sha256=f"git:{object_id}", state="absent"
        )
        self.leave_out("intake.object-absent", path)

    def leave_out(self, code: str, path: str) -> None:
        """Tell that something listed is not in the copy, and why."""
        self._messages.append(Message(code=code, params={"path": shown(path)}))

    def finish(self) -> Copied:
        """Settle the links and return what the copy holds."""
        for path in sorted(self._links):
            self._settle(path)
        return Copied(
            entries=tuple(self._entries[path] for path in sorted(self._entries)),
            messages=tuple(sorted(self._messages, key=lambda m: (m.code, str(m.params["path"])))),
        )

    def _settle(self, path: str) -> None:
        target = self._follow(path)
        entry = self._entries.get(target) if target is not None else None
        if entry is None:
            is_folder = target is not None and (not target or _folded(target) in self._folded_folders)
            self.leave_out("intake.link-to-folder" if is_folder else "intake.link-dangling", path)
        elif entry.state == "absent":
            self._entries[path] = entry.model_copy(update={"path": path})
        else:
            self._write(path, entry.executable, self._content(entry))

    def _follow(self, path: str) -> str | None:
        """Return where a link leads, `""` for the top, None if nowhere.

        Raises: IntakeError if any step of the way is outside the submission.
        """
        here: list[str] = []
        ahead = deque(path.split("/"))
        for _ in range(_LINK_STEPS):
            if not ahead:
                return "/".join(here)
            part = ahead.popleft()
            if part == "..":
                if not here:
                    raise self._points_out(path)
                here.pop()
            elif part not in ("", "."):
                here.append(part)
                target = self._links.get("/".join(here))
                if target is not None:
                    if target.startswith("/"):
                        raise self._points_out(path)
                    here.pop()
                    ahead.extendleft(reversed(target.split("/")))
        return None

    def _points_out(self, path: str) -> IntakeError:
        return IntakeError(
            f"the link points out of the submission: `{shown(self._links[path])}`",
            where=shown(path),
            hint="hand in the file itself instead of a link to it",
        )

    def _content(self, entry: ManifestEntry) -> Iterator[bytes]:
        with (self._tree / entry.path).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def _claim(self, path: str) -> None:
        """Give `path` to one file.  Names that differ in case only may both be files, never a file and a folder."""
        if path == REPORT_ENTRY:
            raise IntakeError(f"the name `{REPORT_ENTRY}` is reserved", where=path, hint="rename the file")
        folder, slash, _ = path.rpartition("/")
        if slash:
            self._claim_folder(folder)
        other = self._folded_folders.get(_folded(path))
        if other is not None:
            raise _file_and_folder(path, other)
        if path in self._entries or path in self._links:
            raise IntakeError("the same name is there twice", where=shown(path), hint="pack it again")
        self._folded_files.setdefault(_folded(path), path)

    def _claim_folder(self, path: str) -> None:
        parts = path.split("/")
        for depth in range(len(parts), 0, -1):
            folder = "/".join(parts[:depth])
            if self._folded_folders.get(_folded(folder)) == folder:
                return
            other = self._folded_files.get(_folded(folder))
            if other is not None:
                raise _file_and_folder(other, folder)
            self._folded_folders.setdefault(_folded(folder), folder)

    def _write(self, path: str, executable: bool, chunks: Iterable[bytes]) -> None:
        place = self._tree / path
        with _write_errors(place):
            self._make_parents(path)
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        size, sha256 = 0, hashlib.sha256()
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in chunks:
                size += len(chunk)
                self._bytes += len(chunk)
                self._check_bytes(path, size)
                sha256.update(chunk)
                with _write_errors(place):
                    _write_all(file.fileno(), chunk)
            with _write_errors(place):
                os.fchmod(file.fileno(), 0o755 if executable else 0o644)
        self._entries[path] = ManifestEntry(path=path, size=size, executable=executable, sha256=sha256.hexdigest())

    def _check_bytes(self, path: str, size: int) -> None:
        if size > self._caps.file_bytes:
            raise IntakeError(
                f"the file has more than {self._caps.file_bytes} bytes",
                where=shown(path),
                hint="leave it out of what you hand in",
            )
        if self._bytes > self._caps.total_bytes:
            raise IntakeError(
                f"the submission has more than {self._caps.total_bytes} bytes",
                where=shown(path),
                hint="hand in only the lab's own files",
            )

    def _make_parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in self._made:
                _make_folder(self._tree / folder)
                self._made.add(folder)


def checked_parts(path: str, caps: IntakeCaps) -> Sequence[str]:
    """Return the parts of a plainly relative path.

    Any other character than `/` and NUL is allowed, a newline too; a name that is not UTF-8 is refused, because
    neither the manifest nor a report could name it.
    Raises: IntakeError.
    """
    where = shown(path)
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise IntakeError("the name is not UTF-8", where=where, hint="rename the file") from None
    if "\0" in path:
        raise IntakeError("the name holds a NUL byte", where=where, hint="rename the file")
    if path.startswith("/"):
        raise IntakeError("the name is absolute", where=where, hint="pack the folder with relative names")
    parts = path.split("/")
    if ".." in parts:
        raise IntakeError("the name holds `..`", where=where, hint="pack the folder again from inside")
    if "" in parts or "." in parts:
        raise IntakeError("the name has an empty part or `.`", where=where, hint="pack the folder again")
    if len(encoded) > caps.path_bytes or max(len(part.encode()) for part in parts) > _PART_BYTES:
        raise IntakeError(
            f"the name is longer than {_PART_BYTES} bytes in a part or {caps.path_bytes} in all",
            where=where,
            hint="shorten the name",
        )
    if len(parts) > caps.depth:
        raise IntakeError(f"folders are nested deeper than {caps.depth}", where=where, hint="flatten the folders")
    return parts


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _file_and_folder(file: str, folder: str) -> IntakeError:
    return IntakeError(
        f"the same name is a file and a folder (`{shown(folder)}`) where case does not count",
        where=shown(file),
        hint="rename one of them",
    )


def _make_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0o755)  # whatever the umask


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _write_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise HostError(
            "no space left for the frozen copy" if full else f"the frozen copy cannot be written: {error.strerror}",
            where=shown(str(place)),
            hint="free some there, run `grader cache prune`, or name another directory in GRADER_CACHE",
        ) from error
