"""What lies in a bundle's folder is looked at as it is; what is wrong with it is one clear message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader.adapters import bundlefolder
from grader.errors import GraderError, HostError, UsageError
from grader.model.bundle import MANIFEST, PARTIAL, Bundle, differences, digest_of


def made(folder: Path) -> tuple[Bundle, str]:
    """Make a bundle of two files."""
    bundlefolder.open_for_writing(folder)
    for path in ("debs/a.deb", "files/example.org/b"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(path, encoding="utf-8")
    entries = tuple(bundlefolder.entry_of(folder, path) for path in ("debs/a.deb", "files/example.org/b"))
    bundle = Bundle(
        schema_="grader/bundle/1", edition="f25", architecture="amd64", release="trixie",
        tools={}, single=(), packages=(), images=(), files=entries,
    )  # fmt: skip
    return bundle, bundlefolder.finish(folder, bundle)


def told(folder: Path, digest: str) -> tuple[str, ...]:
    bundle = bundlefolder.read_manifest(folder, digest)
    return differences(bundle, bundlefolder.contents(folder, bundle))


def test_a_finished_bundle_is_what_its_digest_says(tmp_path: Path) -> None:
    bundle, digest = made(tmp_path / "b")
    assert bundlefolder.read_manifest(tmp_path / "b", digest) == bundle
    assert told(tmp_path / "b", digest) == ()
    assert not (tmp_path / "b" / PARTIAL).exists()


def test_each_change_in_the_folder_is_told(tmp_path: Path) -> None:
    _, digest = made(tmp_path)
    (tmp_path / "debs/a.deb").write_text("debs/A.deb", encoding="utf-8")
    (tmp_path / "files/example.org/b").unlink()
    (tmp_path / "files/example.org/b").symlink_to("/etc/passwd")
    (tmp_path / "debs/more.deb").touch()
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    said = told(tmp_path, digest)
    assert [line.split("`")[1] for line in said] == [
        "debs/a.deb", "debs/more.deb", "empty", "files/example.org/b", "pipe",
    ]  # fmt: skip
    assert "has sha256" in said[0]
    assert "symbolic link" in said[3]


def test_a_folder_that_is_a_link_is_not_walked_into(tmp_path: Path) -> None:
    _, digest = made(tmp_path / "b")
    (tmp_path / "b/files").rename(tmp_path / "elsewhere")
    (tmp_path / "b/files").symlink_to(tmp_path / "elsewhere")
    assert any("`files` is a symbolic link" in line for line in told(tmp_path / "b", digest))


def test_another_digest_is_refused_before_the_manifest_is_read(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b"not even JSON")
    with pytest.raises(UsageError, match="was asked for"):
        bundlefolder.read_manifest(tmp_path, f"sha256:{'0' * 64}")


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd"])
def test_a_manifest_that_leads_out_of_its_folder_is_refused_even_with_its_digest(tmp_path: Path, path: str) -> None:
    made(tmp_path)
    data = (tmp_path / MANIFEST).read_bytes().replace(b"debs/a.deb", path.encode())
    (tmp_path / MANIFEST).write_bytes(data)
    with pytest.raises(UsageError, match="files"):
        bundlefolder.read_manifest(tmp_path, digest_of(data))


def test_a_manifest_that_is_a_link_is_refused(tmp_path: Path) -> None:
    _, digest = made(tmp_path / "b")
    (tmp_path / "b" / MANIFEST).rename(tmp_path / "m")
    (tmp_path / "b" / MANIFEST).symlink_to(tmp_path / "m")
    with pytest.raises(UsageError, match="symbolic link"):
        bundlefolder.read_manifest(tmp_path / "b", digest)


def test_a_bundle_that_is_being_made_is_none(tmp_path: Path) -> None:
    _, digest = made(tmp_path)
    bundlefolder.open_for_writing(tmp_path)
    with pytest.raises(UsageError, match="not finished"):
        bundlefolder.read_manifest(tmp_path, digest)


def test_no_bundle_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, said in (("", "is no bundle"), ("file", "is no folder"), ("not", "is no bundle")):
        with pytest.raises(UsageError, match=said):
            bundlefolder.read_manifest(tmp_path / name, f"sha256:{'0' * 64}")


@pytest.mark.parametrize("name", ["thesis.odt", "files.txt"])
def test_a_folder_with_other_peoples_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match="which no bundle made"):
        bundlefolder.open_for_writing(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_of_a_bundle_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    made(tmp_path / "b")
    (tmp_path / "b/wheels").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="symbolic link"):
        bundlefolder.open_for_writing(tmp_path / "b")


def test_what_an_earlier_list_had_is_removed_and_nothing_else(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "debs/link").symlink_to("/etc")
    bundlefolder.keep_only(tmp_path, ["files/example.org/b"])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["b", MANIFEST, "example.org", "files"]
    assert Path("/etc").is_dir()


def test_too_little_room_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="bytes are still to come"):
        bundlefolder.require_room(tmp_path, 1 << 62)


def test_a_file_in_the_way_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    with pytest.raises(GraderError, match="is no folder"):
        bundlefolder.open_for_writing(tmp_path / "b")
