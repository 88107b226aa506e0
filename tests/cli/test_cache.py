"""`grader cache`: what people type, and what it must never remove."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grader.adapters.store import DiskStore
from grader.cli.app import app
from grader.errors import UsageError

DAY_S = 86400.0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Three results of 1000 bytes, unused for 3, 6 and 9 days."""
    store = DiskStore(tmp_path / "cache")
    for days, key in ((3, "aa" * 32), (6, "bb" * 32), (9, "cc" * 32)):
        store.save("probe", key, bytes(1000))
        (data,) = store.root.glob(f"*/*/{key}.data")
        os.utime(data, (time.time() - days * DAY_S,) * 2)
    return store.root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["cache", *map(str, arguments)])


def entries(cache: Path) -> int:
    return sum(kind.entries for kind in DiskStore(cache).info())


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--older-than-days", 5), 1),
        (("--older-than-days", 100), 3),
        (("--max-bytes", "1.5kB"), 1),
        (("--max-bytes", "1MiB"), 3),
        (("--max-bytes", "0"), 0),
        (("--older-than-days", 8, "--max-bytes", "1500"), 1),
        ((), 0),
    ],
)
def test_prune_keeps_what_its_limits_say_and_a_dry_run_tells_it_before(
    cache: Path, options: tuple[object, ...], left: int
) -> None:
    told = json.loads(run("prune", "--cache", cache, *options, "--dry-run", "--json").output)
    assert (told["dry_run"], told["removed"], told["kept"], entries(cache)) == (True, 3 - left, left, 3)
    done = json.loads(run("prune", "--cache", cache, *options, "--json").output)
    assert done == told | {"dry_run": False}
    assert entries(cache) == left


@pytest.mark.parametrize("size", ["lots", "-5", "5 seconds", "", "1e9"])
def test_a_size_that_is_none_is_refused_and_nothing_is_removed(cache: Path, size: str) -> None:
    done = run("prune", "--cache", cache, f"--max-bytes={size}")
    assert isinstance(done.exception, UsageError)
    assert "500MB" in str(done.exception)
    assert entries(cache) == 3


@pytest.mark.parametrize("command", ["info", "prune"])
def test_a_cache_that_is_not_there_is_said_and_not_made(tmp_path: Path, command: str) -> None:
    done = run(command, "--cache", tmp_path / "mistyped")
    assert done.exit_code == 0
    assert f"there is no cache at {tmp_path / 'mistyped'}" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_use_is_told(cache: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "file").write_text("x")

    store = DiskStore(cache)
    store.directory("frozen", "dd" * 32, fill)
    assert "1 that a running command is using" in run("prune", "--cache", cache).output
    assert entries(cache) == 1
