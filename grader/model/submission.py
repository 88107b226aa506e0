"""What was handed in: a frozen copy of it and the manifest that names its content."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from grader.model.base import Message, Record, digest

REPORT_ENTRY = "@report"
"""Manifest path of a report that lies outside the submitted directory."""


class IntakeCaps(Record):
    """What a submission may be at most; anything above is refused whole, never cut.

    Bytes are counted as they are read or decompressed: what a header says is never trusted.
    """

    total_bytes: int = Field(default=512 << 20, gt=0, description="All files together; also the archive file itself.")
    files: int = Field(default=20_000, gt=0, description="Files, folders and links that are listed, left out or not.")
    depth: int = Field(default=32, gt=0, description="Parts of one path.")
    file_bytes: int = Field(default=256 << 20, gt=0, description="One file, holes of a sparse file included.")
    ratio: int = Field(default=200, gt=1, description="Decompressed / compressed, for a member and for the whole.")
    ratio_free_bytes: int = Field(default=1 << 20, ge=0, description="Bytes that decompress before `ratio` counts.")
    path_bytes: int = Field(default=1024, gt=0, description="One path, in UTF-8; a part of it has at most 255.")


REPORT_BYTES = 2_000_000
"""Largest report that is read unless asked otherwise; the longest known one has 53 kB."""

EVIDENCE_FILES = 100
"""Files of output beside a report that are read."""

EVIDENCE_BYTES = 256 << 10
"""Largest of them."""


class ManifestEntry(Record):
    """One file of a submission.

    `state` is `absent` where a git repository lists a file whose object it does not hold; `sha256` is then the
    git object id behind `git:` and `size` is 0.
    """

    path: str = Field(min_length=1, description="Relative, `/` between parts, NFC as handed in; or `@report`.")
    size: int = Field(ge=0, description="Bytes.")
    executable: bool = False
    sha256: str
    state: Literal["present", "absent"] = "present"


class Manifest(Record):
    """Every file of a submission, sorted by path; `.git`, `grader-out` and `REPORT.md.bak` never enter it."""

    entries: tuple[ManifestEntry, ...]

    def sha256(self) -> str:
        """Identity of the submission: sha256 over one `sha256 size mode path` line per file.

        A newline in a path is escaped as sha256sum(1) does, else one file could stand for two.
        """
        lines = (f"{e.sha256} {e.size} {'x' if e.executable else '-'} {_one_line(e.path)}\n" for e in self.entries)
        return digest("".join(lines).encode("utf-8", "surrogateescape"))

    def under(self, root: str) -> tuple[ManifestEntry, ...]:
        """Return the entries below `root` (`.` for all), with their whole paths."""
        if root in ("", "."):
            return self.entries
        prefix = root.rstrip("/") + "/"
        return tuple(e for e in self.entries if e.path.startswith(prefix))

    def find(self, path: str) -> ManifestEntry | None:
        """Return the entry with exactly this path."""
        wanted = str(PurePosixPath(path))
        return next((e for e in self.entries if e.path == wanted), None)


def shown(name: str) -> str:
    """Return a name as a message may show it: control, direction and undecodable characters escaped, cut at 200."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)
    return escaped if len(escaped) <= 200 else escaped[:199] + "…"


def _one_line(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n")


class Copied(Record):
    """What intake read from one source: entries sorted by path, and what it left out with the reason."""

    entries: tuple[ManifestEntry, ...]
    messages: tuple[Message, ...] = ()


class Submission(Record):
    """A frozen submission, ready to be read, built and run.

    `frozen_dir` is where the copy's tree lies on this host; it never reaches an output.
    """

    id: str = Field(description="`<name>-<first 8 hex digits of the manifest's sha256>`.")
    source: str = Field(description="`directory`, `archive` or `git:<commit>`, with no path of this host.")
    manifest: Manifest
    frozen_dir: str
    root: str = Field(default=".", description="Folder of the lab's files inside the copy.")
    report_path: str | None = Field(default=None, description="Manifest path of the report, None if there is none.")
    messages: tuple[Message, ...] = Field(default=(), description="What intake left out of the copy, and why.")
