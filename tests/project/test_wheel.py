"""The wheel, built and installed as somebody else would, works without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.bootstrap import environment
from tests.project.conftest import ROOT

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the locked hatchling and nothing fetched."""
    folder = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("lab_grader-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The `bin` folder of a fresh environment that holds the wheel and what is locked."""
    venv = tmp_path_factory.mktemp("venv")
    environment.create([os.path.realpath(sys.executable)], venv)
    environment.install(venv, [ROOT / "requirements.lock"], wheels=wheels, settings=os.environ, say=lambda text: None)
    argv = [str(venv / "bin/python"), "-I", "-m", "pip", "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(argv, env=environment.pip_settings(os.environ, wheels), capture_output=True, check=True)
    yield venv / "bin"
    shutil.rmtree(venv)  # 450 MB


def grader(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    argv = [str(installed / "grader"), *arguments]
    return subprocess.run(argv, cwd=cwd, env=bare, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("folder", ["labs", "roles", "playbooks"])
def test_the_wheel_carries_the_data_beside_the_package(wheel: Path, folder: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith(f"grader/_share/{folder}/")}
    here = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {f"grader/_share/{path.relative_to(ROOT)}" for path in here} == packed
    assert packed


def test_labs_are_found_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = grader(installed, tmp_path, "lab", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "lab12-f25" in done.stdout


def test_every_shipped_lab_is_valid_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = grader(installed, tmp_path, "lab", "validate", "lab12-f25")
    assert done.returncode == 0, done.stderr


def test_doctor_knows_that_it_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    done = grader(installed, tmp_path, "doctor", "--for", "claims")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"installed as a package in {installed.parent}" in done.stdout
