from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.adapters.noise import SPAWNS, HostNoise, cpu_pressure, cpu_ticks
from grader.errors import HostError


def test_ticks_are_read_as_proc_stat_counts_them(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice; guests are counted in user already.
    (tmp_path / "stat").write_text("cpu  10 20 30 400 50 6 7 8 9 1\ncpu0 1 1 1 1 1 1 1 1 0 0\n", encoding="ascii")
    ticks = cpu_ticks(tmp_path)
    assert ticks is not None
    assert (ticks.busy, ticks.steal, ticks.total) == (10 + 20 + 30 + 6 + 7, 8, 531)


@pytest.mark.parametrize("text", ["", "intr 5\n", "cpu x\n", "cpu 1 2 3\n"])
def test_what_the_kernel_does_not_count_is_none(tmp_path: Path, text: str) -> None:
    assert cpu_ticks(tmp_path) is None
    (tmp_path / "stat").write_text(text, encoding="ascii")
    assert cpu_ticks(tmp_path) is None


def test_pressure_is_the_total_of_some(tmp_path: Path) -> None:
    assert cpu_pressure(tmp_path) is None
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure/cpu").write_text(
        "some avg10=1.00 avg60=2.00 avg300=3.00 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
        encoding="ascii",
    )
    assert cpu_pressure(tmp_path) == 123456


def test_a_reading_starts_programs_and_tells_what_this_host_can() -> None:
    reading = HostNoise().read(3.5)
    assert reading.at_s == 3.5
    assert len(reading.spawn_s) == SPAWNS
    assert reading.foreign_load is None or 0 <= reading.foreign_load <= 1
    assert len(reading.load_average) == 3


@pytest.mark.serial
def test_busy_loops_of_others_are_load_while_we_pause() -> None:
    if cpu_ticks() is None:
        pytest.skip("needs: linux: a `/proc/stat` that counts")
    noise = HostNoise()
    with hogs(2 * (os.cpu_count() or 1)):
        busy = noise.read(0.0, 0.4)
    assert busy.foreign_load is not None
    assert busy.foreign_load > 0.5


def test_a_host_without_counters_still_starts_programs(tmp_path: Path) -> None:
    reading = HostNoise(tmp_path).read(0.0)
    assert (reading.pressure, reading.foreign_load, reading.steal) == (None, None, None)
    assert min(reading.spawn_s) > 0


def test_a_host_without_a_program_that_does_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.adapters.noise._NOOPS", (Path("/no/such/true"),))
    with pytest.raises(HostError) as caught:
        HostNoise()
    assert caught.value.exit_code == 3


def test_a_host_that_starts_no_program_any_more_says_so_and_keeps_nothing_open() -> None:
    noise, usual = HostNoise(), resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(0)
    os.close(spare)  # The lowest number that is free: no more than one pipe can be opened.
    before = sorted(Path("/proc/self/fd").iterdir())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 3, usual[1]))
        with pytest.raises(HostError) as caught:
            noise.read(0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert "`true` could not be started: Too many open files" in str(caught.value)
    assert "ulimit" in caught.value.hint
    assert sorted(Path("/proc/self/fd").iterdir()) == before


@contextmanager
def hogs(count: int) -> Iterator[None]:
    programs = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()
