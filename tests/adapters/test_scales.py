from __future__ import annotations

import sys

import pytest

from grader.adapters.cgroups import Cgroups
from grader.adapters.scales import HostScales
from grader.model.base import Message

MIB = 1 << 20
TOUCH = "import sys; data = bytearray(20 << 20); sys.stdout.write('touched'); sys.exit(len(data) == 1)"


@pytest.mark.serial
def test_a_peak_is_the_programs_own_whatever_its_caller_has() -> None:
    """The caller holds 300 MiB, which `ru_maxrss` would hand on through exec."""
    if Cgroups.find().missing is not None:
        pytest.skip("needs: cgroups")
    ballast = bytearray(300 * MIB)
    ballast[::4096] = b"x" * len(ballast[::4096])
    scales = HostScales()
    argv = (sys.executable, "-I", "-S", "-c")
    empty, full = (scales.weigh(sys.executable, [*argv, script], {}, 30) for script in ("0", TOUCH))
    assert (full.outcome, full.stdout, full.argv) == ("ok", "touched", (*argv, TOUCH))
    (base,), (peak,) = empty.memory_peak, full.memory_peak
    assert peak.notion == "cgroup"
    assert 20 * MIB <= peak.size_bytes <= 1.1 * (20 * MIB + base.size_bytes)
    assert len(ballast) == 300 * MIB


@pytest.mark.serial
def test_without_cgroups_the_processes_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    scales = HostScales()
    nowhere = Cgroups(0, {}, missing=Message(code="sandbox.no-cgroup", params={"detail": "none"}))
    monkeypatch.setattr(scales, "_cgroups", nowhere)
    script = "import time; data = bytearray(20 << 20); time.sleep(0.5)"
    done = scales.weigh(sys.executable, [sys.executable, "-I", "-S", "-c", script], {}, 30)
    (peak,) = done.memory_peak
    assert peak.notion == "smaps"
    assert peak.size_bytes >= 20 * MIB
    assert "missed" in peak.method


def test_a_program_that_fails_or_hangs_is_told_as_such() -> None:
    scales = HostScales()
    done = scales.weigh("/bin/sh", ["sh", "-c", "exit 3"], {}, 30)
    assert (done.outcome, done.exit_code) == ("failed", 3)
    assert scales.weigh("/bin/sleep", ["sleep", "60"], {}, 0.2).outcome == "timeout"
