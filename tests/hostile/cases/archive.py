"""Archives that unpack elsewhere, unpack to more than there is room for, or lie about what they hold."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from warnings import catch_warnings, simplefilter

from tests.hostile.catalogue import Case, Family, Outcome, Place
from tests.hostile.making import table

REPORT = table().encode()
_HELD_BY = ("intake",)
_MIB = 1 << 20

Member = tuple[str | zipfile.ZipInfo, bytes]
_KEPT: Sequence[Member] = (("submission12.md", REPORT),)


def zipped(*members: Member, kept: Sequence[Member] = _KEPT) -> Callable[[Place], Path]:
    """Return how to make a zip of an honest report and these members."""

    def make(place: Place) -> Path:
        with zipfile.ZipFile(place.folder / "lab.zip", "w", zipfile.ZIP_DEFLATED) as packed, catch_warnings():
            simplefilter("ignore")  # a name that is there twice
            for name, data in (*kept, *members):
                packed.writestr(name, data)
        return place.folder / "lab.zip"

    return make


def _named(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name  # the constructor changes names
    info.external_attr, info.create_system = mode << 16, 3
    return info


def tarred(*members: tuple[str, bytes, str, bytes], suffix: str = ".tar") -> Callable[[Place], Path]:
    """Return how to make a tar of an honest report and these members: name, type, target, data."""

    def make(place: Place) -> Path:
        archive = place.folder / f"lab{suffix}"
        with tarfile.open(archive, "w:gz" if suffix == ".tar.gz" else "w") as tar:
            for name, kind, target, data in (("submission12.md", b"0", "", REPORT), *members):
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.size = kind, target, len(data)
                tar.addfile(info, io.BytesIO(data))
        return archive

    return make


def _refused(says: str, *never: str) -> Outcome:
    return Outcome(exit=2, says=(says,), never=never)


def _case(name: str, tries: str, make: Callable[[Place], Path], expect: Outcome, memory_mb: int = 400) -> Case:
    return Case(name, tries, make, _HELD_BY, expect, memory_mb=memory_mb)


def _tar_to_canary(kind: bytes) -> Callable[[Place], Path]:
    return lambda place: tarred(("main.go", kind, str(place.canary), b""))(place)


def _zip_to_canary(place: Place) -> Path:
    return zipped((_named("main.go", stat.S_IFLNK | 0o777), str(place.canary).encode()))(place)


def _overlapping(place: Place) -> Path:
    """2,000 entries of the directory share the 5 MB of one member, which is 10 GB in 10 kB of file."""
    data = bytes(5 * _MIB)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    sizes = struct.pack("<LLL", zlib.crc32(data), len(packed), len(data))
    local = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 0x21) + sizes + struct.pack("<HH", 1, 0) + b"0" + packed
    directory = b""
    for number in range(2_000):
        name = f"{number}".encode()
        directory += b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0x21) + sizes
        directory += struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, 0o100644 << 16, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 2_000, 2_000, len(directory), len(local), 0)
    archive = place.folder / "lab.zip"
    archive.write_bytes(local + directory + end)
    return archive


def _bomb(place: Place) -> Path:
    with zipfile.ZipFile(place.folder / "lab.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("submission12.md", REPORT)
        with packed.open("zeros", "w") as member:
            for _ in range(256):
                member.write(bytes(_MIB))
    return place.folder / "lab.zip"


def _nested(place: Place) -> Path:
    """Ten levels, sixteen archives on each, and a bomb in the innermost."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(8 * _MIB))
    for _ in range(10):
        outer = io.BytesIO()
        with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as packed:
            for number in range(16):
                packed.writestr(f"{number}.zip", inner.getvalue()[:60_000])
        inner = outer
    return zipped(("deeper.zip", inner.getvalue()))(place)


def _many(place: Place) -> Path:
    with zipfile.ZipFile(place.folder / "lab.zip", "w") as packed:
        packed.writestr("submission12.md", REPORT)
        for number in range(100_000):
            packed.writestr(f"files/{number}", b"")
    return place.folder / "lab.zip"


def _gzip_bomb(place: Place) -> Path:
    return tarred(("zeros", b"0", "", bytes(128 * _MIB)), suffix=".tar.gz")(place)


def _header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """Return a ustar header with these bytes as its size, whatever they say."""
    head = bytearray(512)
    head[: len(name)] = name
    head[100:108], head[108:124], head[136:148] = b"0000644\0", b"0000000\0" * 2, b"00000000000\0"
    head[124:136], head[156:157], head[257:265] = size, kind, b"ustar\x0000"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _raw_tar(*blocks: bytes) -> Callable[[Place], Path]:
    def make(place: Place) -> Path:
        padded = REPORT + bytes(-len(REPORT) % 512)
        report = _header(b"submission12.md", b"%011o\0" % len(REPORT)) + padded
        (place.folder / "lab.tar").write_bytes(report + b"".join(blocks) + bytes(1024))
        return place.folder / "lab.tar"

    return make


_READ = Outcome(criteria={"t4.table": "pass", "t1.once": "fail"})

FAMILY = Family(
    "archive",
    "Archives.",
    (
        _case(
            "zip-slip",
            "A member called `../../hostile`.",
            zipped((_named("../../hostile"), b"x")),
            _refused("holds `..`"),
        ),
        _case(
            "zip-absolute",
            "A member called `/tmp/hostile`.",
            zipped((_named("/tmp/hostile"), b"x")),
            _refused("absolute"),
        ),
        _case(
            "zip-backslashes",
            "A member called `..\\\\..\\\\hostile`.",
            zipped((_named("..\\..\\hostile"), b"x")),
            _refused("holds"),
        ),
        _case("zip-link", "`main.go` is a link to a secret of the host.", _zip_to_canary, _refused("points out")),
        _case("zip-bomb", "256 MiB of zeros in 250 kB.", _bomb, _refused("times its packed size")),
        _case(
            "zip-overlap",
            "2,000 members that share the same 5 MB: 10 GB in 100 kB.",
            _overlapping,
            _refused("times its packed size"),
        ),
        _case("zip-of-100000-files", "100,000 empty files.", _many, _refused("more than 20000")),
        _case("nested-archives", "Ten levels of sixteen archives around a bomb.", _nested, _READ),
        _case(
            "names",
            "Names with newlines, terminal escapes, bidi marks and a formula.",
            zipped(
                (_named("a\nb"), b""),
                (_named("\x1b]0;hostile\x07\x1b[2J"), b""),
                (_named("\u202egpj.og.niam"), b""),
                (_named("=cmd|' /C calc'!A0"), b""),
                (_named("-rf"), b""),
                (_named("$(touch hostile)`id`;|&"), b""),
            ),
            _READ,
        ),
        _case(
            "refused-name",
            "A name that is refused, and therefore shown, with escapes in it.",
            zipped((_named("\x1b]0;hostile\x07\x1b[2J\u202e/../../x"), b"")),
            _refused("holds `..`", "\x1b", "\u202e"),
        ),
        _case(
            "twins",
            "Names that differ by case, or by how an accent is coded, are one file on other systems.",
            zipped(("MAIN.GO", b"a"), ("Main.go", b"b"), ("caf\u00e9", b"c"), ("cafe\u0301", b"d")),
            _READ,
        ),
        _case(
            "same-name-twice",
            "Two members with one name, of which either may be graded.",
            zipped(("submission12.md", b"other")),
            _refused("twice"),
        ),
        _case(
            "tar-link",
            "`main.go` is a symbolic link to a secret of the host.",
            _tar_to_canary(b"2"),
            _refused("points out"),
        ),
        _case(
            "tar-hard-link",
            "`main.go` is a hard link to a secret of the host.",
            _tar_to_canary(b"1"),
            _refused("absolute"),
        ),
        _case("tar-device", "A member is a disk.", tarred(("disk", b"4", "", b"")), _refused("device")),
        _case(
            "tar-fifo",
            "`main.go` is a pipe at which a reader waits for ever.",
            tarred(("main.go", b"6", "", b"")),
            _refused("fifo"),
        ),
        _case(
            "tar-through-a-link",
            "A link to `/tmp`, then a member below that link.",
            tarred(("d", b"2", "/tmp", b""), ("d/hostile", b"0", "", b"x")),
            _refused("a file and a folder"),
        ),
        _case("tar-gz-bomb", "128 MiB of zeros in a tar.gz.", _gzip_bomb, _refused("times its packed size")),
        _case(
            "tar-sparse",
            "A sparse member of 1 TB.",
            _raw_tar(_header(b"sparse", b"%011o\0" % 512, b"S"), bytes(512)),
            _refused("sparse"),
        ),
        _case(
            "tar-giant-size",
            "A header that promises 8 EiB.",
            _raw_tar(_header(b"giant", b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7)),
            _refused("cut off"),
        ),
        _case(
            "tar-negative-size",
            "A header whose size is below zero, which sends readers back for ever.",
            _raw_tar(_header(b"back", b"\xff" * 12)),
            _refused("a number in a header"),
        ),
    ),
)
