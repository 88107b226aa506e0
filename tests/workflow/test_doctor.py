"""What `doctor` makes of a boundary that is weaker than ours."""

from __future__ import annotations

import pytest

from grader.bootstrap.checks import WORDING
from grader.errors import HostError
from grader.model.base import Message
from grader.model.catalogue import Rules
from grader.model.host import Check
from grader.model.run import Command, Completed, MemoryReading
from grader.ports import SandboxStatus
from grader.testing import FakeEngine, FakeRunner, FakeServer, completed
from grader.workflow.doctor import Diagnosis, diagnose, unfit_sets
from tests.samplelab import small_lab

REMEDIES = {"cgroups": "as root", "memory-peak": "as root"}
CGROUP = MemoryReading(notion="cgroup", size_bytes=1, method="a file")
SAMPLED = MemoryReading(notion="smaps", size_bytes=1, method="another")


def diagnosis(runner: FakeRunner) -> Diagnosis:
    return diagnose(small_lab(), "grade", (), runner, FakeEngine({}, {}), REMEDIES, "0")


def check(found: Diagnosis, id_: str) -> Check:
    (one,) = [c for c in found.checks if c.id == id_]
    return one


class Weak(FakeRunner):
    """A boundary without cgroups."""

    def status(self) -> SandboxStatus:
        weak = (Message(code="sandbox.no-cgroup", params={"detail": "not ours"}),)
        return SandboxStatus(works=True, kind="fake", weak=weak)


@pytest.mark.parametrize(
    ("runner", "readings", "state", "code", "remedy"),
    [
        (FakeRunner, (CGROUP, SAMPLED), "ok", "cgroup", ""),
        (Weak, (SAMPLED,), "warning", "sampled", "as root"),
        (Weak, (), "warning", "sampled", "as root"),  # The control run is over before anybody looks.
        (FakeRunner, (), "warning", "old-kernel", ""),
    ],
)
def test_where_memory_is_read_from_is_proved_by_a_run(
    runner: type[FakeRunner], readings: tuple[MemoryReading, ...], state: str, code: str, remedy: str
) -> None:
    def run(_: Command) -> Completed:
        return completed(memory_peak=readings)

    found = check(diagnosis(runner(run)), "memory-peak")
    assert (found.state, found.message.code, found.remedy) == (state, f"doctor.memory-peak.{code}", remedy)
    assert found.message.code in WORDING


def test_without_a_boundary_nothing_is_run_and_the_boundary_is_what_is_missing() -> None:
    runner = FakeRunner(lambda _: completed(), missing=Message(code="sandbox.refused", params={"detail": "no"}))
    found = diagnosis(runner)
    assert runner.commands == []
    assert (check(found, "sandbox").state, check(found, "sandbox").needed) == ("missing", True)
    assert check(found, "memory-peak").message.code == "doctor.memory-peak.none"
    assert not found.ready


def test_a_protection_that_does_not_hold_is_a_warning_with_what_mends_it() -> None:
    found = check(diagnosis(Weak(lambda _: completed())), "cgroups")
    assert (found.state, found.message.code, found.remedy) == ("warning", "sandbox.no-cgroup", "as root")


def test_a_sandbox_in_which_no_server_can_be_reached_is_a_warning() -> None:
    """An error of such a server sends people here, so here it has to show."""

    def refused(_: Command) -> FakeServer:
        raise HostError("the network of a sandbox cannot be reached: Operation not permitted")

    found = check(diagnosis(FakeRunner(lambda _: completed(), serve=refused)), "sandbox")
    assert (found.state, found.message.code) == ("warning", "doctor.sandbox.servers")
    assert "Operation not permitted" in str(found.message.params["found"])
    assert found.message.code in WORDING
    assert check(diagnosis(FakeRunner(lambda _: completed())), "sandbox").state == "ok"


@pytest.mark.parametrize("engine", ["docker", "containerd"])
def test_a_container_engine_may_be_absent_but_not_dead(engine: str) -> None:
    def told(state: str) -> Diagnosis:
        seen = Check.model_validate({"id": engine, "state": state, "message": {"code": "doctor.tool.failed"}})
        lab = small_lab()
        return diagnose(lab, "grade", (seen,), FakeRunner(lambda _: completed()), FakeEngine({}, {}), REMEDIES, "0")

    assert (check(told("missing"), engine).needed, check(told("warning"), engine).needed) == (True, False)


def test_a_set_of_programs_that_does_not_work_together_is_told_by_the_rules_id_and_text() -> None:
    rules = Rules.model_validate(
        {
            "schema": "grader/compatibility/1",
            "rules": [
                {
                    "id": "tinygo-go",
                    "tools": {"golang": {"at_least": "1.26"}, "tinygo": {"below": "0.41"}},
                    "needs": ["something"],
                    "says": "requires go version 1.19 through 1.25",
                    "remedy": "take another",
                }
            ],
        }
    )
    said = {"golang": "go version go1.26.4 linux/amd64", "tinygo": "tinygo version 0.39.0 linux/amd64"}
    (found,) = unfit_sets(rules, said)
    assert (found.id, found.state, found.remedy) == ("versions-tinygo-go", "warning", "take another")
    assert found.prevents == "requires go version 1.19 through 1.25"
    assert found.message.params["found"] == "golang 1.26.4, tinygo 0.39.0"
    assert list(unfit_sets(rules, {**said, "golang": "go version go1.25.1 linux/amd64"})) == []
    assert list(unfit_sets(rules, {"golang": said["golang"]})) == []
