"""Files of output beside a report on disk: plain, small, no links followed, by the lab's patterns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from grader.adapters.plainfile import read_plain_file
from grader.errors import IntakeError
from grader.model.submission import EVIDENCE_BYTES, EVIDENCE_FILES

MOST_LISTED = 2000
"""Files of a folder that are looked at."""


def evidence_beside(report: Path, patterns: Sequence[str]) -> dict[str, bytes]:
    """Return the files beside `report` that match, by path from its folder; one that cannot be read is left out."""
    found: dict[str, bytes] = {}
    for name in _listed(report.parent, patterns):
        path = report.parent / name
        if len(found) == EVIDENCE_FILES:
            break
        if path == report or not any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        try:
            found[name] = read_plain_file(path, EVIDENCE_BYTES)
        except IntakeError:
            continue
    return found


def _listed(folder: Path, patterns: Sequence[str]) -> Iterator[str]:
    """Yield relative paths in order: the folder itself only for patterns without one, never below what is a link."""
    roots = sorted({pattern.rpartition("/")[0] for pattern in patterns})
    for root in roots:
        start = folder / root
        if start.is_symlink() or not start.is_dir():
            continue
        left = MOST_LISTED
        for here, folders, files in os.walk(start):
            folders[:] = sorted(folders) if root else []
            for file in sorted(files)[:left]:
                yield (Path(here) / file).relative_to(folder).as_posix()
            left -= len(files)
            if left <= 0:
                break
