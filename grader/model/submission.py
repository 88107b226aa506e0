"""What was handed in: a frozen copy of it and the manifest that names its content."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from grader.model.base import Record, digest

REPORT_ENTRY = "@report"
"""Manifest path of a report that lies outside the submitted directory."""


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
    """Every file of a submission, sorted by path; `.git` and `grader-out` never enter it."""

    entries: tuple[ManifestEntry, ...]

    def sha256(self) -> str:
        """Identity of the submission: sha256 over one `sha256 size mode path` line per file."""
        lines = (f"{e.sha256} {e.size} {'x' if e.executable else '-'} {e.path}\n" for e in self.entries)
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


class Submission(Record):
    """A frozen submission, ready to be read, built and run.

    `frozen_dir` is where the copy lies on this host; it never reaches an output.
    """

    id: str = Field(description="`<name>-<first 8 hex digits of the manifest's sha256>`.")
    source: str = Field(description="`directory`, `archive` or `git:<commit>`, with no path of this host.")
    manifest: Manifest
    frozen_dir: str
    root: str = Field(default=".", description="Folder of the lab's files inside the copy.")
    report_path: str | None = Field(default=None, description="Manifest path of the report, None if there is none.")
    notes: tuple[str, ...] = ()
