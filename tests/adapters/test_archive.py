"""Archives as submissions: the same content is the same submission, and hostile ones are refused by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import IntakeError
from grader.model.submission import IntakeCaps
from tests.handed_in import SMALL, contents, folder, frozen, refused, state, tar_of, zip_of

Change = Callable[[tarfile.TarInfo], None]


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
@pytest.mark.parametrize("top", ["", "lab12", "some one's folder"])
def test_an_archive_is_the_same_submission_as_its_folder(tmp_path: Path, suffix: str, top: str) -> None:
    handed_in = folder(tmp_path / "lab12")
    (handed_in / "empty").mkdir()
    archive = tmp_path / f"packed{suffix}"
    (zip_of if suffix == ".zip" else tar_of)(handed_in, archive, top)
    before = state(tmp_path / "lab12"), archive.read_bytes()
    plain, packed = frozen(handed_in, tmp_path / "cache"), frozen(archive, tmp_path / "cache")
    assert packed.manifest == plain.manifest
    assert packed.frozen_dir == plain.frozen_dir
    assert (packed.source, packed.id) == ("archive", "packed" + plain.id.removeprefix("lab12"))
    assert (state(tmp_path / "lab12"), archive.read_bytes()) == before


def test_a_zip_that_holds_only_labs_is_still_the_repository(tmp_path: Path) -> None:
    files = {"labs/lab12/main.go": b"package main\n", "labs/submission12.md": b"# r\n"}
    packed = frozen(zip_of(folder(tmp_path / "r", files), tmp_path / "r.zip"), tmp_path / "cache")
    assert (packed.root, packed.report_path) == ("labs/lab12", "labs/submission12.md")


def test_the_bytes_tell_the_format_not_the_name(tmp_path: Path) -> None:
    archive = tar_of(folder(tmp_path / "lab12"), tmp_path / "x.tar.gz")
    renamed = archive.rename(tmp_path / "x.zip")
    assert frozen(renamed, tmp_path / "cache").report_path == "submission12.md"


def test_links_and_hard_links_inside_become_copies(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    (handed_in / "notes/hard").hardlink_to(handed_in / "main.go")
    (handed_in / "soft").symlink_to("notes/run.sh")
    held = contents(frozen(tar_of(handed_in, tmp_path / "x.tar", "top"), tmp_path / "cache"))
    assert held == {**SMALL, "notes/hard": SMALL["main.go"], "soft": SMALL["notes/run.sh"]}


def test_a_zip_may_hold_links(tmp_path: Path) -> None:
    archive = zip_of(folder(tmp_path / "lab12"), tmp_path / "x.zip")
    add_to_zip(archive, "soft", b"main.go", mode=stat.S_IFLNK | 0o777)
    assert contents(frozen(archive, tmp_path / "cache"))["soft"] == SMALL["main.go"]


def test_what_the_finder_adds_to_a_zip_is_left_out(tmp_path: Path) -> None:
    archive = zip_of(folder(tmp_path / "lab12"), tmp_path / "x.zip", "lab12")
    add_to_zip(archive, "__MACOSX/lab12/._main.go", b"attributes")
    assert contents(frozen(archive, tmp_path / "cache")) == SMALL


def test_a_nested_archive_is_a_file(tmp_path: Path) -> None:
    inner = zip_of(folder(tmp_path / "inner"), tmp_path / "inner.zip").read_bytes()
    handed_in = folder(tmp_path / "lab12", {**SMALL, "inner.zip": inner})
    assert contents(frozen(tar_of(handed_in, tmp_path / "x.tar"), tmp_path / "cache"))["inner.zip"] == inner


# --- hostile tar members


def add_to_tar(archive: Path, name: str, data: bytes = b"", change: Change = lambda _: None) -> Path:
    with tarfile.open(archive, "a") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        change(info)
        tar.addfile(info, io.BytesIO(data))
    return archive


def of_type(kind: bytes, target: str = "") -> Change:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, target

    return change


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("../x", of_type(b"0"), "holds `..`"),
        ("a/../../x", of_type(b"0"), "holds `..`"),
        (".git/../../x", of_type(b"0"), "holds `..`"),
        ("/etc/x", of_type(b"0"), "absolute"),
        ("//x", of_type(b"0"), "absolute"),
        ("C:/x", of_type(b"0"), "drive letter"),
        ("x", of_type(b"2", "../../etc/passwd"), "points out"),
        ("x", of_type(b"2", "/etc/passwd"), "points out"),
        ("x", of_type(b"1", "../../etc/passwd"), "holds `..`"),
        ("x", of_type(b"1", "/etc/passwd"), "absolute"),
        ("x", of_type(b"3"), "a device, fifo or socket"),
        ("x", of_type(b"4"), "a device, fifo or socket"),
        ("x", of_type(b"6"), "a device, fifo or socket"),
        ("x" * 256, of_type(b"0"), "longer than 255 bytes"),
        ("d/" * 520 + "x", of_type(b"0"), "longer than"),
        ("d/" * 40 + "x", of_type(b"0"), "nested deeper than 32"),
        ("main.go", of_type(b"0"), "the same name is there twice"),
        ("main.go/x", of_type(b"0"), "a file and a folder"),
        ("MAIN.GO/x", of_type(b"0"), "a file and a folder"),
        ("Notes", of_type(b"0"), "a file and a folder"),
        ("@report", of_type(b"0"), "reserved"),
    ],
)
def test_a_hostile_tar_member_is_refused_by_name(tmp_path: Path, name: str, change: Change, words: str) -> None:
    archive = add_to_tar(tar_of(folder(tmp_path / "lab12"), tmp_path / "x.tar"), name, change=change)
    error = refused(archive, tmp_path / "cache")
    assert isinstance(error, IntakeError)
    assert words in error.what
    assert error.where.casefold() in name.casefold() or error.where.startswith(name[:100])
    assert not (tmp_path / "x").exists()


def test_a_member_cannot_be_written_through_a_link_before_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tar_of(folder(tmp_path / "lab12"), tmp_path / "x.tar")
    add_to_tar(archive, "d", change=of_type(b"2", "notes"))
    add_to_tar(archive, "d/x", b"through")
    assert "a file and a folder" in refused(archive, tmp_path / "cache").what


def test_a_tar_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    archive = tar_of(folder(tmp_path / "lab12"), tmp_path / "x.tar")
    with tarfile.open(archive, "a", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("caf\xe9"))
    assert "not UTF-8" in refused(archive, tmp_path / "cache").what


# --- hostile zip members


def add_to_zip(archive: Path, name: str, data: bytes = b"x", mode: int = 0o100644, flags: int = 0) -> Path:
    with zipfile.ZipFile(archive, "a") as packed:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name  # the constructor would cut it at NUL
        info.external_attr = mode << 16
        info.create_system = 3
        info.flag_bits |= flags
        packed.writestr(info, data)
    return archive


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("../x", 0o100644, "holds `..`"),
        ("a/../../x", 0o100644, "holds `..`"),
        ("/etc/x", 0o100644, "absolute"),
        ("C:/x", 0o100644, "drive letter"),
        ("C:x", 0o100644, "drive letter"),
        ("..\\x", 0o100644, "holds `\\`"),
        ("C:\\x", 0o100644, "holds `\\`"),
        ("\\\\host\\share", 0o100644, "holds `\\`"),
        ("main.go\0.png", 0o100644, "NUL"),
        ("x", stat.S_IFIFO, "a device, fifo or socket"),
        ("x", stat.S_IFCHR, "a device, fifo or socket"),
        ("x", stat.S_IFSOCK, "a device, fifo or socket"),
        ("x" * 256, 0o100644, "longer than 255 bytes"),
        ("main.go", 0o100644, "the same name is there twice"),
        ("Main.go/x", 0o100644, "a file and a folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_zip_member_is_refused_by_name(tmp_path: Path, name: str, mode: int, words: str) -> None:
    archive = add_to_zip(zip_of(folder(tmp_path / "lab12"), tmp_path / "x.zip"), name, mode=mode)
    error = refused(archive, tmp_path / "cache")
    assert isinstance(error, IntakeError)
    assert words in error.what


@pytest.mark.parametrize("target", [b"../out", b"/etc/passwd", b"notes/../../out"])
def test_a_link_out_of_a_zip_is_refused(tmp_path: Path, target: bytes) -> None:
    archive = add_to_zip(zip_of(folder(tmp_path / "l"), tmp_path / "x.zip"), "x", target, stat.S_IFLNK | 0o777)
    assert "points out" in refused(archive, tmp_path / "cache").what


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = zip_of(folder(tmp_path / "lab12"), tmp_path / "x.zip")
    data = bytearray(archive.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1  # general purpose flag, bit 0
    archive.write_bytes(data)
    error = refused(archive, tmp_path / "cache")
    assert "encrypted" in error.what
    assert error.where == "Dockerfile"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_cannot_be_read_in_bounded_memory_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as packed:
        packed.writestr("main.go", b"package main\n")
    assert f"by method {method}" in refused(tmp_path / "x.zip", tmp_path / "cache").what


def test_a_zip_whose_member_has_another_name_inside_is_refused(tmp_path: Path) -> None:
    archive = zip_of(folder(tmp_path / "lab12"), tmp_path / "x.zip")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"main.go", b"main.py", 1))
    assert "damaged" in refused(archive, tmp_path / "cache").what


def test_a_zip_directory_too_large_for_its_members_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        for number in range(60):
            packed.writestr(f"{number}", b"")
    assert "more than 5 members" in refused(tmp_path / "x.zip", tmp_path / "cache", IntakeCaps(files=5)).what
    assert "more than 50 files" in refused(tmp_path / "x.zip", tmp_path / "cache", IntakeCaps(files=50)).what


# --- bombs


def bomb(tmp_path: Path, suffix: str, size: int) -> Path:
    handed_in = folder(tmp_path / "lab12")
    with (handed_in / "zeros").open("wb") as file:
        file.truncate(size)
    archive = tmp_path / f"bomb{suffix}"
    return (zip_of if suffix == ".zip" else tar_of)(handed_in, archive)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_bomb_is_refused_for_its_ratio_before_it_is_unpacked(tmp_path: Path, suffix: str) -> None:
    archive = bomb(tmp_path, suffix, 64 << 20)
    error = refused(archive, tmp_path / "cache")
    assert "more than 200 times its packed size" in error.what


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_bomb_is_refused_for_its_size_where_the_ratio_is_allowed(tmp_path: Path, suffix: str) -> None:
    caps = IntakeCaps(ratio=100_000, file_bytes=4 << 20, total_bytes=16 << 20)
    assert "more than 4194304 bytes" in refused(bomb(tmp_path, suffix, 64 << 20), tmp_path / "cache", caps).what


def test_a_little_that_packs_well_is_no_bomb(tmp_path: Path) -> None:
    entry = frozen(bomb(tmp_path, ".tar.xz", 1 << 19), tmp_path / "cache").manifest.find("zeros")
    assert entry is not None
    assert entry.size == 1 << 19


def test_a_zip_whose_header_lies_about_the_size_is_refused(tmp_path: Path) -> None:
    archive = bomb(tmp_path, ".zip", 8 << 20)
    data = bytearray(archive.read_bytes())
    sizes = struct.pack("<L", 8 << 20)
    assert data.count(sizes) >= 1
    archive.write_bytes(data.replace(sizes, struct.pack("<L", 10)))
    assert "damaged" in refused(archive, tmp_path / "cache", IntakeCaps(ratio=100_000)).what


def test_many_small_bombs_are_counted_together(tmp_path: Path) -> None:
    """Each member stays below the bytes for which no ratio is asked."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(40):
            packed.writestr(f"{number}", bytes(1 << 20))
    error = refused(tmp_path / "x.zip", tmp_path / "cache")
    assert (error.where, error.what) == ("the archive", "it unpacks to more than 200 times its packed size")


def test_many_members_without_content_count_as_files(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        for number in range(3000):
            info = tarfile.TarInfo(f"d{number}")
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
    assert "more than 1000 files" in refused(tmp_path / "x.tar.gz", tmp_path / "cache", IntakeCaps(files=1000)).what


def test_a_left_out_folder_is_no_hiding_place_for_a_bomb(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12", {**SMALL, ".git/zeros": bytes(32 << 20)})
    archive = tar_of(handed_in, tmp_path / "x.tar.gz")
    assert "times its packed size" in refused(archive, tmp_path / "cache").what


# --- damage


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    handed_in = folder(tmp_path / "lab12", {**SMALL, "main.wasm": bytes(range(256)) * 20})
    whole = (zip_of if suffix == ".zip" else tar_of)(handed_in, tmp_path / f"x{suffix}").read_bytes()
    needed = len(whole.rstrip(b"\0")) if suffix == ".tar" else len(whole)
    for length in {1, 20, 511, 512, 513, needed // 3, needed // 2, needed - 30, needed - 9, needed - 1}:
        if length < needed:
            (tmp_path / f"cut{suffix}").write_bytes(whole[:length])
            assert isinstance(refused(tmp_path / f"cut{suffix}", tmp_path / "cache"), IntakeError)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_a_packed_file_that_is_no_archive_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "x").write_bytes(pack(b"not a tar archive\n" * 100))
    assert isinstance(refused(tmp_path / "x", tmp_path / "cache"), IntakeError)


@pytest.mark.parametrize("data", [b"", b"text", b"%PDF-1.7" * 100, bytes(10240), b"\x28\xb5\x2f\xfd" + bytes(600)])
def test_a_file_that_is_no_archive_is_refused_with_what_would_be_one(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert "`.tar.gz`" in refused(tmp_path / "x", tmp_path / "cache").hint
