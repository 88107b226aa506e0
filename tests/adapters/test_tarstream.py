"""The tar reader against the archives of other writers, and against damage."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.adapters.tarstream import read_tar
from grader.errors import IntakeError

PARTS = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=60)
PATHS = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=6).map("/".join)
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def packed(files: Iterable[tuple[str, bytes, int]], tar_format: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for path, data, mode in files:
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(data: bytes) -> list[tuple[str, str, bool, bytes]]:
    return [(m.path, m.kind, m.executable, b"".join(m.chunks)) for m in read_tar(io.BytesIO(data).read)]


@given(
    files=st.dictionaries(PATHS, st.tuples(st.binary(max_size=2000), st.sampled_from([0o644, 0o755])), max_size=6),
    tar_format=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
@settings(deadline=None)
def test_what_pythons_writer_packs_is_read_back(files: dict[str, tuple[bytes, int]], tar_format: int) -> None:
    data = packed([(path, content, mode) for path, (content, mode) in files.items()], tar_format)
    assert unpacked(data) == [(p, "file", m == 0o755, c) for p, (c, m) in files.items()]


def test_a_ustar_prefix_is_part_of_the_name() -> None:
    path = "a" * 120 + "/" + "b" * 90
    assert unpacked(packed([(path, b"x", 0o644)], tarfile.USTAR_FORMAT)) == [(path, "file", False, b"x")]


@pytest.mark.parametrize("tar_format", ["v7", "ustar", "gnu", "oldgnu", "posix"])
def test_what_gnu_tar_packs_is_read_back(tmp_path: Path, tar_format: str) -> None:
    if shutil.which("tar") is None:
        pytest.skip("needs: linux: GNU tar")
    top = tmp_path / "in"
    (top / "folder").mkdir(parents=True)
    (top / "folder/run.sh").write_bytes(b"#!/bin/sh\n")
    (top / "folder/run.sh").chmod(0o755)
    (top / "folder/empty").write_bytes(b"")
    (top / "folder/link").symlink_to("run.sh")
    (top / "hard").hardlink_to(top / "folder/run.sh")
    options = [f"--directory={top}", f"--format={tar_format}", "--sort=name", f"--file={tmp_path / 'x.tar'}"]
    subprocess.run(["tar", "--create", *options, "folder", "hard"], check=True)
    with (tmp_path / "x.tar").open("rb") as file:
        members = [(m.path, m.kind, m.executable, m.target, b"".join(m.chunks)) for m in read_tar(file.read)]
    assert members == [
        ("folder/", "folder", True, "", b""),
        ("folder/empty", "file", False, "", b""),
        ("folder/link", "link", True, "run.sh", b""),
        ("folder/run.sh", "file", True, "", b"#!/bin/sh\n"),
        ("hard", "hard-link", True, "folder/run.sh", b""),
    ]


@pytest.mark.parametrize("tar_format", FORMATS.values(), ids=FORMATS)
def test_an_archive_cut_anywhere_before_its_end_mark_is_refused(tar_format: int) -> None:
    name = "n" * 99 if tar_format == tarfile.USTAR_FORMAT else "n" * 200
    whole = packed([(name, b"x" * 700, 0o644), ("b", b"y", 0o644)], tar_format)
    end = whole.rstrip(b"\0")
    mark = -(-len(end) // 512) * 512  # the first block that is all zeros
    for length in [*range(0, mark, 97), *range(512, mark, 512), mark, mark + 511]:
        with pytest.raises(IntakeError):
            unpacked(whole[:length])
    assert [path for path, *_ in unpacked(whole[: mark + 512])] == [name, "b"]


@given(data=st.data())
@settings(deadline=None)
def test_a_changed_byte_is_an_error_or_other_content_but_nothing_else(data: st.DataObject) -> None:
    whole = bytearray(packed([("a" * 150, b"x" * 600, 0o644), ("b", b"y", 0o755)], tarfile.PAX_FORMAT))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(IntakeError):
        unpacked(bytes(whole))


@given(st.binary(max_size=3000))
@settings(deadline=None)
def test_any_bytes_are_an_archive_or_refused(data: bytes) -> None:
    with contextlib.suppress(IntakeError):
        unpacked(data)


def with_type(kind: bytes, size: int = 0, body: bytes = b"", name: str = "x") -> bytes:
    """Return an archive with one member of that type, its checksum right."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(1024)


@pytest.mark.parametrize(
    ("kind", "words"), [(b"S", "a sparse member"), (b"M", "unknown type `M`"), (b"D", "unknown type")]
)
def test_types_that_no_honest_submission_needs_are_refused(kind: bytes, words: str) -> None:
    with pytest.raises(IntakeError, match=words):
        unpacked(with_type(kind))


def test_a_sparse_member_of_gnu_tar_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(10 << 20)
    for tar_format in ("gnu", "posix"):
        subprocess.run(
            ["tar", "-C", tmp_path, "--sparse", f"--format={tar_format}", "-cf", tmp_path / "s.tar", "holes"],
            check=True,
        )
        with pytest.raises(IntakeError, match="a sparse member"):
            unpacked((tmp_path / "s.tar").read_bytes())


def test_a_huge_extended_header_is_refused_before_it_is_read() -> None:
    for kind in (b"L", b"x"):
        with pytest.raises(IntakeError, match="an extended header of 68719476735 bytes"):
            unpacked(with_type(kind, size=0o777777777777))


def test_a_negative_size_is_refused() -> None:
    info = bytearray(with_type(b"0"))
    info[124:136] = b"\xff" * 12
    with pytest.raises(IntakeError):
        unpacked(bytes(info))


@pytest.mark.parametrize(
    "body", [b"0 path=x\n", b"999 path=x\n", b"9 path=x\n", b"11 pathxxxx\n", b"-5 a=b\n", b"7" * 60]
)
def test_a_broken_pax_record_is_refused(body: bytes) -> None:
    with pytest.raises(IntakeError, match="damaged"):
        unpacked(with_type(b"x", len(body), body.ljust(512, b"\0")))


def test_a_global_header_may_comment_but_not_rename() -> None:
    comment, rename = b"18 comment=abcdef\n", b"10 path=x\n"
    assert unpacked(with_type(b"g", len(comment), comment.ljust(512, b"\0"))) == []
    with pytest.raises(IntakeError, match="global header"):
        unpacked(with_type(b"g", len(rename), rename.ljust(512, b"\0")))
