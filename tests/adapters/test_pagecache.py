from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.adapters.pagecache import cached_share, drop
from grader.errors import UsageError


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose file system has a disk: on a tmpfs pages cannot be dropped, there is nothing below them."""
    for place in (tmp_path, Path(__file__).parent):
        kind = subprocess.run(["stat", "-f", "-c", "%T", place], capture_output=True, text=True, check=True)
        if kind.stdout.strip() not in ("tmpfs", "ramfs"):
            with tempfile.TemporaryDirectory(dir=place) as folder:
                yield Path(folder)
            return
    pytest.skip("needs: linux: a file system with a disk below it")


def test_a_file_that_was_just_read_is_no_longer_in_memory(on_disk: Path) -> None:
    file = on_disk / "cold"
    file.write_bytes(b"x" * 500_000)
    assert cached_share(file) == 1.0
    drop([file])  # What is not on the disk yet is written first.
    assert cached_share(file) == 0.0
    file.read_bytes()
    assert cached_share(file) == 1.0


def test_what_a_program_has_mapped_stays_and_is_told() -> None:
    program = Path(sys.executable).resolve()
    drop([program])
    share = cached_share(program)
    assert share is not None
    assert share > 0


def test_an_empty_file_has_no_share(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert cached_share(tmp_path / "empty") is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        drop([tmp_path / "gone"])
    assert "gone" in str(caught.value)
