"""Read a tar archive once from front to back, with no trust in it.

Not `tarfile`: the one in Python 3.11.2 (Debian 12) backtracks for hours on a crafted pax header (CVE-2024-6232), loops
on a negative size (CVE-2025-8194), recurses once per extended header and takes an archive that was cut between two
members for a whole one.  This reads what the common writers write (v7, ustar, GNU long names, pax) in linear time
and constant memory; everything else is refused.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar 1.34 manual, "Basic Format".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from grader.errors import IntakeError
from grader.model.submission import shown

_BLOCK = 512
_CHUNK = 1 << 16
_EXTENDED_BYTES = 1 << 16  # a long name, a pax header; an honest one has a path or two and some attributes
_KINDS: dict[bytes, Literal["file", "folder", "link", "hard-link", "special"]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hard-link",
    b"2": "link",
    b"3": "special",
    b"4": "special",
    b"5": "folder",
    b"6": "special",
}


@dataclass(frozen=True)
class TarMember:
    """One member; `chunks` may be read until the next member is asked for, the rest is skipped."""

    path: str
    kind: Literal["file", "folder", "link", "hard-link", "special"]
    executable: bool
    target: str
    chunks: Iterator[bytes]


@dataclass
class _Extension:
    """What extended headers say about the member that follows; None where they say nothing."""

    path: bytes | None = None
    target: bytes | None = None
    size: int | None = None
    keys: set[bytes] = field(default_factory=set)


def read_tar(read: Callable[[int], bytes]) -> Iterator[TarMember]:
    """Yield the members in order.

    Args:
        read: Returns up to that many bytes, fewer only at the end, b"" there.

    Raises: IntakeError for damage, a sparse member, an unknown type, or an archive without its end mark.
    """
    extension = _Extension()
    while any(header := _exactly(read, _BLOCK)):
        _check_sum(header)
        kind = header[156:157]
        size = _number(header[124:136])
        if kind in b"LKxXg":
            if size > _EXTENDED_BYTES:
                raise _damaged(f"an extended header of {size} bytes")
            data = _exactly(read, size)
            _exactly(read, -size % _BLOCK)
            _extend(extension, kind, data)
            continue
        member, padded = _member(header, kind, size, extension, read)
        extension = _Extension()
        yield member
        for _ in member.chunks:
            pass
        _exactly(read, padded)
    if extension != _Extension():
        raise _damaged("an extended header without its member")


def _member(
    header: bytes, kind: bytes, size: int, extension: _Extension, read: Callable[[int], bytes]
) -> tuple[TarMember, int]:
    """Return the member and the bytes of padding behind its data."""
    name = extension.path if extension.path is not None else _own_name(header)
    path = _text(name)
    target = _text(extension.target if extension.target is not None else _until_nul(header[157:257]))
    if kind == b"S" or any(key.startswith(b"GNU.sparse.") for key in extension.keys):
        raise IntakeError("a sparse member", where=shown(path), hint="pack it again without `--sparse`")
    if kind not in _KINDS:
        raise IntakeError(f"a member of unknown type `{shown(_text(kind))}`", where=shown(path), hint="pack it again")
    what = _KINDS[kind]
    if what == "file" and path.endswith("/"):
        what = "folder"  # v7 had no type for folders
    length = 0 if what in ("link", "hard-link", "special") else size if extension.size is None else extension.size
    executable = bool(_number(header[100:108]) & 0o100)
    return TarMember(path, what, executable, target, _data(read, length)), -length % _BLOCK


def _own_name(header: bytes) -> bytes:
    name = _until_nul(header[:100])
    # GNU's old magic is `ustar  `; there the field of the prefix holds other things.
    prefix = _until_nul(header[345:500]) if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _extend(extension: _Extension, kind: bytes, data: bytes) -> None:
    if kind == b"L":
        extension.path = _until_nul(data)
    elif kind == b"K":
        extension.target = _until_nul(data)
    else:
        values = _pax_records(data)
        if kind == b"g":  # for all members that follow: `git archive` leaves a comment there
            if values.keys() & {b"path", b"linkpath", b"size"}:
                raise _damaged("a global header that renames members")
            return
        extension.keys |= values.keys()
        extension.path = values.get(b"path", extension.path)
        extension.target = values.get(b"linkpath", extension.target)
        if b"size" in values:
            extension.size = _decimal(values[b"size"])


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """Return the records of an extended header: each is `<length> <key>=<value>` and a newline."""
    values: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + 20].partition(b" ")
        end = at + _decimal(digits)
        record = data[at + len(digits) + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if not space or not equals or end > len(data) or record[-1:] != b"\n":
            raise _damaged("a pax header")
        values[key] = value
        at = end
    return values


def _decimal(digits: bytes) -> int:
    if not 1 <= len(digits) <= 18 or not digits.isdigit():
        raise _damaged("a number in a pax header")
    return int(digits)


def _number(octets: bytes) -> int:
    """Return a header's number: octal digits, or big-endian binary behind a byte 0x80."""
    if octets[0] == 0x80:
        return int.from_bytes(octets[1:], "big")
    digits = octets.strip(b" \0")
    if not all(0x30 <= octet <= 0x37 for octet in digits):
        raise _damaged("a number in a header")
    return int(digits or b"0", 8)


def _check_sum(header: bytes) -> None:
    """The sum of all bytes, those of the sum itself taken as spaces; early writers added signed bytes."""
    stated = _number(header[148:156])
    rest = header[:148] + b" " * 8 + header[156:]
    unsigned = sum(rest)
    if stated not in (unsigned, unsigned - 256 * sum(octet >= 128 for octet in rest)):
        raise _damaged("a header")


def _data(read: Callable[[int], bytes], length: int) -> Iterator[bytes]:
    while length:
        chunk = _exactly(read, min(length, _CHUNK))
        length -= len(chunk)
        yield chunk


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    pieces = []
    while count:
        piece = read(min(count, _CHUNK))
        if not piece:
            raise IntakeError("the archive is cut off", hint="pack it again and compare its size after the transfer")
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _until_nul(octets: bytes) -> bytes:
    return octets.partition(b"\0")[0]


def _text(octets: bytes) -> str:
    """Decode a name; bytes that are not UTF-8 become surrogates, which `checked_parts` refuses with the name."""
    return octets.decode("utf-8", "surrogateescape")


def _damaged(what: str) -> IntakeError:
    return IntakeError(f"the archive is damaged: {what}", hint="pack it again")
