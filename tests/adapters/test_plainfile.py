"""Reading one file: only a plain one, and only in one version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.adapters.plainfile import OPEN, content, opened, opened_file, read_plain_file
from grader.errors import IntakeError


def test_the_bytes_come_back_up_to_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_bytes(b"x" * 100)
    assert read_plain_file(path, 100) == b"x" * 100
    with pytest.raises(IntakeError, match="more than 99 bytes"):
        read_plain_file(path, 99)


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "nothing"])
def test_anything_but_a_plain_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report.md"
    if kind == "link":
        (tmp_path / "secret").write_text("of the host")
        path.symlink_to("secret")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(IntakeError, match="no such file" if kind == "nothing" else f"a {kind}, not a plain") as caught:
        read_plain_file(path, 1000)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "main.go"
    path.write_bytes(b"a" * 200_000)
    os.utime(path, (0, 0))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        chunks = content(descriptor, "main.go")
        next(chunks)
        path.write_bytes(b"b" * {"grow": 200_001, "shrink": 70_000, "rewrite": 200_000}[change])
        with pytest.raises(IntakeError, match="changed while"):
            list(chunks)
    finally:
        os.close(descriptor)


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """A folder, open, and what `main.go` in it was when it was listed."""
    (tmp_path / "secret").write_text("of the host")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/main.go").write_text("package main")
    descriptor = os.open(tmp_path / "lab", os.O_RDONLY)
    yield descriptor, (tmp_path / "lab/main.go").lstat()
    os.close(descriptor)


@pytest.mark.parametrize("swap", ["link", "other file", "fifo", "folder", "nothing"])
def test_what_took_a_files_name_since_it_was_listed_is_refused(
    tmp_path: Path, listed: tuple[int, os.stat_result], swap: str
) -> None:
    descriptor, about = listed
    place = tmp_path / "lab/main.go"
    place.rename(tmp_path / "aside")  # so that its inode is not given to the next file
    if swap == "link":
        place.symlink_to("../secret")
    elif swap == "other file":
        (tmp_path / "secret").rename(place)
    elif swap == "fifo":
        os.mkfifo(place)
    elif swap == "folder":
        place.mkdir()
    with pytest.raises(IntakeError, match="changed while"), opened_file("main.go", descriptor, "main.go", about):
        pytest.fail("opened")


def test_a_folder_that_became_a_link_is_not_entered(tmp_path: Path, listed: tuple[int, os.stat_result]) -> None:
    descriptor, _ = listed
    (tmp_path / "lab/notes").symlink_to(tmp_path)
    with (
        pytest.raises(IntakeError, match="changed while"),
        opened("notes", OPEN | os.O_DIRECTORY, descriptor, "notes"),
    ):
        pytest.fail("entered")
