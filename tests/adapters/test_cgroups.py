from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grader.adapters import cgroups
from grader.adapters.cgroups import Cgroup, Cgroups, mount_points, own_groups, set_limit
from grader.adapters.owner import start_time
from grader.errors import HostError
from grader.model.run import Limits

LIMITS = Limits(memory_bytes=64 << 20, pids=20)


@pytest.fixture
def host() -> Cgroups:
    found = Cgroups.find()
    if found.missing is not None:
        pytest.skip(f"needs: cgroups: {found.missing.params}")
    return found


def ours(found: Cgroups) -> list[Path]:
    return [path for parent in set(found._parents.values()) for path in parent.glob(f"lab-grader-*-{os.getpid()}-*")]


# On this host.


@pytest.mark.serial
def test_fresh_group_has_its_caps_and_is_gone_afterwards(host: Cgroups) -> None:
    with host.fresh(LIMITS) as group:
        assert group is not None
        text = "".join(
            (path / name).read_text()
            for path in ours(host)
            for name in ("memory.limit_in_bytes", "memory.max", "pids.max")
            if (path / name).exists()
        )
        assert sorted(text.split()) == sorted([str(LIMITS.memory_bytes), str(LIMITS.pids)])
    assert ours(host) == []


@pytest.mark.serial
def test_members_are_killed_at_the_end_whatever_happened(host: Cgroups) -> None:
    process = subprocess.Popen(["sleep", "60"])

    def fail() -> None:
        with host.fresh(LIMITS) as group:
            assert group is not None
            group.add(process.pid)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert process.wait(timeout=20) == -signal.SIGKILL
    assert ours(host) == []


@pytest.mark.serial
def test_cap_that_was_met_is_named(host: Cgroups) -> None:
    with host.fresh(LIMITS) as group:
        assert group is not None
        assert group.limit_hit(LIMITS) is None
        script = "read go; i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done 2>/dev/null"
        process = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        group.add(process.pid)
        process.communicate(b"\n", timeout=60)
        hit = group.limit_hit(LIMITS)
        assert hit is not None
        assert (hit.code, hit.params) == ("run.pids-limit", {"pids": 20})


@pytest.mark.serial
def test_groups_of_dead_graders_are_swept_and_those_of_living_ones_stay(host: Cgroups) -> None:
    script = """
import os, subprocess
from grader.adapters.cgroups import Cgroups
from grader.model.run import Limits
with Cgroups.find().fresh(Limits()) as group:
    child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
    group.add(child.pid)
    print(child.pid, flush=True)
    input()
"""
    grader = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert grader.stdout is not None
    child = int(grader.stdout.readline())
    pattern = f"lab-grader-*-{grader.pid}-*"
    left = [path for parent in set(host._parents.values()) for path in parent.glob(pattern)]
    host.sweep()
    assert all(path.exists() for path in left)
    assert left
    grader.kill()
    grader.communicate()
    assert start_time(child) is not None
    elsewhere = sweeper_in_another_group(host)
    elsewhere.sweep()
    assert not any(path.exists() for path in left)
    assert cgroups._read(Path(f"/proc/{child}/stat")).rpartition(")")[2].split()[:1] in ([], ["Z"])


def sweeper_in_another_group(host: Cgroups) -> Cgroups:
    """The next grader, started from a session with groups of its own."""
    return Cgroups(host._version, {}, tops=host._tops)


# In the shape of other hosts.

SYSTEMD_V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def proc(tmp_path: Path, cgroup: str, mountinfo: str) -> Path:
    """A /proc/self whose mount points lie below `tmp_path`."""
    (tmp_path / "proc").mkdir(exist_ok=True)
    (tmp_path / "proc" / "cgroup").write_text(cgroup)
    (tmp_path / "proc" / "mountinfo").write_text(mountinfo.replace(" /sys/", f" {tmp_path}/sys/"))
    return tmp_path / "proc"


def v2_group(path: Path, *, controllers: str, handed_out: str, root: bool = False) -> Path:
    """The files of a cgroup v2 directory.  Source: Documentation/admin-guide/cgroup-v2.rst."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "cgroup.controllers").write_text(controllers + "\n")
    (path / "cgroup.subtree_control").write_text(handed_out + "\n")
    (path / "cgroup.procs").write_text("")
    if not root:
        (path / "cgroup.type").write_text("domain\n")
    return path


def test_v1_own_groups_are_found_through_mount_point_and_mounted_root(tmp_path: Path) -> None:
    self = proc(
        tmp_path,
        "9:memory:/docker/abc\n8:pids:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n",
        "40 32 0:34 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
        "41 32 0:35 / /sys/fs/cgroup/pids\\040and\\040more ro,nosuid master:9 - cgroup cgroup rw,pids\n"
        "42 32 0:36 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
    )
    own = own_groups(self)
    assert own["memory"] == tmp_path / "sys/fs/cgroup/memory"
    assert own["pids"] == tmp_path / "sys/fs/cgroup/pids and more/docker/abc"
    assert own[""] == tmp_path / "sys/fs/cgroup/unified/docker/abc"
    assert set(mount_points(self)) == {"memory", "pids", ""}


def test_v2_group_is_made_beside_our_own_where_processes_forbid_it_below(tmp_path: Path) -> None:
    top = tmp_path / "sys/fs/cgroup"
    v2_group(top, controllers="cpu memory pids", handed_out="cpu memory pids", root=True)
    slice_ = v2_group(top / "user.slice", controllers="cpu memory pids", handed_out="cpu memory pids")
    own = v2_group(slice_ / "session-1.scope", controllers="memory pids", handed_out="")
    self = proc(tmp_path, "0::/user.slice/session-1.scope\n", SYSTEMD_V2)
    assert own_groups(self)[""] == own
    assert cgroups._parent_v2(own, top) == slice_
    assert (slice_ / "cgroup.subtree_control").read_text() == "cpu memory pids\n"


def test_v2_own_group_that_already_hands_out_is_used(tmp_path: Path) -> None:
    own = v2_group(tmp_path / "a.slice", controllers="memory pids", handed_out="memory pids")
    assert cgroups._parent_v2(own, tmp_path) == own


def test_v2_true_root_is_told_to_hand_out(tmp_path: Path) -> None:
    """As in a small virtual machine without systemd, where every process is in the root group."""
    own = v2_group(tmp_path, controllers="cpu memory pids", handed_out="", root=True)
    with pytest.raises(HostError):
        cgroups._parent_v2(own, tmp_path)  # A plain file does not read back as the kernel's does.
    assert (own / "cgroup.subtree_control").read_text().startswith("+memory +pids")


def test_v2_without_delegation_is_weak_and_says_so(tmp_path: Path) -> None:
    top = tmp_path / "sys/fs/cgroup"
    v2_group(top, controllers="memory pids", handed_out="")
    found = Cgroups.find(proc(tmp_path, "0::/\n", SYSTEMD_V2))
    assert found.missing is not None
    assert found.missing.code == "sandbox.no-cgroup"
    assert "delegates no" in str(found.missing.params["detail"])
    with found.fresh(LIMITS) as group:
        assert group is None


def test_v2_parent_outside_of_what_is_mounted_is_never_used(tmp_path: Path) -> None:
    """In a container with a cgroup namespace the mount point's parent is no cgroup."""
    v2_group(tmp_path, controllers="memory pids", handed_out="memory pids")
    own = v2_group(tmp_path / "mount", controllers="memory pids", handed_out="")
    with pytest.raises(HostError):
        cgroups._parent_v2(own, own)


def test_v2_caps_memory_without_swap_and_processes(tmp_path: Path) -> None:
    directory = v2_group(tmp_path / "run", controllers="memory pids", handed_out="")
    for name in ("memory.max", "memory.swap.max", "pids.max"):
        (directory / name).write_text("max\n")
    for controller in ("memory", "pids"):
        set_limit(2, controller, directory, LIMITS)
    caps = {name: (directory / name).read_text()[:8] for name in ("memory.max", "memory.swap.max", "pids.max")}
    assert caps == {"memory.max": str(64 << 20), "memory.swap.max": "0ax\n", "pids.max": "20x\n"}


def test_v2_kills_by_cgroup_kill_and_names_the_cap(tmp_path: Path) -> None:
    directory = v2_group(tmp_path / "run", controllers="memory pids", handed_out="")
    for name, text in {
        "cgroup.kill": "",
        "pids.max": "20",
        "pids.events": "max 0\n",
        "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",
    }.items():
        (directory / name).write_text(text)
    group = Cgroup(2, dict.fromkeys(("memory", "pids"), directory))
    group.kill()
    assert ((directory / "cgroup.kill").read_text(), (directory / "pids.max").read_text()) == ("1", "00")
    hit = group.limit_hit(LIMITS)
    assert hit is not None
    assert hit.code == "run.memory-limit"


def test_host_without_cgroups_is_weak(tmp_path: Path) -> None:
    found = Cgroups.find(proc(tmp_path, "", "22 27 0:21 / /proc rw - proc proc rw\n"))
    assert found.missing is not None
