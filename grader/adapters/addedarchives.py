"""Find archives that ADD would unpack: the daemon does that itself, outside every cap of a build, and does not stop.

Ten kilobytes may say that they are a file of a terabyte.  Whatever may be an archive counts as one.

Source: Docker, builder/dockerfile/copy.go; pkg/archive `DetectCompression`, `IsArchivePath`.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from grader.model.base import Message
from grader.recipes.imagebuild import Added

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
"""How gzip, bzip2, xz and zstd begin."""
_ZSTD_SKIPPED = b"\x2a\x4d\x18"
"""Behind any one byte: a frame that a reader of zstd skips."""
_BLOCK = 512
_CHECKSUM = slice(148, 156)


def added_archives(added: Sequence[Added], context: Path) -> tuple[Message, ...]:
    """Return for each ADD that names an archive, or a link that may lead to one, why it is not built."""
    return tuple(
        Message(code="image.archive", params={"line": one.line, "found": one.source[:80]})
        for one in added
        if any(map(_may_be_unpacked, _named(context, one.source)))
    )


def _named(context: Path, source: str) -> Iterator[Path]:
    """Yield what a source names, and of a pattern rather too much: Go's classes of characters are not Python's."""
    inner = posixpath.normpath(f"/{source}").lstrip("/")
    before, _, after = inner.partition("[")
    if after or "[" in inner or set("*?") & set(inner):
        pattern = f"{before}*" if "[" in inner else inner
        for folder, _, files in os.walk(context):
            paths = (Path(folder, name) for name in files)
            yield from (path for path in paths if fnmatchcase(path.relative_to(context).as_posix(), pattern))
        return
    path = context
    for part in Path(inner).parts:
        path = path / part
        yield path


def _may_be_unpacked(path: Path) -> bool:
    """Folders are not: what is below one is copied as it is."""
    try:
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            return True
        if not stat.S_ISREG(about.st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(_BLOCK)
    except OSError:
        return False
    return head.startswith(_COMPRESSED) or head[1:4] == _ZSTD_SKIPPED or _is_tar(head)


def _is_tar(head: bytes) -> bool:
    if len(head) < _BLOCK:
        return False
    try:
        said = int(head[_CHECKSUM].strip(b" \0").split(b"\0")[0], 8)
    except ValueError:
        return False
    counted = head[: _CHECKSUM.start] + b" " * 8 + head[_CHECKSUM.stop :]
    return said in (sum(counted), sum(byte - 256 if byte > 127 else byte for byte in counted))
