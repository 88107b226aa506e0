from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from grader.adapters.hostlock import FileHostLock
from grader.errors import HostError, TimeLimitError

REPOSITORY = Path(__file__).parents[2]

_LOOP = """
import sys, time
from pathlib import Path
from grader.adapters.hostlock import FileHostLock
lock = FileHostLock(Path(sys.argv[1]))
kind, hold_s, timeout_s = sys.argv[2], float(sys.argv[3]), float(sys.argv[4]) if sys.argv[4:] else None
print("up", flush=True)
while True:
    with getattr(lock, kind)(timeout_s):
        print("in", flush=True)
        time.sleep(hold_s)
        print("out", flush=True)
"""


@contextmanager
def looping(path: Path, kind: str, hold_s: float, *timeout_s: float) -> Iterator[subprocess.Popen[str]]:
    """A process that takes the lock again and again."""
    argv = [sys.executable, "-c", _LOOP, *map(str, (path, kind, hold_s, *timeout_s))]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
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
@pytest.mark.parametrize("timeout_s", [None, 30.0], ids=["asleep", "asking"])
def test_timed_run_gets_its_turn_among_looping_builders(path: Path, timeout_s: float | None) -> None:
    """Plain flock got one turn in six seconds here, and who asks again and again loses to those who sleep."""
    turns = 0
    with ExitStack() as stack:
        builders = [stack.enter_context(looping(path, "shared", 0.03)) for _ in range(5)]
        for builder in builders:
            assert (said(builder), said(builder)) == ("up", "in")
        lock = FileHostLock(path)
        until = time.monotonic() + 30
        while turns < 10 and time.monotonic() < until:
            with lock.exclusive(timeout_s):
                turns += 1
            time.sleep(0.01)
        for builder in builders:
            assert said(builder) == "out"  # They went on, too.
    assert turns == 10


def test_turns_come_in_the_order_of_coming_however_one_waits(path: Path) -> None:
    lock, order, threads = FileHostLock(path), list[int](), list[threading.Thread]()

    def come(number: int, queued: threading.Event) -> None:
        waiting = FileHostLock(path, waiting=lambda _: queued.set())
        with waiting.exclusive(60 if number % 2 else None):
            order.append(number)

    with lock.exclusive():
        for number in range(8):
            queued = threading.Event()
            threads.append(threading.Thread(target=come, args=(number, queued)))
            threads[-1].start()
            assert queued.wait(60)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


@pytest.mark.parametrize(
    ("held", "kind"), [("exclusive", "shared"), ("exclusive", "exclusive"), ("shared", "exclusive")]
)
def test_wait_ends_after_its_time(path: Path, held: str, kind: str) -> None:
    lock = FileHostLock(path)
    with getattr(lock, held)():
        began = time.monotonic()
        with pytest.raises(TimeLimitError) as caught, getattr(lock, kind)(0.3):
            pytest.fail("it is held")
        assert time.monotonic() - began >= 0.3
        assert str(path) in caught.value.where
        # Whoever gave up stands in nobody's way.
        assert waits(path, "shared") == (held == "exclusive")
    with getattr(lock, kind)(0.3):
        pass


def test_wait_behind_others_ends_after_its_time(path: Path) -> None:
    lock, queued = FileHostLock(path), threading.Event()

    def timed() -> None:
        with FileHostLock(path, waiting=lambda _: queued.set()).exclusive():
            pass

    thread = threading.Thread(target=timed)
    with lock.shared():
        thread.start()
        assert queued.wait(60)
        with pytest.raises(TimeLimitError), lock.shared(0.1):
            pytest.fail("a timed run waits before it")
    thread.join()


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_free_lock_is_taken_even_if_there_is_no_time_to_wait(path: Path, kind: str) -> None:
    with getattr(FileHostLock(path), kind)(0):
        assert waits(path, "exclusive")


def test_lock_that_comes_free_is_taken_within_the_time(path: Path) -> None:
    taken = threading.Event()

    def timed() -> None:
        with FileHostLock(path).exclusive(60):
            taken.set()

    with FileHostLock(path).shared():
        thread = threading.Thread(target=timed)
        thread.start()
        assert not taken.wait(0.2)
    thread.join()
    assert taken.is_set()


def test_bytes_that_another_program_has_locked_to_the_end_are_an_error(path: Path) -> None:
    """Asking for the next ticket would find no end."""
    script = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX, 0, 5); print(); input()"
    path.touch()
    argv = [sys.executable, "-u", "-c", script, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        said(other)
        with pytest.raises(HostError, match="another program"), FileHostLock(path).shared():
            pytest.fail("there is no ticket")
        other.communicate("\n")


@pytest.mark.parametrize("timeout_s", [(), (600,)], ids=["asleep", "asking"])
def test_waiting_timed_run_keeps_later_builders_out(path: Path, timeout_s: tuple[float, ...]) -> None:
    lock = FileHostLock(path)
    with lock.shared(), looping(path, "exclusive", 0, *timeout_s) as timed:
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


@pytest.mark.parametrize("timeout_s", [(), (600,)], ids=["asleep", "asking"])
def test_interrupt_ends_the_wait(path: Path, timeout_s: tuple[float, ...]) -> None:
    with FileHostLock(path).exclusive(), looping(path, "shared", 0, *timeout_s) as waiting:
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
