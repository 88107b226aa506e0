"""Programs that become another user's, as `sudo` does: a plain user who started one may send it no signal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from typing import Any

import pytest

from tests.users import IMPORTS, python_for

CALLER, OTHER = 64990, 64991
AS_CALLER = (
    *("setpriv", f"--reuid={CALLER}", f"--regid={CALLER}", "--clear-groups"),
    # All that it has of root is to become others; to send them signals would be CAP_KILL.
    *("--inh-caps=-all,+setuid", "--ambient-caps=-all,+setuid", "--bounding-set=-all,+setuid"),
    *("env", "-i", *(f"{name}={value}" for name, value in IMPORTS.items())),
)

PROGRAM = """
import json, os, pathlib, sys, threading, time
from grader.adapters.localserver import serve_locally
from grader.adapters.spawn import spawn
from grader.adapters.stopwatch import Stopwatch
from grader.errors import StillRunningError
how, timeout_s, *argv = sys.argv[1:]
told = {}
def children():
    return pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
def may_be_ended(pid):
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    return True
try:
    if how == "stopwatch":
        done = Stopwatch(argv[0], argv, {}).run(float(timeout_s))
        said = done.stdout.decode()
    elif how == "server":
        with serve_locally(argv[0], argv, {}, int(argv[-1]), float(timeout_s)) as server:
            while may_be_ended(int(children().split()[0])):
                time.sleep(0.01)
            server.stop(0.0)
    else:
        done = spawn(argv, {}, timeout_s=float(timeout_s), output_bytes=1000)
        said = done.stdout
    told = {"exit_code": done.exit_code, "said": said}
except StillRunningError as error:
    told = {"still": str(error)}
print(json.dumps(told | {"left": children().split()}))
"""


@pytest.fixture(scope="module")
def python() -> str:
    """A Python for a plain user who may become another one and nothing else."""
    if os.geteuid() != 0:
        pytest.skip("needs: root: only root can let a plain user become others")

    def start(python: str) -> subprocess.Popen[str]:
        tried = [*AS_CALLER, python, "-c", "import grader.adapters.stopwatch"]
        return subprocess.Popen(tried, stderr=subprocess.DEVNULL, text=True)

    return python_for(start)


def become(python: str, how: str, script: str, timeout_s: float, *more: str) -> dict[str, Any]:
    """Have a plain user run a script as another one; return what was told of it."""
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    line = [setpriv, f"--reuid={OTHER}", "sh", "-c", script, "sh", *more]
    line = [*AS_CALLER, python, "-c", PROGRAM, how, str(timeout_s), *line]
    done = subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("how", ["stopwatch", "spawn"])
def test_it_is_followed_to_its_end_and_reaped(python: str, how: str) -> None:
    told = become(python, how, "id -u; exit 7", 30)
    assert told == {"exit_code": 7, "said": f"{OTHER}\n", "left": []}


@pytest.mark.parametrize("how", ["stopwatch", "spawn"])
def test_one_that_outlives_its_time_is_named_with_what_to_do(python: str, how: str) -> None:
    for timeout_s in (0.5, 5.0, 30.0):  # It must have become another user by then.
        told = become(python, how, "exec sleep 600", timeout_s)
        if "still" in told:
            break
    (pid,) = map(int, told["left"])
    os.kill(pid, signal.SIGKILL)
    assert f"process {pid} goes on" in told["still"]
    assert f"`sudo kill {pid}`" in told["still"]


def test_a_server_that_may_not_be_told_to_end_is_named_once_its_time_is_up(python: str, port: int) -> None:
    told = become(python, "server", "exec sleep 600", 3.0, str(port))
    (pid,) = map(int, told["left"])
    os.kill(pid, signal.SIGKILL)
    assert f"process {pid} goes on" in told["still"]
