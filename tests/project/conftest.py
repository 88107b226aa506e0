"""A checkout of its own to set up, and what tests of it need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@dataclass(frozen=True)
class Checkout:
    """A copy of what a clone holds, run as a person would: its scripts, with a bare environment."""

    root: Path
    wheels: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def command(self, script: str, *arguments: str) -> list[str]:
        return [str(self.root / "bin" / script), *arguments]

    def settings(self, **environ: str) -> dict[str, str]:
        return {**PLAIN, "GRADER_WHEELS": str(self.wheels), **self.environ, **environ}

    def run(
        self, script: str, *arguments: str, cwd: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(script, *arguments),
            env=self.settings(**environ),
            cwd=cwd or self.root.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def lock_only(self, package: str) -> None:
        """Cut the lock file down to one package, so that set-up is quick and otherwise the real one."""
        lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
        found = re.search(rf"^{package}==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
        assert found is not None, package
        (self.root / "requirements.lock").write_text(found[0], encoding="utf-8")


@pytest.fixture(scope="session")
def wheels() -> Path:
    """The directory with all locked packages, for this Python."""
    named = os.environ.get("GRADER_TEST_WHEELS")
    if not named:
        pytest.skip("needs: wheels: run by bin/test")
    return Path(named)


@pytest.fixture
def checkout(tmp_path: Path, wheels: Path, python_first: Mapping[str, str]) -> Checkout:
    """A checkout that nothing was set up in, whose lock file names one small package."""
    made = copy_of_checkout(tmp_path / "a place", wheels, python_first)
    made.lock_only("mdurl")
    return made


@pytest.fixture(scope="session")
def ready(
    tmp_path_factory: pytest.TempPathFactory, wheels: Path, python_first: Mapping[str, str]
) -> Iterator[Checkout]:
    """A checkout that is set up from the whole lock file, with no network."""
    made = copy_of_checkout(tmp_path_factory.mktemp("ready") / "clone", wheels, python_first)
    done = made.run("setup")
    assert done.returncode == 0, done.stderr
    yield made
    shutil.rmtree(made.root)


@pytest.fixture(scope="session")
def python_first(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Settings under which `python3` is the Python that runs the tests: another may lack `ensurepip`."""
    import sys

    folder = tmp_path_factory.mktemp("python")
    (folder / "python3").symlink_to(Path(sys.executable).resolve())
    return {"PATH": f"{folder}:{PLAIN['PATH']}", "HOME": str(folder)}


def copy_of_checkout(target: Path, wheels: Path, environ: Mapping[str, str]) -> Checkout:
    target.mkdir(parents=True)
    for name in ("bin", "grader", "labs"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copyfile(ROOT / name, target / name)
    return Checkout(target, wheels, environ)
