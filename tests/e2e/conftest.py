"""Real gradings: the command line as users call it, with the real toolchain, in a cache that these tests share."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader.adapters.labfile import labs_directory
from grader.adapters.sandbox import Sandbox
from grader.adapters.toolchains import find_go
from tests.engines.fixtures import engines as engines
from tests.engines.fixtures import go_image as go_image
from tests.engines.fixtures import own_engines as own_engines
from tests.engines.fixtures import session_engines as session_engines
from tests.engines.fixtures import wasm_shim as wasm_shim
from tests.regrading import judged_again

ROOT = Path(__file__).resolve().parents[2]
SOLUTION = labs_directory() / "lab12-f25" / "solution"


@dataclass(frozen=True)
class Run:
    """One finished command."""

    code: int
    stdout: str
    stderr: str


Grader = Callable[..., Run]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of this session's gradings; nothing outside it is read or written."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def environment(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a user's shell hands to the command, with the cache and the host lock of these tests."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "PYTHONPATH": str(ROOT),
        "GRADER_CACHE": str(shared_cache),
        "GRADER_LOCK": str(tmp_path_factory.mktemp("lock") / "host.lock"),
        "COLUMNS": "200",
        "GRADER_ENGINE": "embedded",  # whatever daemons this host has
    }


@pytest.fixture(scope="session")
def grader(environment: dict[str, str]) -> Grader:
    """Run `grader ARGS...` and return how it ended; 600 s at most."""

    def run(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Run:
        argv = [sys.executable, "-m", "grader", *map(str, args)]
        done = subprocess.run(
            argv, cwd=cwd or ROOT, env=environment | (env or {}), capture_output=True, timeout=600, check=False
        )
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def engine_works() -> None:
    """Skip where nothing can be built or run."""
    if find_go() is None:
        pytest.skip("needs: go: the embedded extra is not installed")
    if not Sandbox().status().works:
        pytest.skip("needs: sandbox: bubblewrap does not work here")


@pytest.fixture
def solution(tmp_path: Path) -> Path:
    """A copy of the reference solution, to be broken."""
    return Path(shutil.copytree(SOLUTION, tmp_path / "solution"))


@pytest.fixture(scope="session")
def quick_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped lab with one timed round, for tests that look at anything but times."""
    lab = Path(shutil.copytree(SOLUTION.parent, tmp_path_factory.mktemp("labs") / "lab12-f25"))
    text = (lab / "lab.yml").read_text("utf-8")
    text, changed = re.subn(r"(?m)^  rounds: 12\b.*$", "  rounds: 1", text)
    text, also = re.subn(r"(?m)^  warmups: 2\b.*$", "  warmups: 0", text)
    assert (changed, also) == (1, 1)
    (lab / "lab.yml").write_text(text, "utf-8")
    return lab


@pytest.fixture
def graded(grader: Grader, tmp_path: Path, quick_lab: Path, engine_works: None) -> Callable[..., dict[str, Any]]:
    """Grade a directory into a fresh folder and return its grade.json.

    The run must end with 0, and a judgement of that grade give the same bytes.
    """

    def grade(directory: Path, *options: object, lab: str | Path = quick_lab) -> dict[str, Any]:
        out = tmp_path / "out" / str(len(list(tmp_path.glob("out/*"))))
        run = grader("grade", directory, "--lab", lab, "--out", out, "--json", "-q", *options)
        assert run.code == 0, run.stderr
        result: dict[str, Any] = json.loads(run.stdout)
        assert json.loads((out / "grade.json").read_text("utf-8")) == result
        assert judged_again(out / "grade.json", lab) == (out / "grade.json").read_bytes()
        return result

    return grade
