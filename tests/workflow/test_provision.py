"""Hosts that fail are told one by one and tried again alone; what will be the same again is not tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.model.provision import (
    HostTotals,
    Inventory,
    Play,
    PlayEnd,
    PlayEvent,
    ProvisionReport,
    SlowTask,
    TaskEnd,
    selected,
)
from grader.testing import FakeClock
from grader.workflow.provision import Wanted, provision, slowest

INVENTORY = Inventory(hosts=("a", "b", "w"), groups={"student": ("a", "b"), "grading": ("w",)})


class Scripted:
    """A `PlaybookRunner` whose hosts fail as often as they are told to, each time with this message."""

    def __init__(self, fails: dict[str, tuple[int, str]], inventory: Inventory = INVENTORY) -> None:
        self.plays: list[tuple[str, ...]] = []
        self._fails = fails
        self._inventory = inventory

    def inventory(self, sources: Sequence[Path]) -> Inventory:
        return self._inventory

    def play(self, play: Play, tell: Callable[[PlayEvent], None], stop: Callable[[], bool]) -> PlayEnd:
        self.plays.append(play.hosts)
        totals = []
        for host in play.hosts:
            times, message = self._fails.get(host, (0, ""))
            fails = len([hosts for hosts in self.plays if host in hosts]) <= times
            tell(
                TaskEnd(
                    host=host,
                    role="golang",
                    task="Install",
                    status="failed" if fails else "changed",
                    seconds=2.0,
                    message=message if fails else "",
                    diff="" if fails else "+1",
                )
            )
            totals.append(HostTotals(host=host, ok=int(not fails), changed=int(not fails), failed=int(fails)))
        return PlayEnd(outcome="interrupted" if stop() else "done", totals=() if stop() else tuple(totals))


def run(runner: Scripted, **options: object) -> ProvisionReport:
    wanted = Wanted.model_validate(
        {"playbook": Path("/p/site.yml"), "inventories": (Path("/i"),), "folder": Path("/f"), **options}
    )
    return provision(wanted, runner, (), FakeClock(), lambda: False)


def outcomes(report: ProvisionReport) -> dict[str, tuple[str, int]]:
    return {host.host: (host.outcome, host.attempts) for host in report.hosts}


def test_only_the_hosts_that_failed_are_tried_again() -> None:
    runner = Scripted({"b": (1, "no route to host"), "w": (9, "disk on fire")})
    report = run(runner, retries=2)
    assert runner.plays == [("a", "b", "w"), ("b", "w"), ("w",)]
    assert outcomes(report) == {"a": ("ready", 1), "b": ("ready", 2), "w": ("failed", 3)}
    assert report.unfinished == ("w",)
    failed = report.hosts[2]
    assert (failed.task, failed.message, failed.seconds) == ("golang: Install", "disk on fire", 6.0)
    assert report.hosts[1].message == ""


def test_what_a_check_refuses_is_not_tried_again() -> None:
    runner = Scripted({"a": (9, "host-disk: found 1 GB; expected 10 GB")})
    run(runner, retries=3, lasting=frozenset({"host-disk"}))
    assert len(runner.plays) == 1


def test_check_mode_is_run_once() -> None:
    runner = Scripted({"a": (9, "x")})
    run(runner, check=True, retries=3)
    assert len(runner.plays) == 1


def test_check_mode_tells_what_would_change_and_calls_no_such_host_ready() -> None:
    runner = Scripted({})
    report = run(runner, check=True, limit=("a",))
    (host,) = report.hosts
    assert (host.outcome, host.changed) == ("differs", 1)
    assert [(change.role, change.task, change.diff) for change in host.changes] == [("golang", "Install", "+1")]
    assert report.unfinished == ()
    assert run(Scripted({}), limit=("a",)).hosts[0].outcome == "ready"


def test_an_inventory_without_hosts_is_refused() -> None:
    with pytest.raises(UsageError, match="no hosts"):
        run(Scripted({}, Inventory(hosts=(), groups={})))


def test_an_interrupt_that_ends_the_reading_of_the_inventory_is_no_mistake_in_it() -> None:
    class Ended(Scripted):
        def inventory(self, sources: Sequence[Path]) -> Inventory:
            raise UsageError("is no inventory that Ansible can read: KeyboardInterrupt")

    wanted = Wanted(playbook=Path("/p"), inventories=(Path("/i"),), folder=Path("/f"))
    with pytest.raises(KeyboardInterrupt):
        provision(wanted, Ended({}), (), FakeClock(), lambda: True)
    with pytest.raises(UsageError):
        provision(wanted, Ended({}), (), FakeClock(), lambda: False)


def test_an_unknown_host_is_told_and_the_others_go_on() -> None:
    runner = Scripted({})
    report = run(runner, limit=("b", "nosuch"))
    assert runner.plays == [("b",)]
    assert outcomes(report) == {"b": ("ready", 1), "nosuch": ("refused", 0)}
    assert "`student`, `grading`" in report.hosts[1].message


def test_a_host_of_students_that_grades_is_left_alone() -> None:
    runner = Scripted({}, Inventory(hosts=("a", "b"), groups={"student": ("a", "b"), "grading": ("b",)}))
    report = run(runner)
    assert runner.plays == [("a",)]
    assert outcomes(report) == {"a": ("ready", 1), "b": ("refused", 0)}


def test_no_play_is_begun_where_nothing_is_left_to_do() -> None:
    runner = Scripted({})
    run(runner, limit=("nosuch",))
    assert runner.plays == []


def test_a_run_that_is_stopped_is_not_tried_again_and_calls_no_host_ready() -> None:
    runner = Scripted({"a": (9, "x")})
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 1  # Not before the first play.

    wanted = Wanted(playbook=Path("/p"), inventories=(Path("/i"),), folder=Path("/f"), retries=3)
    report = provision(wanted, runner, (), FakeClock(), stop)
    assert len(runner.plays) == 1
    assert report.interrupted
    assert {host.host: (host.outcome, host.ok, host.changed) for host in report.hosts} == {
        "a": ("failed", 0, 0), "b": ("not-run", 1, 1), "w": ("not-run", 1, 1),
    }  # fmt: skip


def test_a_limit_names_hosts_groups_and_patterns() -> None:
    assert selected(INVENTORY, ("grading", "a")).hosts == ("a", "w")
    assert selected(INVENTORY, ("[ab]",)).hosts == ("a", "b")
    assert selected(INVENTORY, ()).hosts == ("a", "b", "w")


def test_the_slowest_tasks_are_each_named_once_with_their_slowest_host() -> None:
    tasks = [
        SlowTask(role="r", task=task, host=host, seconds=seconds)
        for task, host, seconds in [("x", "a", 1.0), ("x", "b", 5.0), ("y", "a", 3.0), ("z", "a", 0.0)]
    ]
    assert [(task.task, task.host) for task in slowest(tasks, 2)] == [("x", "b"), ("y", "a")]
