"""Reading one file: only a plain one, and only in one version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grader.adapters.plainfile import content, read_plain_file
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
