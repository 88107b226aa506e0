from __future__ import annotations

import gc
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from grader.adapters import spawn
from grader.adapters.interrupts import HELD_BACK
from grader.adapters.stopwatch import TAIL_BYTES, Stopwatch
from grader.ports import Clocked
from tests.adapters.stamps import TELLING, Told
from tests.interrupts import interrupted_by, interrupting_spawn

SH = "/bin/sh"


def sh(script: str, *, timeout_s: float = 20.0, env: dict[str, str] | None = None, stdout_bytes: int = 4096) -> Clocked:
    return Stopwatch(SH, ["sh", "-c", script], env or {}, stdout_bytes=stdout_bytes).run(timeout_s)


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def is_gone(pid: int) -> bool:
    """Whether a killed process is gone, or a zombie that somebody else has to reap."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


def test_exit_code_signal_and_output_are_reported() -> None:
    done = sh("printf out; printf err >&2; exit 7")
    assert (done.exit_code, done.signal, done.timed_out) == (7, None, False)
    assert (done.stdout, done.stderr) == (b"out", b"err")
    done = sh("kill -TERM $$")
    assert (done.exit_code, done.signal) == (None, signal.SIGTERM)


def test_spawn_first_byte_and_exit_are_each_stamped_when_they_are() -> None:
    before = time.time()
    done = Stopwatch(TELLING[0], TELLING, {}).run(20)
    assert before <= done.began <= time.time()
    assert Told.parse(done.stderr.decode()).agrees(done.first_output_s, done.total_s)
    assert sh("exit 0").first_output_s is None


def test_output_without_a_final_newline_and_of_any_bytes_is_read_whole() -> None:
    assert sh(r"printf 'a\0\377\200'").stdout == b"a\0\377\200"


def test_more_output_than_is_kept_neither_blocks_nor_fails_a_program() -> None:
    done = sh("head -c 3000000 /dev/zero; printf end; head -c 300000 /dev/zero >&2", stdout_bytes=10)
    assert (done.exit_code, done.stdout, done.stdout_cut) == (0, b"\0\0\0\0\0\0\0end", True)
    assert len(done.stderr) == TAIL_BYTES
    assert not sh("printf 1234567890", stdout_bytes=10).stdout_cut


def test_a_program_that_hangs_is_killed_with_its_group_whatever_it_ignores() -> None:
    for timeout_s in (0.3, 3.0, 30.0):  # It must have come so far as to say who there is.
        done = sh("trap '' TERM INT; echo $$; sleep 60 & echo $!; while :; do :; done", timeout_s=timeout_s)
        assert (done.timed_out, done.exit_code, done.signal) == (True, None, None)
        pids = [int(pid) for pid in done.stdout.split()]
        assert all(is_gone(pid) for pid in pids)
        if len(pids) == 2:
            return
    pytest.fail("it never said who there is")


def test_a_timeout_may_be_longer_than_the_kernel_waits_at_once() -> None:
    assert sh("exit 0", timeout_s=900 * 3600).exit_code == 0


def test_a_child_left_behind_neither_delays_the_end_nor_survives_it() -> None:
    done = sh("sleep 60 & echo $!")
    assert done.total_s < 30
    assert is_gone(int(done.stdout))


def test_environment_and_program_name_are_those_given() -> None:
    done = Stopwatch(SH, ["another", "-c", "echo $0"], {}).run(5)
    assert done.stdout == b"another\n"
    assert Stopwatch("/usr/bin/env", ["env"], {"A": "1"}).run(5).stdout == b"A=1\n"


def test_a_program_stays_in_this_directory_and_in_a_process_group_of_its_own_session() -> None:
    done = sh("pwd -P; ps -o pgid=,sid= -p $$; echo $$", env={"PATH": os.defpath})
    directory, groups, pid = done.stdout.decode().splitlines()
    assert directory == str(Path.cwd().resolve())
    assert groups.split() == [pid, str(os.getsid(0))]


def test_input_is_empty_and_ignored_signals_are_reset() -> None:
    ignored = sh("cat; grep SigIgn /proc/self/status", env={"PATH": os.defpath}).stdout.split()[1]
    assert int(ignored, 16) & 0x7FFFFFFF == 0  # Above are glibc's own.


def test_descriptors_left_open_for_children_are_closed() -> None:
    reading, writing = os.pipe()
    try:
        os.set_inheritable(writing, True)
        done = sh("ls /proc/$$/fd", env={"PATH": os.defpath})
    finally:
        os.close(reading)
        os.close(writing)
    assert done.stdout.split() == [b"0", b"1", b"2"]


@pytest.mark.parametrize("program", ["/no/such/program", "/etc/passwd", "", "/bin/with\0nul"])
def test_a_program_that_cannot_start_raises_and_leaves_nothing(program: str) -> None:
    before = open_descriptors()
    stopwatch = Stopwatch(program, ["x"], {})
    with pytest.raises((OSError, ValueError)):
        stopwatch.run(5)
    del stopwatch
    assert open_descriptors() == before


@pytest.mark.parametrize("without_pidfd", [False, True])
def test_many_runs_leak_no_descriptor_and_no_process(without_pidfd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if without_pidfd:
        monkeypatch.setattr(os, "pidfd_open", _no_such_call)
    before = open_descriptors()
    true, slow = Stopwatch("/bin/true", ["true"], {}), Stopwatch("/bin/sleep", ["sleep", "9"], {})
    for _ in range(200):
        assert true.run(20).exit_code == 0
    assert slow.run(0.01).timed_out
    del true, slow
    assert open_descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _no_such_call(pid: int, flags: int = 0) -> int:
    raise OSError(38, "Function not implemented")


def test_a_caller_that_has_closed_its_own_three_descriptors_is_read_all_the_same(tmp_path: Path) -> None:
    script = """
import os, sys
from grader.adapters.stopwatch import Stopwatch
for fd in (0, 1, 2):
    os.close(fd)
done = Stopwatch("/bin/sh", ["sh", "-c", "echo out; echo err >&2"], {}).run(20)
open(sys.argv[1], "wb").write(done.stdout + done.stderr)
os._exit(0)
"""
    done = spawn.spawn(
        [sys.executable, "-c", script, str(tmp_path / "said")],
        {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout_s=60,
        output_bytes=1 << 16,
    )
    assert done.outcome == "ok", done.stderr
    assert (tmp_path / "said").read_bytes() == b"out\nerr\n"


@pytest.mark.parametrize("interrupt", HELD_BACK)
def test_an_interrupt_kills_the_program_and_goes_on_up(interrupt: signal.Signals) -> None:
    with interrupted_by(interrupt), pytest.raises(KeyboardInterrupt):
        sh(f"kill -{interrupt.value} $PPID; exec sleep 60")
    assert_no_child()


@pytest.mark.parametrize("interrupt", HELD_BACK)
def test_an_interrupt_at_the_very_start_loses_no_program(
    interrupt: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_spawn", interrupting_spawn(interrupt))
    with interrupted_by(interrupt), pytest.raises(KeyboardInterrupt):
        sh("exec sleep 60")
    assert_no_child()


def assert_no_child() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_garbage_collector_is_on_again_afterwards() -> None:
    sh("exit 0")
    assert gc.isenabled()
