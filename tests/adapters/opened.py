"""Docker and containerd opened on a test's own daemons, and a look at all that they leave there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.cgroups import mount_points
from grader.adapters.containerd import Containerd, open_containerd
from grader.adapters.docker import Docker, open_docker
from grader.model.run import Limits
from tests.engines.engines import Engines

LIMITS = Limits(timeout_s=30, memory_bytes=64 << 20, pids=64, disk_bytes=16 << 20)


def socket_of(engines: Engines) -> Path:
    return Path(engines.docker_host.removeprefix("unix://"))


@contextmanager
def opened_docker(engines: Engines) -> Iterator[Docker]:
    with open_docker(socket_of(engines), "/usr/bin", _parents()) as docker:
        yield docker


@contextmanager
def opened_containerd(engines: Engines) -> Iterator[Containerd]:
    with open_containerd(Path(engines.containerd_address), "/usr/bin", _parents()) as containerd:
        yield containerd


def _parents() -> CgroupParents:
    parents = CgroupParents.find()
    if parents.missing is not None:
        pytest.skip(f"needs: cgroups: {parents.missing.params}")
    return parents


def left_in_docker(engines: Engines) -> tuple[list[str], ...]:
    """Return every object that a daemon has, and every cgroup of ours."""
    asked = (("ps", "-aq"), ("images", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
    objects = [sorted(engines.run(engines.docker, *argv).stdout.split()) for argv in asked]
    return (*objects, _groups(f"lab-grader-*-{os.getpid()}-*"))


def left_in_containerd(engines: Engines, pid: int | None = None) -> tuple[object, ...]:
    """Return what is there of a grader, by its process: namespaces, pipes, shims and cgroups."""
    mine = f"lab-grader-*-{pid or os.getpid()}-*"
    spaces = [name for name in engines.run("ctr", "namespaces", "ls", "-q").stdout.split() if name.startswith("lab-")]
    pipes = [path.name for path in Path(tempfile.gettempdir()).glob(mine)]
    words = ["pgrep", "-f", f"containerd-shim.*{mine.replace('*', '[0-9]*')}"]
    shims = subprocess.run(words, capture_output=True, text=True, check=False)
    return spaces, pipes, _groups(mine), shims.stdout.split()


def _groups(pattern: str) -> list[str]:
    points = [point for point, _ in mount_points(Path("/proc/self")).values()]
    return [str(path) for point in points for path in point.glob(pattern)]


@pytest.fixture(scope="module")
def docker(session_engines: Engines) -> Iterator[Docker]:
    """Opened once for all tests of a module, as for all runs of a grading: that costs more than most of them."""
    before = left_in_docker(session_engines)
    with opened_docker(session_engines) as docker:
        yield docker
    assert left_in_docker(session_engines) == before


@pytest.fixture
def containerd(engines: Engines) -> Iterator[Containerd]:
    with opened_containerd(engines) as containerd:
        yield containerd
    assert not any(left_in_containerd(engines))
