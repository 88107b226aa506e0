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


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("hosts", "limit", "said"),
    [
        ("", "all,localhost", "no host is in the group `molecule`"),
        (
            "localhost ansible_connection=local\n[molecule]\nsomewhere\n",
            "localhost",
            "no host of the group `molecule` was asked anything",
        ),
    ],
)
def test_a_scenario_that_matches_no_host_fails(hosts: str, limit: str, said: str, tmp_path: Path) -> None:
    """Ansible itself ends well where there was nobody to ask."""
    (tmp_path / "hosts.ini").write_text(hosts, "ascii")
    argv = [str(MOLECULE.with_name("ansible-playbook")), "--inventory", str(tmp_path / "hosts.ini"), "--limit", limit]
    plain = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        [*argv, "molecule/default/verify.yml"],
        cwd=ROOT, env=plain, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert said in done.stdout, done.stdout + done.stderr
