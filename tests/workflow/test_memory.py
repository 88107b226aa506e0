"""Runs whose peak of memory is read: which arms, how often, and what a bad run leaves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Command, Completed, MemoryReading
from grader.testing import FakeEngine, completed
from tests.samplelab import NOW, engine, right_output, serving_lab
from tests.workflow.test_measure import Desk, facts

KIB = 1024
LAB = serving_lab()
RUNS = LAB.parameters.memory_runs


def reading(size: int) -> tuple[MemoryReading, ...]:
    return (MemoryReading(notion="cgroup", size_bytes=size, method="read"),)


PEAKS = {"process": reading(1_000 * KIB), "wasmtime": reading(9_000 * KIB), "sandbox-noop": reading(700 * KIB)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, LAB)


def test_every_arm_that_is_right_is_weighed_and_the_floor_beside_it(desk: Desk) -> None:
    fake = engine(peaks=PEAKS)
    found = facts(desk.measure(fake))
    assert {i: f.value for i, f in found.items() if f.metric == "memory_peak"} == {
        "native.memory_peak@process": 1_000 * KIB,
        "wasm.memory_peak@wasmtime": 9_000 * KIB,
        "memory_peak@sandbox-noop": 700 * KIB,
    }
    assert fake.weighed == [arm for arm in PEAKS for _ in range(1 + RUNS)]


def weighs(how: Callable[[], Completed]) -> FakeEngine:
    """Return an engine whose runs for their memory end so."""

    class Weighing(FakeEngine):
        def memory(self, command: Command) -> Completed:
            return how()

    usual = engine(peaks=PEAKS)
    return Weighing(usual.builds, usual.runs, usual.missing, peaks=PEAKS)


def test_the_first_run_pays_for_the_pages_of_the_file_and_does_not_count(desk: Desk) -> None:
    sizes = itertools.chain([99_000 * KIB], itertools.repeat(1_000 * KIB))
    cold = weighs(lambda: completed(right_output(), memory_peak=reading(next(sizes))))
    assert facts(desk.measure(cold))["native.memory_peak@process"].value == 1_000 * KIB


def test_weighing_never_has_the_host_to_itself(desk: Desk) -> None:
    """It is no timing: others may work meanwhile."""
    desk.measure(engine(peaks=PEAKS))
    assert desk.lock.events.count("+exclusive") == 1, "the campaign's"


def test_a_run_that_prints_something_else_is_no_figure(desk: Desk) -> None:
    outputs = itertools.chain([right_output()] * 2, itertools.repeat(right_output(NOW - 60)))
    (fact,) = [
        f
        for f in desk.measure(engine(peaks=PEAKS, runs={"process": lambda: completed(next(outputs))})).facts
        if f.id == "native.memory_peak@process"
    ]
    assert fact.reason is not None
    assert (fact.state, fact.value, fact.reason.code) == ("failed", None, "probe.not-now")


def test_a_subject_whose_probe_failed_is_not_weighed(desk: Desk) -> None:
    fake = engine(peaks=PEAKS, runs={"wasmtime": lambda: completed("no JSON")})
    found = facts(desk.measure(fake))
    assert "wasmtime" not in fake.weighed
    assert found["wasm.memory_peak@wasmtime"].state == "failed"


def test_a_boundary_that_breaks_is_our_fault_and_is_tried_again(desk: Desk) -> None:
    def breaks() -> Completed:
        raise HostError("no cgroup")

    fact = facts(desk.measure(weighs(breaks)))["native.memory_peak@process"]
    assert (fact.state, fact.reason) == (
        "not_run",
        Message(code="infra.run-broke", params={"detail": "no cgroup"}),
    )
    assert facts(desk.measure(engine(peaks=PEAKS)))["native.memory_peak@process"].state == "measured"


def test_a_limit_is_told_and_tried_again(desk: Desk) -> None:
    limit = {"code": "run.memory-limit", "params": {"bytes": 1}}
    killed = weighs(lambda: completed("", outcome="failed", exit_code=None, signal=9, reason=limit))
    fact = facts(desk.measure(killed))["native.memory_peak@process"]
    assert fact.reason is not None
    assert fact.reason.code == "run.memory-limit"
    assert facts(desk.measure(engine(peaks=PEAKS)))["native.memory_peak@process"].state == "measured"


def test_a_second_time_nothing_is_run_and_the_facts_are_the_same(desk: Desk) -> None:
    first = desk.measure(engine(peaks=PEAKS))
    again = engine(peaks=PEAKS)
    assert desk.measure(again).facts == first.facts
    assert again.weighed == []


def test_where_no_memory_can_be_read_there_is_a_reason(desk: Desk) -> None:
    fake = engine()
    found = facts(desk.measure(fake))
    assert fake.weighed == []
    assert found["native.memory_peak@process"].reason == Message(code="no-memory")
    assert found["memory_peak@sandbox-noop"].reason == Message(code="no-memory")
