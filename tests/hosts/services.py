"""What bare hosts find on this machine's loopback: a mirror of stand-ins, Python's packages, and a registry.

Each is a process of its own that goes on until `stop`; a rig's folder holds their files, and `<name>.port` says where.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from grader.adapters import wheels
from grader.errors import HostError
from tests.caching import cache, is_complete, scratch
from tests.engines import shim
from tests.engines.engines import PROGRAMS

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("mirror", "registry")
PYTHONS = {"debian12": "3.11", "debian13": "3.13"}
"""Of the releases."""
START_S = 300.0
"""A busy machine packs the shim for a while, several times."""


def start(rig: Path, releases: Sequence[str]) -> None:
    """Serve all of it; returns when it answers.

    Args:
        releases: Of the hosts that will ask, so that there are packages for their Python.
    Raises: HostError.
    """
    programs = [f"{shim.PROGRAM}={shim.folder() / shim.PROGRAM}"] if shim.is_built() else []
    port = free_port()
    mirror = [sys.executable, "-m", "tests.provision.mirror", str(rig / "mirror"), f"{port}", *programs]
    _start(rig, "mirror", port, *mirror)
    (rig / "mirror/wheels").mkdir(parents=True, exist_ok=True)
    for folder in {_wheels(PYTHONS[release]) for release in releases}:
        for wheel in folder.glob("*.whl"):
            with suppress(FileExistsError):  # of one that serves several Pythons
                (rig / "mirror/wheels" / wheel.name).symlink_to(wheel)
    port = free_port()
    settings = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(rig / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (rig / "registry.yml").write_text(json.dumps(settings), "ascii")
    _start(rig, "registry", port, PROGRAMS["docker-registry"], "serve", str(rig / "registry.yml"))
    for name in NAMES:
        if not until(lambda name=name: _listens(rig, name), START_S):  # type: ignore[misc]
            raise HostError(f"the {name} did not start: {(rig / f'{name}.log').read_text('utf-8', 'replace')}")


def stop(rig: Path) -> None:
    """End them; of what does not run, nothing."""
    for name in NAMES:
        kill(rig / f"{name}.pid", rig)


def lives(pid_file: Path, mark: Path) -> bool:
    """Tell whether the process of a file is there and still the one that was started with that path in its words."""
    try:
        words = Path(f"/proc/{pid_file.read_text('ascii').strip()}/cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(mark) in words


def kill(pid_file: Path, mark: Path) -> None:
    """End a process that `lives`, and wait for that."""
    if lives(pid_file, mark):
        os.kill(int(pid_file.read_text("ascii")), signal.SIGKILL)
        until(lambda: not lives(pid_file, mark), 10)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(true: Callable[[], bool], limit_s: float) -> bool:
    """Wait until something is true; returns whether it became so in time."""
    end = time.monotonic() + limit_s
    while True:
        try:
            if true():
                return True
        except subprocess.TimeoutExpired:
            pass
        if time.monotonic() > end:
            return False
        time.sleep(0.3)


def _start(rig: Path, name: str, port: int, *argv: str) -> None:
    with (rig / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (rig / f"{name}.pid").write_text(f"{process.pid}", "ascii")
    (rig / f"{name}.port").write_text(f"{port}", "ascii")


def _listens(rig: Path, name: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int((rig / f"{name}.port").read_text("ascii")))) == 0


def _wheels(python: str) -> Path:
    """Return a folder with the toolkit's locked packages for that Python, hashes checked; made on first use."""
    lock = wheels.lock_file()
    target = cache() / f"host-wheels-{python}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not is_complete(target):
        with scratch(target) as work:
            wheels.download(lock, work, work / "partial", python=python, architecture="amd64")
            shutil.rmtree(work / "partial")
    return target
