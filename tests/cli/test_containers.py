"""Which container engines a command takes: absent, forbidden, dead and working daemons are four different things."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.adapters.labfile import load_lab
from grader.cli import daemons
from grader.cli.containers import Containers, open_containers
from grader.errors import HostError
from grader.testing import FakeStore
from grader.workflow.budget import Budget
from tests.users import open_folder

LAB = load_lab("lab12-f25").lab


def opened(wanted: str, folder: Path, environ: dict[str, str]) -> Containers:
    with ExitStack() as stack:
        return open_containers(wanted, LAB, FakeStore(folder), Budget(), {"PATH": os.environ["PATH"], **environ}, stack)


@pytest.fixture
def no_daemons(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without daemons, whatever this one has."""
    monkeypatch.setattr(daemons, "find_socket", lambda environ: None)
    monkeypatch.setattr(daemons, "find_address", lambda environ: None)


@pytest.fixture
def dead(tmp_path: Path) -> str:
    """A socket that nobody listens on any more."""
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    return f"unix://{path}"


def test_no_daemon_is_no_mistake_unless_one_was_asked_for(no_daemons: None, tmp_path: Path) -> None:
    assert opened("auto", tmp_path, {}) == Containers()
    with pytest.raises(HostError) as refused:
        opened("containers", tmp_path, {})
    assert (refused.value.exit_code, refused.value.where) == (3, "--engine containers")
    assert "Docker" in refused.value.what


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "CONTAINERD_ADDRESS"])
@pytest.mark.parametrize("wanted", ["auto", "containers"])
def test_a_dead_daemon_is_not_an_absent_one(wanted: str, variable: str, dead: str, tmp_path: Path) -> None:
    address = dead if variable == "DOCKER_HOST" else dead.removeprefix("unix://")
    with pytest.raises(HostError) as refused:
        opened(wanted, tmp_path, {variable: address})
    assert refused.value.exit_code == 3


def test_who_wants_no_containers_asks_no_daemon(dead: str, tmp_path: Path) -> None:
    assert opened("embedded", tmp_path, {"DOCKER_HOST": dead}) == Containers()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: another user's daemon")
def test_a_daemon_that_this_user_may_not_ask_is_none_for_him() -> None:
    code = (
        "import os, sys; from pathlib import Path; from grader.cli.daemons import reachable; "
        "os.setgroups([]); os.setgid(64990); os.setuid(64990); "
        "print(getattr(reachable('Docker', Path(sys.argv[1])), 'code', 'reachable'))"
    )
    with open_folder() as folder, socket.socket(socket.AF_UNIX) as one:
        path = folder / "docker.sock"
        one.bind(str(path))
        for mode, expected in ((0o660, "engine.no-permission"), (0o666, "reachable")):
            path.chmod(mode)
            done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == expected
