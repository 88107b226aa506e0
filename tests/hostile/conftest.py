"""The arena in which hostile cases run, and a submission that must be graded right after each family."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grader.adapters.labfile import labs_directory
from grader.adapters.sandbox import Sandbox
from grader.adapters.toolchains import find_go
from tests.engines.fixtures import session_engines as session_engines
from tests.engines.fixtures import wasm_shim as wasm_shim
from tests.hostile.arena import Arena
from tests.hostile.catalogue import Pace, Place

SHIPPED = labs_directory() / "lab12-f25"

CAPS_S: Mapping[Pace, tuple[float, float]] = {"quick": (3, 60), "slow runs": (60, 60), "quick builds": (3, 4)}
"""By pace, the caps on a run's time and on a build's."""


@pytest.fixture(scope="session")
def root() -> Iterator[Path]:
    """A folder of these tests alone, outside pytest's own, which keeps the last three."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def labs(root: Path) -> Mapping[Pace, Path]:
    """The shipped lab with one round and other caps on time: what is graded is the same, each run just ends sooner."""
    return {name: _scaled(root / name, *caps) for name, caps in CAPS_S.items()}


def _scaled(parent: Path, run_timeout_s: float, build_timeout_s: float) -> Path:
    folder = Path(shutil.copytree(SHIPPED, parent / SHIPPED.name))
    yaml = YAML()
    definition = yaml.load(folder / "lab.yml")
    definition["parameters"] |= {"rounds": 1, "warmups": 0, "memory_runs": 1, "run_timeout_s": run_timeout_s}
    for step in definition["steps"].values():
        step["timeout_s"] = build_timeout_s
    for probe in definition["probes"].values():
        if probe["kind"] == "http":
            probe["starts"] = 1
    yaml.dump(definition, folder / "lab.yml")
    return folder


def needs_of_the_corpus() -> None:
    """Skip where nothing can be built or run, or nothing is capped."""
    if find_go() is None:
        pytest.skip("needs: go: the embedded extra is not installed")
    status = Sandbox().status()
    if not status.works:
        pytest.skip("needs: sandbox: bubblewrap does not work here")
    if status.weak:
        pytest.skip("needs: cgroups: without them some of these cases would harm this host")


@pytest.fixture(scope="session")
def arena(root: Path, labs: Mapping[Pace, Path]) -> Iterator[Arena]:
    """The arena of all cases without a container."""
    needs_of_the_corpus()
    with Arena(root, labs).open() as opened:
        yield opened


@pytest.fixture
def place(arena: Arena) -> Iterator[Place]:
    """A new folder for one case's submission."""
    folder = Path(tempfile.mkdtemp(prefix="handed-in-", dir=arena.root))
    yield arena.place(folder)
    # Not shutil: its recursion ends before some of these folders do.
    subprocess.run(["rm", "-rf", "--", folder], check=True)
