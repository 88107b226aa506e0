from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from grader.adapters.artifacts import Taken, take_file
from grader.errors import HostError
from grader.model.base import Message


def code(taken: Taken | Message) -> str:
    assert isinstance(taken, Message)
    return taken.code


def test_a_plain_file_is_copied_with_its_digest(tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"program")
    taken = take_file(tmp_path / "made", tmp_path / "kept")
    assert isinstance(taken, Taken)
    assert (taken.size, taken.sha256) == (7, hashlib.sha256(b"program").hexdigest())
    assert (tmp_path / "kept").read_bytes() == b"program"
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o755


def test_links_pipes_folders_and_missing_files_are_none(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder", "missing"):
        assert code(take_file(tmp_path / name, tmp_path / "kept")) == "build.no-file"
    assert not (tmp_path / "kept").exists()


def test_a_file_above_the_cap_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert code(take_file(tmp_path / "huge", tmp_path / "kept")) == "build.too-large"


def test_a_copy_that_cannot_be_written_is_the_hosts_fault(tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"x")
    with pytest.raises(HostError):
        take_file(tmp_path / "made", tmp_path / "no-folder" / "kept")
