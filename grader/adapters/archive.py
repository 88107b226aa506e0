"""Read a `.zip` or `.tar.*` archive as a submission, member by member; nothing is extracted by a library.

Bytes are counted as they come out of the decompressor.  Nested archives are files like any other.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from grader.adapters.frozencopy import Copier
from grader.adapters.plainfile import CHUNK
from grader.adapters.tarstream import TarMember, read_tar
from grader.errors import IntakeError
from grader.model.submission import Copied, IntakeCaps, shown

_SUFFIXES = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
_KINDS = "`.zip`, `.tar`, `.tar.gz`, `.tar.bz2` or `.tar.xz`"
_ONLY_FILES = "hand in only the lab's own files"
_PLAINER = "hand in a folder or an archive without such files"
_MAC_OS = "__MACOSX"  # the Finder's zips carry each file's attributes in this folder
_TAR_OVERHEAD = 4096  # per member: a header, an extended one with its data, padding
_ZIP_DIRECTORY_ENTRY = 512  # mean bytes per member in the directory of a zip, several times an honest one's
# What the standard library raises for damaged input, found by fuzzing.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    NotImplementedError,
)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], _Readable]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)


class ArchiveSource:
    """Implements `ports.Source` for an open archive; its bytes tell the format, not its name."""

    kind = "archive"
    packed = True

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._file = file
        self._where = str(path)
        self.name = _SUFFIXES.sub("", path.name)

    def copy(self, tree: Path, caps: IntakeCaps) -> Copied:
        """Copy every plain member; links are settled from the copy."""
        size = self._file.seek(0, io.SEEK_END)
        if size > caps.total_bytes:
            raise IntakeError(
                f"the archive has more than {caps.total_bytes} bytes", where=shown(self._where), hint=_ONLY_FILES
            )
        self._file.seek(0)
        start = self._file.read(512)
        self._file.seek(0)
        copier = Copier(tree, caps)
        if start.startswith((b"PK\3\4", b"PK\5\6")):
            _copy_zip(self._file, size, copier, caps)
        else:
            _copy_tar(self._decompressed(start), size, copier, caps)
        return copier.finish()

    def beside(self, path: str, caps: IntakeCaps) -> bytes | None:
        """Return None: nothing lies beside the content of an archive."""

    def entry_of(self, path: str) -> str | None:
        """Return `path` itself: inside an archive names are relative to its top."""
        return path.removeprefix("./")

    def _decompressed(self, start: bytes) -> _Readable:
        for magic, opener in _OPENERS:
            if start.startswith(magic):
                return opener(self._file)
        if start.startswith(b"\x28\xb5\x2f\xfd"):
            raise IntakeError("zstd archives are not supported", where=shown(self._where), hint=f"pack it as {_KINDS}")
        if len(start) < 512 or not _is_tar_header(start):
            raise IntakeError(
                "this file is no archive that can be read", where=shown(self._where), hint=f"give a folder, {_KINDS}"
            )
        return self._file


class _Inflow:
    """Counts what comes out of a decompressor.  Invariant: never more than the caps allow has been read."""

    def __init__(self, source: _Readable, packed_bytes: int, limit_bytes: int, caps: IntakeCaps, where: str) -> None:
        self._source = source
        self._limit = limit_bytes
        self._ratio_limit = max(caps.ratio_free_bytes, caps.ratio * packed_bytes)
        self._ratio = caps.ratio
        self._where = shown(where)
        self.count = 0

    def read(self, size: int) -> bytes:
        data = self._source.read(min(size, CHUNK))
        self.count += len(data)
        if self.count > self._limit:
            raise IntakeError(f"it unpacks to more than {self._limit} bytes", where=self._where, hint=_ONLY_FILES)
        if self.count > self._ratio_limit:
            raise IntakeError(
                f"it unpacks to more than {self._ratio} times its packed size",
                where=self._where,
                hint=_PLAINER,
            )
        return data

    def chunks(self) -> Iterator[bytes]:
        while data := self.read(CHUNK):
            yield data


def _copy_tar(source: _Readable, packed_bytes: int, copier: Copier, caps: IntakeCaps) -> None:
    limit = caps.total_bytes + caps.files * _TAR_OVERHEAD
    inflow = _Inflow(source, packed_bytes, limit, caps, "the archive")
    with _damage("the archive"):
        for member in read_tar(inflow.read):
            path = _relative(member.path)
            if path and copier.listed(path) and path.split("/")[0] != _MAC_OS:
                _copy_tar_member(member, path, copier)
        for _ in inflow.chunks():  # to the end, where a compressed stream holds its checksum
            pass


def _copy_tar_member(member: TarMember, path: str, copier: Copier) -> None:
    _refuse_drive(path)
    if member.kind == "folder":
        copier.folder(path)
    elif member.kind == "link":
        copier.link(path, member.target)
    elif member.kind == "hard-link":
        copier.hard_link(path, _relative(member.target))
    elif member.kind == "file":
        copier.file(path, member.executable, member.chunks)
    else:
        raise _special(path)


def _copy_zip(file: BinaryIO, packed_bytes: int, copier: Copier, caps: IntakeCaps) -> None:
    _refuse_large_directory(file, packed_bytes, caps)
    unpacked = 0
    with _damage("the archive"), zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            # `filename` ends at the first NUL; what stands behind it is how a name hides its true suffix.
            path = _relative(info.orig_filename)
            if "\\" in path:
                raise IntakeError("the name holds `\\`", where=shown(path), hint="pack it with `/` between folders")
            if path and copier.listed(path) and path.split("/")[0] != _MAC_OS:
                unpacked += _copy_zip_member(archive, info, path, copier, caps)
            if unpacked > max(caps.ratio_free_bytes, caps.ratio * packed_bytes):
                raise IntakeError(
                    f"it unpacks to more than {caps.ratio} times its packed size", where="the archive", hint=_PLAINER
                )


def _copy_zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, copier: Copier, caps: IntakeCaps
) -> int:
    """Copy one member and return its bytes as unpacked."""
    _refuse_drive(path)
    if info.flag_bits & 0x41:
        raise IntakeError("the member is encrypted", where=shown(path), hint="pack it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The library reads bzip2 and LZMA members without a bound on what one read gives.
        raise IntakeError(
            f"the member is compressed by method {info.compress_type}, not by `deflate`",
            where=shown(path),
            hint="pack it as a plain zip",
        )
    mode = info.external_attr >> 16 if info.create_system == 3 else 0  # 3: made on Unix
    kind = stat.S_IFMT(mode)
    if info.orig_filename.endswith("/") or kind == stat.S_IFDIR:
        copier.folder(path)
        return 0
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise _special(path)
    with _damage(path), archive.open(info) as member:
        inflow = _Inflow(member, info.compress_size, caps.file_bytes, caps, path)
        if kind == stat.S_IFLNK:
            target = inflow.read(caps.path_bytes + 1)
            if len(target) > caps.path_bytes:
                raise IntakeError("the link's target is too long", where=shown(path), hint="leave the link out")
            copier.link(path, target.decode("utf-8", "surrogateescape"))
        else:
            copier.file(path, bool(mode & stat.S_IXUSR), inflow.chunks())
        return inflow.count


def _refuse_large_directory(file: BinaryIO, size: int, caps: IntakeCaps) -> None:
    """Refuse a zip whose directory, which `zipfile` reads whole, is far larger than the allowed members need.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
    """
    file.seek(max(0, size - (1 << 16) - 22 - 20 - 56))
    tail = file.read()
    stated = [int.from_bytes(tail[m.start() + 12 : m.start() + 16], "little") for m in re.finditer(b"PK\5\6", tail)]
    large = [int.from_bytes(tail[m.start() + 40 : m.start() + 48], "little") for m in re.finditer(b"PK\6\6", tail)]
    # All ones say that the zip64 record counts.
    if max([0, *(s for s in stated if s != 0xFFFFFFFF), *large]) > caps.files * _ZIP_DIRECTORY_ENTRY:
        raise IntakeError(f"more than {caps.files} members", where="the archive", hint=_ONLY_FILES)
    file.seek(0)


def _relative(name: str) -> str:
    """Drop what packers put around a path without meaning: `./` in front, `/` behind, doubled and `.` parts."""
    if name.startswith("/"):
        return name
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _refuse_drive(path: str) -> None:
    if re.match(r"[A-Za-z]:", path):
        raise IntakeError("the name begins with a drive letter", where=shown(path), hint="pack it with relative names")


def _is_tar_header(block: bytes) -> bool:
    digits = block[148:156].strip(b" \0")
    return digits.isdigit() and any(block)


def _special(path: str) -> IntakeError:
    return IntakeError("a device, fifo or socket, not a plain file", where=shown(path), hint="pack plain files only")


@contextmanager
def _damage(where: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise IntakeError(
            f"the archive is damaged or cut off: {shown(str(error))}",
            where=shown(where),
            hint="pack it again and compare its size after the transfer",
        ) from error
