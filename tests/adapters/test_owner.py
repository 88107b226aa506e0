from __future__ import annotations

import os
import subprocess
import sys

from grader.adapters.owner import fresh_name, is_left, is_leftover, own_name, owner, owner_of, start_time


def test_start_time_tells_two_processes_with_one_number_apart() -> None:
    assert start_time(os.getpid()) == start_time(os.getpid()) is not None
    assert start_time(2**22 + 1) is None


def test_every_name_of_ours_tells_its_owner_and_no_other_does() -> None:
    assert owner_of(own_name()) == owner_of(fresh_name()) == owner()
    assert fresh_name() != fresh_name()
    assert [owner_of(name) for name in ("lab-grader", "lab-grader-1-2", "default", f"x{own_name()}", "")] == [None] * 5


def test_what_is_left_is_what_its_maker_no_longer_looks_after() -> None:
    code = "from grader.adapters.owner import owner; print(owner(), flush=True); input()"
    maker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    who = maker.stdout.readline().strip()
    assert not is_left(who)
    maker.kill()
    maker.communicate()
    assert is_left(who)
    assert not is_left(owner())
    assert [is_leftover(name) for name in (f"lab-grader-{who}-7", own_name(), "default")] == [True, False, False]


def test_another_pid_namespace_and_nonsense_are_not_ours_to_judge() -> None:
    _, pid, start = owner().split("-")
    assert not is_left(f"1-{pid}-{start}")
    assert is_left(f"{owner().split('-')[0]}-{pid}-{int(start) + 1}")
    assert not is_left("none")
