"""What the tests of intake share: small submissions in every form, and how to freeze them."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from grader.adapters.intake import LocalIntake
from grader.adapters.labfile import load_lab
from grader.adapters.store import DiskStore
from grader.errors import GraderError
from grader.model.lab import Lab
from grader.model.submission import IntakeCaps, Submission
from grader.workflow.freeze import freeze

SMALL: Mapping[str, bytes] = {
    "main.go": b"package main\n",
    "Dockerfile": b"FROM scratch\r\n",
    "notes/run.sh": b"#!/bin/sh\n",
    "submission12.md": "# Отчёт\n".encode(),
}
EXECUTABLE = frozenset({"notes/run.sh"})

State = dict[str, tuple[int, int, str]]


@cache
def lab() -> Lab:
    return load_lab("lab12-f25").lab


def frozen(
    source: Path | str, cache_dir: Path, caps: IntakeCaps | None = None, report: str | None = None
) -> Submission:
    return freeze(str(source), lab(), DiskStore(cache_dir), LocalIntake(os.environ), caps, report=report)


def refused(
    source: Path | str, cache_dir: Path, caps: IntakeCaps | None = None, report: str | None = None
) -> GraderError:
    """Return the error that freezing raises, after a look that it left nothing behind."""
    with pytest.raises(GraderError) as caught:
        frozen(source, cache_dir, caps, report)
    left = [path.name for path in cache_dir.rglob("*") if not path.is_dir() or path.parent.name == "work"]
    assert left in ([], [".lab-grader"]), "the mark of a cache is all that may stay"
    return caught.value


def folder(place: Path, files: Mapping[str, bytes] = SMALL) -> Path:
    for path, data in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
        (place / path).chmod(0o755 if path in EXECUTABLE else 0o644)
    return place


def tar_of(place: Path, archive: Path, top: str = "") -> Path:
    mode = {".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2", ".tar": "w"}[archive.suffix]
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        tar.add(place, arcname=top or ".")
    return archive


def zip_of(place: Path, archive: Path, top: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(place.rglob("*")):
            packed.write(path, Path(top, path.relative_to(place)))
    return archive


def git(*arguments: str | Path, cwd: Path) -> str:
    if shutil.which("git") is None:
        pytest.skip("needs: git: a repository to read")
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
    identity |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}
    quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(cwd)}
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]} | identity | quiet,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def repository(place: Path, files: Mapping[str, bytes] = SMALL) -> Path:
    folder(place, files)
    git("init", "-q", "-b", "main", cwd=place)
    git("config", "core.autocrlf", "false", cwd=place)
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "all", cwd=place)
    return place


def state(top: Path) -> State:
    """Return mode, mtime and content of everything below `top`, links by their target."""
    found = {}
    for path in [top, *top.rglob("*")]:
        about = path.lstat()
        text = str(path.readlink()) if path.is_symlink() else ""
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(about.st_mode) else text
        found[str(path.relative_to(top))] = (about.st_mode, about.st_mtime_ns, content)
    return found


def contents(submission: Submission) -> dict[str, bytes]:
    top = Path(submission.frozen_dir)
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if not path.is_dir()}
