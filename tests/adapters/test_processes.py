"""Peaks and trees of processes, with a program that touches a known amount of memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.adapters.cgroups import Cgroup, Cgroups
from grader.adapters.processes import PeakSampler, children, smaps_now, terminate, tree
from grader.adapters.sandbox import Sandbox
from grader.adapters.trusted import Trusted
from grader.model.base import Message
from grader.model.run import Bind, Command, Completed, MemoryReading
from tests.adapters.conftest import PlainUser

MIB = 1 << 20
TOUCHED = 20 * MIB
NO_CGROUPS = Cgroups(0, {}, missing=Message(code="sandbox.no-cgroup"))
BOUND = 1.1
"""Of the truth, beyond the floor that the control arm shows: the goal that issue and documents name."""


def touches(program: Path) -> Command:
    bind = Bind(source=str(program), target="/app/attack")
    return Command(argv=("/app/attack", "touch", str(TOUCHED // MIB), "300"), binds=(bind,))


def only(done: Completed) -> MemoryReading:
    assert done.outcome == "ok", done
    (reading,) = done.memory_peak
    return reading


@pytest.fixture(scope="module")
def large_heap() -> Iterator[None]:
    """A caller with 300 MiB of its own, which ru_maxrss of a forked child would inherit."""
    heap = bytearray(300 * MIB)
    heap[::4096] = b"x" * len(heap[::4096])
    yield
    assert heap


@pytest.mark.usefixtures("large_heap")
def test_peak_of_a_run_is_what_it_touched_and_the_floor_that_the_control_shows(
    sandbox: Sandbox | PlainUser, attack: Path
) -> None:
    done = sandbox.run(touches(attack), memory=True)
    peak = only(done)
    weak = {message.code for message in sandbox.status().weak}
    assert peak.notion == ("smaps" if "sandbox.no-cgroup" in weak else "cgroup")
    floor = only(sandbox.run(Sandbox().noop(), memory=True)).size_bytes if peak.notion == "cgroup" else 2 * MIB
    assert TOUCHED <= peak.size_bytes <= BOUND * TOUCHED + floor
    assert floor < TOUCHED / 2


@pytest.mark.usefixtures("large_heap")
@pytest.mark.parametrize("boundary", ["sandbox", "trusted"])
def test_without_a_cgroup_the_peak_is_sampled_and_says_how_often(attack: Path, boundary: str) -> None:
    runner = Trusted() if boundary == "trusted" else Sandbox(cgroups=NO_CGROUPS)
    if not runner.status().works:
        pytest.skip("needs: sandbox: it is refused here")
    peak = only(runner.run(touches(attack), memory=True))
    assert peak.notion == "smaps"
    # The Go runtime and the program's own pages are in it, shared ones by their part.
    assert TOUCHED <= peak.size_bytes <= BOUND * TOUCHED + 2 * MIB
    assert "samples" in peak.method
    assert "between two samples is missed" in peak.method


def test_memory_is_not_read_unless_asked_for(sandbox: Sandbox | PlainUser, attack: Path) -> None:
    assert sandbox.run(touches(attack)).memory_peak == ()


def test_no_thread_samples_a_run_that_did_not_ask(attack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("sampled")

    monkeypatch.setattr(PeakSampler, "of", refused)
    assert Trusted().run(touches(attack)).outcome == "ok"


def test_v2_peak_is_read_and_absent_before_it_was_made(tmp_path: Path) -> None:
    group = Cgroup(2, {"memory": tmp_path, "pids": tmp_path})
    assert group.peak() == ()
    (tmp_path / "memory.peak").write_text("4096\n")
    (reading,) = group.peak()
    assert (reading.notion, reading.size_bytes) == ("cgroup", 4096)
    assert "memory.peak" in reading.method


@pytest.mark.parametrize(
    ("version", "usage", "inactive"),
    [(1, "memory.usage_in_bytes", "total_inactive_file"), (2, "memory.current", "inactive_file")],
)
def test_usage_leaves_out_inactive_file_pages(tmp_path: Path, version: int, usage: str, inactive: str) -> None:
    group = Cgroup(version, {"memory": tmp_path, "pids": tmp_path})
    assert group.usage() == ()
    (tmp_path / usage).write_text("10000\n")
    (tmp_path / "memory.stat").write_text(f"cache 9\n{inactive} 3000\nactive_file 5\n")
    (reading,) = group.usage()
    assert (reading.notion, reading.size_bytes) == ("cgroup", 7000)
    assert usage in reading.method


def test_tree_holds_children_of_children() -> None:
    script = "sleep 60 & sh -c 'sleep 60 & echo ready; wait' & wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as shell:
        try:
            assert shell.stdout is not None
            shell.stdout.readline()
            found = tree([shell.pid])
            assert found[0] == shell.pid
            assert len(found) == 4
            (reading,) = smaps_now([shell.pid])
            (alone,) = smaps_now(found[-1:])
            assert reading.size_bytes > alone.size_bytes > 0
        finally:
            os.killpg(shell.pid, signal.SIGKILL)


def test_process_that_has_ended_has_no_children_and_no_memory() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert children(ended.pid) == []
    assert smaps_now([ended.pid]) == ()


def test_only_a_child_of_the_named_parent_is_told_to_end() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        try:
            assert not terminate(child.pid, child.pid)
            assert child.poll() is None
            assert terminate(child.pid, os.getpid())
            assert child.wait(20) == -signal.SIGTERM
        finally:
            child.kill()
    assert not terminate(child.pid, os.getpid())


def test_sampler_that_meets_nothing_has_no_reading_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with PeakSampler.of(list, ()) as sampler:
        pass
    assert sampler.readings() == ()
    assert threading.active_count() == before


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as program:
        yield program.pid
        program.kill()


def sampled(pid: int, looks: int, *launchers: str) -> tuple[MemoryReading, ...]:
    """Return what a sampler reads that meets a process so often."""
    left = [pid] * looks
    with PeakSampler.of(lambda: [left.pop()] if left else [], map(Path, launchers)) as sampler:
        deadline = time.monotonic() + 60
        while left and time.monotonic() < deadline:
            time.sleep(0.001)
    return sampler.readings()


def test_what_launches_a_program_is_not_counted_as_the_program(sleeper: int) -> None:
    """Between the gate and the program there may be milliseconds, in which a small program would be over."""
    assert sampled(sleeper, 20, "/bin/sh")
    assert sampled(sleeper, 20, "/bin/sh", "/bin/sleep") == ()


def test_too_few_samples_are_no_reading(sleeper: int) -> None:
    """One of a program that is over within milliseconds shows how it began: 3 MiB of 16, once in 25 runs."""
    assert sampled(sleeper, 4) == ()
    (reading,) = sampled(sleeper, 5)
    assert "the largest of 5 samples" in reading.method


def test_gate_of_a_trusted_run_counts_for_nothing() -> None:
    """So a shell has no reading: it cannot be told from the gate's."""
    sleeps = Command(argv=("/bin/sleep", "0.3"), binds=(Bind(source="/bin/sleep", target="/bin/sleep"),))
    shell = Command(argv=("/bin/sh", "-c", "sleep 0.3"), binds=(Bind(source="/bin/sh", target="/bin/sh"),))
    assert only(Trusted().run(sleeps, memory=True)).size_bytes > 0
    assert Trusted().run(shell, memory=True).memory_peak == ()
