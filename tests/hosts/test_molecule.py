"""The roles on bare hosts: `molecule/default` and `molecule/faults`, where they were asked for by `--require`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REQUIRED
from tests.hosts import containers

ROOT = Path(__file__).resolve().parents[2]
MOLECULE = Path(sys.executable).with_name("molecule")
LAST = 60
"""Lines of Molecule's that are shown when it failed."""


def molecule(rig: Path, scenario: str, *limit: str, **more: str) -> None:
    environ = {
        **os.environ,
        "PATH": f"{MOLECULE.parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "LAB_HOSTS_DIR": str(rig),
        **more,
    }
    argv = ["nice", "-n", "19", str(MOLECULE), "test", "--scenario-name", scenario, "--", *limit]
    done = subprocess.run(
        argv, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-LAST:])


def wanted(group: str, lacks: str | None) -> None:
    """Skip what takes many minutes unless it was asked for."""
    if group not in REQUIRED:
        pytest.skip(f"needs: {group}: it takes many minutes: `bin/test --require {group} tests/hosts`")
    if lacks:
        pytest.skip(f"needs: {group}: {lacks}")


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.once
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("scenario", ["default", "faults"])
def test_containers_with_systemd_become_fit_and_stay_so(scenario: str, tmp_path: Path) -> None:
    wanted("molecule", containers.missing())
    molecule(tmp_path / "rig", scenario, LAB_HOSTS_KIND="container", LAB_HOSTS="debian13 debian12")
