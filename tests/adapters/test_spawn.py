from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grader.adapters.interrupts import HELD_BACK
from grader.adapters.spawn import spawn
from grader.model.base import Message
from grader.model.run import Completed
from tests.adapters.stamps import TELLING, Told
from tests.interrupts import interrupted_by, interrupting_spawn


def sh(script: str, **options: object) -> Completed:
    settings = {"timeout_s": 20.0, "output_bytes": 1 << 20} | options
    return spawn(["/bin/sh", "-c", script], {}, **settings)  # type: ignore[arg-type]


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def children() -> str:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()


@pytest.mark.parametrize("gated", [False, True])
def test_outcome_output_and_exit_code_are_reported(gated: bool) -> None:
    hold = (lambda pid: None) if gated else None
    done = sh("printf out; printf err >&2", hold=hold)
    assert (done.outcome, done.exit_code, done.stdout, done.stderr) == ("ok", 0, "out", "err")
    done = sh("exit 7", hold=hold)
    assert (done.outcome, done.exit_code, done.signal) == ("failed", 7, None)
    done = sh("kill -TERM $$", hold=hold)
    assert (done.outcome, done.exit_code, done.signal) == ("failed", None, signal.SIGTERM)


@pytest.mark.parametrize("program", ["/no/such/program", "/etc/passwd", "/", "/bin/with\0nul"])
def test_program_that_cannot_start_is_an_outcome_with_a_reason(program: str) -> None:
    done = spawn([program], {}, timeout_s=5, output_bytes=10)
    assert (done.outcome, done.exit_code) == ("not-started", None)
    assert done.reason is not None
    assert done.reason.code == "run.not-started"
    assert done.reason.params["error"]


def test_first_byte_and_exit_are_stamped_apart() -> None:
    done = spawn(TELLING, {}, timeout_s=20, output_bytes=1000)
    assert Told.parse(done.stderr).agrees(done.first_output_s, done.total_s)
    assert sh("exit 0").first_output_s is None


def test_every_byte_value_survives() -> None:
    data = bytes(range(256)) * 1000
    done = spawn(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)"],
        {},
        timeout_s=20,
        output_bytes=len(data),
    )
    assert done.outcome == "ok"
    assert done.stdout_bytes() == data


def test_output_of_exactly_the_cap_is_no_offence_and_one_byte_more_is() -> None:
    assert sh("printf 12345", output_bytes=5).outcome == "ok"
    for script in ("printf 123456", "printf 123456 >&2"):
        done = sh(script, output_bytes=5)
        assert (done.outcome, done.stdout + done.stderr) == ("output-limit", "12345")


def test_both_streams_are_read_so_that_neither_blocks_the_program() -> None:
    """More than a pipe holds, on the stream that a reader of one stream would leave for later."""
    done = sh("head -c 500000 /dev/zero >&2; head -c 500000 /dev/zero")
    assert (done.outcome, len(done.stdout), len(done.stderr)) == ("ok", 500_000, 500_000)


def test_time_limit_ends_the_whole_group_whatever_signals_it_ignores() -> None:
    done = sh("trap '' TERM INT; echo $$; sleep 60 & echo $!; while :; do :; done", timeout_s=0.3)
    assert (done.outcome, done.exit_code) == ("timeout", None)
    assert done.reason == Message(code="run.timeout", params={"seconds": 0.3})
    for pid in done.stdout.split():
        wait_until_gone(int(pid))


def test_child_left_behind_neither_delays_the_end_nor_survives_it() -> None:
    done = sh("sleep 60 & echo $!")
    assert done.outcome == "ok"
    assert done.total_s < 30
    wait_until_gone(int(done.stdout))


def test_environment_is_exactly_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "secret")
    for hold in (None, lambda pid: None):
        done = spawn(["/usr/bin/env"], {"A": "1"}, timeout_s=5, output_bytes=1000, hold=hold)
        assert done.stdout == "A=1\n"


def test_input_is_empty_and_ignored_signals_are_reset() -> None:
    """Python ignores SIGPIPE, and a program that inherits that never ends in `program | head`."""
    ignored = sh("cat; grep SigIgn /proc/self/status").stdout.split()[1]
    assert int(ignored, 16) & 0x7FFFFFFF == 0  # Above are glibc's own.


def test_program_is_in_a_session_of_its_own() -> None:
    assert sh("ps -o sid= -p $$; echo $$").stdout.split()[0] != str(os.getsid(0))


def test_descriptors_left_open_for_children_are_closed_and_given_ones_arrive() -> None:
    reading, writing = os.pipe()
    try:
        os.set_inheritable(reading, True)
        os.write(writing, b"given\n")
        os.close(writing)
        done = sh("cat <&4; ls /proc/$$/fd", fds={4: reading})
    finally:
        os.close(reading)
    assert done.stdout.split() == ["given", "0", "1", "2", "4"]


def test_program_waits_at_the_gate_before_the_clock_starts() -> None:
    seen: list[bytes] = []

    def hold(pid: int) -> None:
        time.sleep(0.3)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (33, 33))
        seen.append(Path(f"/proc/{pid}/cmdline").read_bytes())

    done = sh("ulimit -n", hold=hold)
    assert b"gate" in seen[0]
    assert done.stdout == "33\n"
    assert done.total_s < 0.3


def test_hold_that_fails_leaves_no_process() -> None:
    def hold(pid: int) -> None:
        raise RuntimeError("no")

    others = children()
    with pytest.raises(RuntimeError):
        sh("echo never", hold=hold)
    assert children() == others


def test_watch_ends_the_run_with_its_reason() -> None:
    reason = Message(code="run.disk-limit", params={"bytes": 1})
    done = sh("sleep 30", watch=lambda: reason)
    assert (done.outcome, done.reason) == ("disk-limit", reason)
    assert done.total_s < 15


@pytest.mark.parametrize("without_pidfd", [False, True])
def test_five_hundred_runs_leak_no_descriptor_and_no_process(
    without_pidfd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without_pidfd:
        use_no_pidfd(monkeypatch)
    before, others = open_descriptors(), children()
    for _ in range(500):
        assert spawn(["/bin/true"], {}, timeout_s=20, output_bytes=10).outcome == "ok"
    assert spawn(["/nope"], {}, timeout_s=5, output_bytes=10).outcome == "not-started"
    assert sh("sleep 9", timeout_s=0.01).outcome == "timeout"
    assert open_descriptors() == before
    assert children() == others


def test_without_pidfd_the_same_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    use_no_pidfd(monkeypatch)
    done = sh("echo out; exit 3")
    assert (done.outcome, done.exit_code, done.stdout) == ("failed", 3, "out\n")
    assert sh("sleep 30", timeout_s=0.2).outcome == "timeout"


def use_no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before Linux 5.3."""

    def refused(pid: int, flags: int = 0) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)


def test_garbage_collection_is_as_it_was_afterwards() -> None:
    assert gc.isenabled()
    sh("exit 0")
    assert gc.isenabled()
    gc.disable()
    try:
        sh("exit 0")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_interrupt_kills_and_reaps_the_program_and_goes_on_up() -> None:
    script = """
import pathlib, sys, threading
from grader.adapters.spawn import spawn
try:
    spawn(["/bin/sh", "-c", "echo $$ > " + sys.argv[1] + "; sleep 60"], {}, timeout_s=60, output_bytes=10)
except KeyboardInterrupt:
    print(pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text() == "")
"""
    reading, writing = os.pipe()
    with os.fdopen(reading) as said:
        grader = subprocess.Popen(
            [sys.executable, "-c", script, f"/proc/{os.getpid()}/fd/{writing}"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        child = int(said.readline())
        os.close(writing)
    grader.send_signal(signal.SIGINT)
    assert grader.communicate(timeout=20)[0] == "True\n"
    wait_until_gone(child)


@pytest.mark.parametrize("interrupt", HELD_BACK)
def test_an_interrupt_at_the_very_start_loses_no_program(
    interrupt: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = children()
    monkeypatch.setattr(os, "posix_spawn", interrupting_spawn(interrupt))
    with interrupted_by(interrupt), pytest.raises(KeyboardInterrupt):
        sh("exec sleep 60")
    assert children() == others


def test_a_timeout_may_be_longer_than_the_kernel_waits_at_once() -> None:
    assert sh("exit 0", timeout_s=900 * 3600).exit_code == 0


def test_threads_may_run_programs_at_the_same_time() -> None:
    results: list[str] = []

    def work(number: int) -> None:
        results.extend(sh(f"echo {number}").stdout.strip() for _ in range(20))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(str(n) for n in range(4) for _ in range(20))


def wait_until_gone(pid: int) -> None:
    """A killed process of a killed parent is reaped by somebody else, in their time."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        time.sleep(0.01)
    pytest.fail(f"{pid} is still there")
