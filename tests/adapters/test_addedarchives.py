from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from grader.adapters.addedarchives import added_archives
from grader.recipes.imagebuild import Added


def tar(size: int = 0) -> bytes:
    """An archive with one file, which is as large as its header says."""
    member = tarfile.TarInfo("big")
    member.size = size
    return member.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


ARCHIVES = {
    "plain.tar": tar(1 << 40),
    "x.tar.gz": gzip.compress(tar()),
    "x.tbz": bz2.compress(tar()),
    "x.xz": lzma.compress(tar()),
    "x.zst": b"\x28\xb5\x2f\xfd" + bytes(20),
    "skipped": b"\x53\x2a\x4d\x18" + bytes(20),
    "no-suffix": tar(),
}
PLAIN = {"main.go": b"package main\n", "zeros": bytes(1024), "short": b"x", "main.wasm": b"\0asm\1\0\0\0" + bytes(600)}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name, content in {**ARCHIVES, **PLAIN, "deep/er/x.tgz": gzip.compress(b"")}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("x.xz")
    (tmp_path / "way").symlink_to("deep")
    return tmp_path


def refused(context: Path, source: str) -> bool:
    found = added_archives((Added(line=7, source=source),), context)
    assert all(message.params == {"line": 7, "found": source} for message in found)
    return [message.code for message in found] == ["image.archive"]


@pytest.mark.parametrize(
    "source",
    [
        *ARCHIVES,
        "/x.xz",
        "./x.xz",
        "deep/../x.xz",
        "../../x.xz",
        "deep/er/x.tgz",
        "x.*",
        "*",
        "[w-y].xz",
        "deep/*/x.t?z",
    ],
)
def test_whatever_may_be_an_archive_is_one(context: Path, source: str) -> None:
    assert refused(context, source)


@pytest.mark.parametrize("source", ["link", "way/er/x.tgz", "way", "l*"])
def test_a_link_may_lead_to_one(context: Path, source: str) -> None:
    assert refused(context, source)


@pytest.mark.parametrize("source", [*PLAIN, ".", "/", "deep", "deep/er/", "*.go", "absent", "absent*"])
def test_plain_files_and_whole_folders_are_copied_as_they_are(context: Path, source: str) -> None:
    assert not refused(context, source)


def test_a_real_archive_is_seen_whatever_its_format(tmp_path: Path) -> None:
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "x", "w", format=form) as archive:
            archive.addfile(tarfile.TarInfo("folder/" * 20 + "file"), io.BytesIO())
        assert refused(tmp_path, "x")
