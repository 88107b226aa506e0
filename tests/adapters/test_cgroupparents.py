from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from grader.adapters import cgroupparents
from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.cgroups import mount_points
from grader.model.run import Limits

SELF = Path("/proc/self")
LIMITS = Limits(memory_bytes=64 << 20, pids=20)


@pytest.fixture
def parents() -> Iterator[CgroupParents]:
    found = CgroupParents.find()
    if found.missing is not None:
        pytest.skip(f"needs: cgroups: {found.missing.params}")
    yield found
    assert everywhere(f"lab-grader-*-{os.getpid()}-*") == []


def everywhere(pattern: str) -> list[Path]:
    return [path for point, _ in mount_points(SELF).values() for path in point.glob(pattern)]


def put_below(parent_name: str) -> subprocess.Popen[bytes]:
    """Do as an engine does: make a child in each hierarchy and put a process into it (not every one takes any)."""
    process = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
    for point, _ in mount_points(SELF).values():
        child = point / parent_name.lstrip("/") / "container"
        if child.parent.exists():
            child.mkdir(exist_ok=True)
            with suppress(OSError):  # cpuset wants its CPUs first
                (child / "cgroup.procs").write_text(str(process.pid))
    return process


@pytest.mark.serial
def test_what_runs_below_a_parent_is_counted_and_killed_at_the_end(parents: CgroupParents) -> None:
    with parents.fresh(LIMITS) as parent:
        process = put_below(parent.name)
        (usage,) = parent.usage()
        assert usage.size_bytes >= 0
        assert usage.method.endswith("of the container's parent cgroup")
        assert parent.limit_hit(LIMITS) is None
    assert process.wait(10) == -9


@pytest.mark.serial
def test_a_parent_is_in_every_hierarchy_so_that_none_is_left_to_the_engine(parents: CgroupParents) -> None:
    with parents.fresh(LIMITS) as parent:
        found = everywhere(parent.name.lstrip("/"))
        assert {path.parent for path in found} == {point for point, _ in mount_points(SELF).values()}


@pytest.mark.serial
def test_parents_of_dead_graders_are_swept_with_what_runs_in_them(parents: CgroupParents) -> None:
    script = (
        "from grader.adapters.cgroupparents import CgroupParents\n"
        "from grader.model.run import Limits\n"
        "from tests.adapters.test_cgroupparents import put_below\n"
        "with CgroupParents.find().fresh(Limits()) as parent:\n"
        "    put_below(parent.name); print(parent.name, flush=True); input()\n"
    )
    maker = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert maker.stdout is not None
    name = maker.stdout.readline().strip().lstrip("/")
    assert name
    parents.sweep()
    assert everywhere(name) != []
    maker.kill()
    maker.communicate()
    parents.sweep()
    assert everywhere(name) == []


@pytest.mark.serial
def test_a_group_that_the_kernel_holds_for_a_moment_is_removed_all_the_same(
    parents: CgroupParents, monkeypatch: pytest.MonkeyPatch
) -> None:
    with parents.fresh(LIMITS) as parent:
        tried: list[Path] = []
        remove = Path.rmdir

        def busy_at_first(path: Path) -> None:
            tried.append(path)
            if tried.count(path) < 3:
                raise OSError(errno.EBUSY, "Device or resource busy")
            remove(path)

        monkeypatch.setattr(Path, "rmdir", busy_at_first)
    assert everywhere(parent.name.lstrip("/")) == []
    assert {tried.count(path) for path in tried} == {3}


def test_for_an_engine_that_asks_systemd_a_parent_is_a_capped_slice_that_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No host of the tests has systemd, so what it is told is compared; see the commit for what it was seen to do."""
    told: list[tuple[str, ...]] = []

    def systemctl(*words: str) -> str:
        told.append(words)
        return "lab_grader_1_2_3_4.slice loaded active active\n" if words[0] == "list-units" else ""

    monkeypatch.setattr(cgroupparents, "_systemctl", systemctl)
    parents = CgroupParents(2, {"": tmp_path})
    assert parents.for_driver("cgroupfs") is parents
    slices = parents.for_driver("systemd")
    assert slices.missing is None
    del told[:]
    with slices.fresh(LIMITS) as parent:
        name = parent.name
        (tmp_path / name).mkdir()
        (tmp_path / name / "memory.peak").write_text("4096\n")
        assert [reading.size_bytes for reading in parent.peak()] == [4096]
        (tmp_path / name / "memory.peak").unlink()
    assert name.endswith(".slice")
    assert "-" not in name
    caps = ("MemoryMax=67108864", "MemorySwapMax=0", "TasksMax=20")
    assert told == [("set-property", "--runtime", name, *caps), ("start", name), ("stop", name), ("revert", name)]


def test_a_host_without_cgroups_says_so(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("22 27 0:21 / /proc rw - proc proc rw\n")
    (tmp_path / "cgroup").write_text("")
    missing = CgroupParents.find(tmp_path).missing
    assert missing is not None
    assert missing.code == "sandbox.no-cgroup"


def test_a_v2_hierarchy_that_hands_out_nothing_is_left_as_it_is(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "cgroup.subtree_control").write_text("cpu\n")
    (tmp_path / "mountinfo").write_text(f"29 23 0:26 / {top} rw - cgroup2 cgroup2 rw\n")
    assert CgroupParents.find(tmp_path).missing is not None
    assert (top / "cgroup.subtree_control").read_text() == "cpu\n"
