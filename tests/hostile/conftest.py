"""The arena in which hostile cases run, and a submission that must be graded right after each family."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grader.adapters.labfile import labs_directory
from grader.adapters.sandbox import Sandbox
from grader.adapters.toolchains import find_go
from tests.hostile.arena import Arena, Labs
from tests.hostile.catalogue import Place

SHIPPED = labs_directory() / "lab12-f25"


@pytest.fixture(scope="session")
def root() -> Iterator[Path]:
    """A folder of these tests alone, outside pytest's own, which keeps the last three."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def labs(root: Path) -> Labs:
    """The shipped lab with small caps on time and one round: what is graded is the same, each run just ends sooner."""
    return Labs(quick=_scaled(root / "quick", run_timeout_s=3), patient=_scaled(root / "patient", run_timeout_s=60))


def _scaled(parent: Path, run_timeout_s: float) -> Path:
    folder = Path(shutil.copytree(SHIPPED, parent / SHIPPED.name))
    yaml = YAML()
    definition = yaml.load(folder / "lab.yml")
    definition["parameters"] |= {"rounds": 1, "warmups": 0, "memory_runs": 1, "run_timeout_s": run_timeout_s}
    for step in definition["steps"].values():
        step["timeout_s"] = 15
    for probe in definition["probes"].values():
        if probe["kind"] == "http":
            probe["starts"] = 1
    yaml.dump(definition, folder / "lab.yml")
    return folder


@pytest.fixture(scope="session")
def arena(root: Path, labs: Labs) -> Iterator[Arena]:
    """Skip where nothing can be built or run: then nothing hostile would run either."""
    if find_go() is None:
        pytest.skip("needs: go: the embedded extra is not installed")
    status = Sandbox().status()
    if not status.works:
        pytest.skip("needs: sandbox: bubblewrap does not work here")
    if status.weak:
        pytest.skip("needs: cgroups: without them some of these cases would harm this host")
    with Arena(root, labs).open() as opened:
        yield opened


@pytest.fixture
def place(arena: Arena) -> Iterator[Place]:
    """A new folder for one case's submission."""
    folder = Path(tempfile.mkdtemp(prefix="handed-in-", dir=arena.root))
    yield arena.place(folder)
    # Not shutil: its recursion ends before some of these folders do.
    subprocess.run(["rm", "-rf", "--", folder], check=True)
