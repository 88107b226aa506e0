from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.adapters.disk import MAX_DEPTH, growth, hand_over, usage
from grader.errors import HostError
from grader.model.base import Message

MIB = 1 << 20


def deep(top: Path, levels: int, name: str = "d") -> None:
    """Nest directories further than any path could say."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_usage_adds_up_blocks_of_all_directories(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "file").write_bytes(os.urandom(MIB))
    total = usage([str(tmp_path / "a"), str(tmp_path / "b")], 1 << 40)
    assert 2 * MIB <= total <= 2.1 * MIB


def test_usage_counts_neither_holes_nor_what_a_link_points_to(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "big").write_bytes(os.urandom(4 * MIB))
    (tmp_path / "in" / "link").symlink_to(tmp_path / "big")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    with (tmp_path / "in" / "sparse").open("wb") as file:
        file.truncate(100 * MIB)
    assert usage([str(tmp_path / "in")], 1 << 40) < MIB


def test_usage_follows_no_link_in_place_of_the_directory_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(os.urandom(MIB))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert usage([str(tmp_path / "link")], 1 << 40) == 0


def test_usage_counts_empty_files(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert usage([str(tmp_path)], 1 << 40) >= 100 * 1024


def test_usage_stops_above_the_cap_and_leaks_no_descriptor(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "file").write_bytes(os.urandom(MIB))
    before = sorted(p.name for p in Path("/proc/self/fd").iterdir())
    assert MIB < usage([str(tmp_path)], MIB) < 4 * MIB
    assert sorted(p.name for p in Path("/proc/self/fd").iterdir()) == before


@pytest.mark.parametrize(("levels", "over"), [(MAX_DEPTH - 1, False), (MAX_DEPTH + 1, True), (3000, True)])
def test_usage_takes_endless_nesting_for_too_much(tmp_path: Path, levels: int, over: bool) -> None:
    top = tmp_path / "top"
    top.mkdir()
    deep(top, levels)
    assert (usage([str(top)], 1 << 40) > 1 << 40) == over
    hand_over(str(top), os.getuid(), os.getgid())
    shutil.rmtree(top)


@pytest.mark.parametrize(("levels", "name"), [(3000, "d"), (60, "n" * 255)])
def test_handed_over_tree_can_be_removed_and_read_however_deep(tmp_path: Path, levels: int, name: str) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "deep-1").write_text("a name that is taken")
    deep(top, levels, name)
    hand_over(str(top), os.getuid(), os.getgid())
    assert (top / "deep-1").read_text() == "a name that is taken"
    assert usage([str(top)], 1 << 40) <= 1 << 40
    shutil.rmtree(top)


def test_handed_over_directories_are_open_to_their_owner(tmp_path: Path) -> None:
    shut = tmp_path / "top" / "shut"
    shut.mkdir(parents=True)
    (shut / "file").touch()
    shut.chmod(0o000)
    hand_over(str(tmp_path / "top"), os.getuid(), os.getgid())
    assert shut.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: it changes owners")
def test_handed_over_files_lose_set_id_bits_and_links_lead_nowhere(tmp_path: Path) -> None:
    """A program that a stranger marked set-id must not come back as root's."""
    top = tmp_path / "top"
    top.mkdir()
    program, victim = top / "program", tmp_path / "victim"
    program.touch()
    victim.touch()
    (top / "link").symlink_to(victim)
    hand_over(str(top), 64990, 64990)
    assert (program.stat().st_uid, program.stat().st_gid, victim.stat().st_uid) == (64990, 64990, 0)
    program.chmod(0o6755)
    hand_over(str(top), 0, 0)
    assert program.stat().st_uid == 0
    assert program.stat().st_mode & 0o7777 == 0o755
    assert (top / "link").lstat().st_uid == 0


def test_a_disk_that_others_fill_is_nobodys_fault_and_ones_own_writing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = os.statvfs(tmp_path)
    free = [about.f_bavail]
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=free[0], f_frsize=4096))
    own = [0]
    look = growth(tmp_path, MIB, lambda: own[0], lambda: 0.0)
    own[0] = 2 * MIB
    assert look() is None  # nobody fills the disk: not asked yet
    free[0] -= MIB // 4096 + 1
    assert look() == Message(code="run.disk-limit", params={"bytes": MIB})
    own[0] = MIB
    assert look() is None


def test_what_others_remove_meanwhile_hides_no_writing(tmp_path: Path) -> None:
    now, own = [0.0], [2 << 60]

    def count() -> int:
        if own[0] < 0:
            raise HostError("it went while it was counted")
        return own[0]

    look = growth(tmp_path, 1 << 60, count, lambda: now[0])  # no disk has so much room to lose
    assert look() is None
    now[0] += 60
    assert look() == Message(code="run.disk-limit", params={"bytes": 1 << 60})
    assert look() is None  # to count takes a while: not at every look
    now[0] += 60
    own[0] = -1
    assert look() is None
