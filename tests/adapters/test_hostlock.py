from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from grader.adapters.hostlock import FileHostLock
from grader.errors import HostError

REPOSITORY = Path(__file__).parents[2]

_LOOP = """
import sys, time
from pathlib import Path
from grader.adapters.hostlock import FileHostLock
lock = FileHostLock(Path(sys.argv[1]))
kind, hold_s = sys.argv[2], float(sys.argv[3])
print("up", flush=True)
while True:
    with getattr(lock, kind)():
        print("in", flush=True)
        time.sleep(hold_s)
        print("out", flush=True)
"""


@contextmanager
def looping(path: Path, kind: str, hold_s: float) -> Iterator[subprocess.Popen[str]]:
    """A process that takes the lock again and again."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LOOP, str(path), kind, str(hold_s)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "host.lock"


def waits(path: Path, kind: str) -> bool:
    """Whether taking the lock would have to wait."""
    script = f"""
import sys
from pathlib import Path
from grader.adapters.hostlock import FileHostLock
def waiting(holders): print("waits", flush=True); sys.exit()
with FileHostLock(Path(sys.argv[1]), waiting=waiting).{kind}(): print("in")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=60
    )
    return done.stdout.strip() == "waits"


def test_builders_share_and_timing_excludes(path: Path) -> None:
    lock = FileHostLock(path)
    with lock.shared():
        assert not waits(path, "shared")
        assert waits(path, "exclusive")
    with lock.exclusive():
        assert waits(path, "shared")
        assert waits(path, "exclusive")
    assert not waits(path, "exclusive")


def test_flock_of_util_linux_sees_the_same_lock(path: Path) -> None:
    """A playbook or a shell script takes part with `flock`."""

    def flock(option: str) -> int:
        return subprocess.run(["flock", "--nonblock", option, path, "true"], check=False).returncode

    lock = FileHostLock(path)
    with lock.shared():
        assert (flock("--shared"), flock("--exclusive")) == (0, 1)
    with lock.exclusive():
        assert flock("--shared") == 1
    assert flock("--exclusive") == 0


def test_threads_of_one_process_exclude_each_other(path: Path) -> None:
    lock = FileHostLock(path)
    order: list[str] = []

    def timed() -> None:
        with lock.exclusive():
            order.append("timed")

    with lock.shared():
        thread = threading.Thread(target=timed)
        thread.start()
        time.sleep(0.2)
        order.append("built")
    thread.join()
    assert order == ["built", "timed"]


@pytest.mark.slow
def test_timed_run_gets_its_turn_among_looping_builders(path: Path) -> None:
    """Plain flock got one turn in six seconds here."""
    turns = 0
    with ExitStack() as stack:
        builders = [stack.enter_context(looping(path, "shared", 0.03)) for _ in range(5)]
        for builder in builders:
            assert (said(builder), said(builder)) == ("up", "in")
        lock = FileHostLock(path)
        until = time.monotonic() + 30
        while turns < 10 and time.monotonic() < until:
            with lock.exclusive():
                turns += 1
            time.sleep(0.01)
        for builder in builders:
            assert said(builder) == "out"  # They went on, too.
    assert turns == 10


def test_waiting_timed_run_keeps_later_builders_out(path: Path) -> None:
    lock = FileHostLock(path)
    with lock.shared(), looping(path, "exclusive", 0) as timed:
        assert said(timed) == "up"
        for _ in range(1000):
            if waits(path, "shared"):
                break
        else:
            pytest.fail("the turnstile stayed open")
    assert not waits(path, "shared")


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_holder_that_is_killed_gives_the_lock_free(path: Path, kind: str) -> None:
    with looping(path, kind, 600) as holder:
        assert (said(holder), said(holder)) == ("up", "in")
        assert waits(path, "exclusive")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert not waits(path, "exclusive")


def test_wait_tells_who_holds_the_lock(path: Path) -> None:
    class EnoughError(Exception):
        pass

    def waiting(holders: tuple[int, ...]) -> None:
        raise EnoughError(holders)

    with looping(path, "shared", 600) as holder:
        assert (said(holder), said(holder)) == ("up", "in")
        with pytest.raises(EnoughError) as caught, FileHostLock(path, waiting=waiting).exclusive():
            pytest.fail("it is held")
        assert caught.value.args[0] in ((holder.pid,), ())  # Unknown where the host's locks are hidden.


def test_interrupt_ends_the_wait(path: Path) -> None:
    with FileHostLock(path).exclusive(), looping(path, "shared", 0) as waiting:
        assert said(waiting) == "up"
        time.sleep(0.2)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=20) == -signal.SIGINT


def test_children_do_not_keep_the_lock(path: Path) -> None:
    with FileHostLock(path).exclusive():
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert not waits(path, "exclusive")
    finally:
        child.kill()
        child.wait()


def test_missing_file_is_made_for_everybody_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        with FileHostLock(path).shared():
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo"])
def test_anything_but_a_regular_file_is_refused(path: Path, tmp_path: Path, kind: str) -> None:
    """In a directory that everyone may write, a link would let somebody choose which file is created."""
    victim = tmp_path / "victim"
    match kind:
        case "link":
            victim.touch()
            path.symlink_to(victim)
        case "dangling":
            path.symlink_to(victim)
        case "directory":
            path.mkdir()
        case _:
            os.mkfifo(path)
    with pytest.raises(HostError) as caught, FileHostLock(path).shared():
        pytest.fail("it was taken")
    assert str(path) in caught.value.where
    assert "GRADER_LOCK" in caught.value.hint
    assert kind != "dangling" or not victim.exists()


def test_folder_that_is_not_there_is_an_error_with_the_command_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "host.lock"
    with pytest.raises(HostError) as caught, FileHostLock(path).exclusive():
        pytest.fail("it was taken")
    assert f"install -m 0666 /dev/null {path}" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: it changes owners")
def test_users_share_a_lock_that_another_made_in_a_sticky_folder() -> None:
    """As /run/lock is; with `fs.protected_regular` the kernel refuses O_CREAT for a file that is there."""
    with tempfile.TemporaryDirectory(prefix="grader-test-") as name:
        Path(name).chmod(0o1777)
        path = Path(name) / "host.lock"
        path.touch()
        path.chmod(0o666)
        os.chown(path, 64991, 64991)
        with FileHostLock(path).exclusive():
            assert waits(path, "shared")
