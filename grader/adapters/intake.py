"""Open whatever a caller names as a submission: a directory, an archive or a commit."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from grader.adapters.plainfile import CHUNK, read_plain_file
from grader.errors import IntakeError
from grader.model.submission import IntakeCaps, ManifestEntry, shown
from grader.ports import Source


class LocalIntake:
    """Implements `ports.Intake`; `environ` is what git inherits, without its `GIT_*`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @contextmanager
    def open(self, source: str, scratch: Path, caps: IntakeCaps) -> Iterator[Source]:
        """Open a directory, an archive or `git:REPO@REF[:PATH]`; a folder of that name is `./git:…`.

        Raises: IntakeError, HostError.
        """
        # Here, because they need modules that only Unix has, and reading a single report does not need them.
        from grader.adapters.archive import ArchiveSource
        from grader.adapters.directory import DirectorySource
        from grader.adapters.git import open_git, parse_spec

        path = Path(source)
        if source.startswith("git:"):
            with open_git(parse_spec(source), scratch, caps, self._environ) as opened:
                yield opened
        elif source and path.is_dir():
            yield DirectorySource(path)
        elif path.is_file():
            try:
                file = path.open("rb")
            except OSError as error:
                raise IntakeError(
                    f"it cannot be read: {error.strerror}", where=shown(source), hint="make it readable for you"
                ) from error
            with file:
                yield ArchiveSource(path, file)
        else:
            raise IntakeError(
                "there is no such folder or archive",
                where=shown(source) or "``",
                hint="give the lab's folder, a `.zip` or `.tar.*`, or `git:REPO@REF[:PATH]`",
            )

    def read_file(self, path: str, caps: IntakeCaps) -> bytes:
        """Return a plain file that the caller named; a link is refused."""
        return read_plain_file(Path(path), caps.file_bytes)

    def intact(self, tree: Path, entries: Sequence[ManifestEntry]) -> bool:
        """Return whether `tree` holds these files with these bytes and modes, and nothing else."""
        expected = {entry.path: entry for entry in entries if entry.state == "present"}
        found = set()
        for folder, folders, files in os.walk(tree):
            if any(Path(folder, name).is_symlink() for name in folders):
                return False
            for name in files:
                path = Path(folder, name)
                relative = path.relative_to(tree).as_posix()
                if relative not in expected or not _is(path, expected[relative]):
                    return False
                found.add(relative)
        return found == expected.keys()


def _is(path: Path, entry: ManifestEntry) -> bool:
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size != entry.size:
            return False
        if bool(about.st_mode & stat.S_IXUSR) != entry.executable:
            return False
        sha256 = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
    except OSError:
        return False
    return sha256.hexdigest() == entry.sha256
