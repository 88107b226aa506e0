"""A machine with a kernel of its own and no network, made fit from a bundle: where `--require vm` asks for it.

The bundle holds Debian's real packages, real wheels, stand-ins for the catalogue's files, and, pulled from a registry,
the image that the lab's Dockerfile starts from.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grader.adapters.registry import Registry
from grader.adapters.standin import GO_IMAGE
from tests.hosts import machines, rig, workloads
from tests.hosts.test_molecule import wanted

ROOT = Path(__file__).resolve().parents[2]
HOST = "debian13"
RELEASE = "trixie"
SMOKE = "docker.io/library/smoke:lab"


@dataclass(frozen=True)
class Machine:
    """The rig that it is in, and a folder with the course's own files: `inventory`, `bundle`."""

    rig: Path
    course: Path

    @property
    def host(self) -> Path:
        return self.rig / "hosts" / HOST

    def port(self, service: str) -> str:
        return (self.rig / f"{service}.port").read_text("ascii")

    def says(self, *command: str) -> str:
        """Run a command there as root; it must end well."""
        done = rig.ssh(self.rig, self.host, *command, timeout_s=600)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    wanted("vm", machines.missing())
    monkeypatch.setenv("LAB_HOSTS_NETWORK", "none")
    made = Machine(rig=tmp_path / "rig", course=tmp_path / "course")
    try:
        with took("boot"):
            rig.create(made.rig, "machine", [HOST])
            workloads.write(made.rig)
        write_inventory(made)
        yield made
    finally:
        rig.destroy(made.rig)
