from __future__ import annotations

from collections.abc import Sequence

import pytest

from grader.judging.memory import facts_derived_instead, facts_from_peaks, facts_from_servers
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.run import Artifact, MemoryReading, PeakRuns, ProbeResult
from tests.samplelab import serving_lab

LAB = serving_lab()
WHY = Message(code="why")


def reading(size: int, notion: str = "cgroup") -> MemoryReading:
    return MemoryReading.model_validate({"notion": notion, "size_bytes": size, "method": f"how {notion}"})


def artifact(subject: str, **changes: object) -> Artifact:
    made = {"subject": subject, "label": "build", "sha256": "a", "size": 42, "path": "p", "compiler": "C 1"}
    return Artifact.model_validate(made | changes)


def served(subject: str = "native", arm: str = "process", **changes: object) -> ProbeResult:
    server = {"idle": [reading(900), reading(1800, "smaps")], "requests": 1000, "stopped": "terminated"}
    server["after_requests"] = [reading(1000), reading(2000, "smaps")]
    result: dict[str, object] = {"probe": "server", "subject": subject, "arm": arm, "state": "passed", "value": "valid"}
    return ProbeResult.model_validate(result | {"server": server} | changes)


def ran(arm: str, subject: str | None, sizes: Sequence[Sequence[MemoryReading]], reason: Message | None = None) -> Fact:
    runs = PeakRuns(metric="memory_peak", subject=subject, arm=arm, peaks=tuple(map(tuple, sizes)), reason=reason)
    (found,) = facts_from_peaks(LAB, [runs], {})
    return found


# Servers.


def test_each_notion_is_a_fact_before_and_after_the_requests() -> None:
    facts = facts_from_servers(LAB, [served()], {("native", "process"): artifact("native")})
    assert {(f.id, f.notion, f.conditions): f.value for f in facts} == {
        ("native.memory_idle@process", "cgroup", "warm"): 900,
        ("native.memory_idle@process", "smaps", "warm"): 1800,
        ("native.memory_idle@process", "cgroup", "after-1000-requests"): 1000,
        ("native.memory_idle@process", "smaps", "after-1000-requests"): 2000,
    }
    assert all((f.state, f.unit, f.mode, f.compiler) == ("measured", "byte", "native", "C 1") for f in facts)
    assert "how smaps" in (facts[1].method or "")


def test_a_module_that_fails_as_it_should_points_to_the_figure_of_one_run() -> None:
    result = served("wasm", "wasmtime", expected_failure="Netdev not set", server={"stopped": "by-itself"})
    (fact,) = facts_from_servers(LAB, [result], {})
    expected = Message(code="fact.no-server-but", params={"said": "Netdev not set", "instead": "memory_peak"})
    assert (fact.state, fact.value, fact.mode, fact.reason) == ("not_run", None, "jit", expected)


def test_a_module_that_serves_where_it_should_not_was_never_weighed() -> None:
    (fact,) = facts_from_servers(LAB, [served("wasm", "wasmtime")], {})
    assert (fact.state, fact.reason) == ("not_run", Message(code="fact.not-measured", params={"arm": "wasmtime"}))


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("failed", WHY, "failed"),
        ("failed", Message(code="infra.disk"), "not_run"),
        ("not_run", WHY, "not_run"),
    ],
)
def test_what_failed_on_our_side_is_no_failure_of_the_student(state: str, reason: Message, expected: str) -> None:
    (fact,) = facts_from_servers(LAB, [served(state=state, value=None, reason=reason)], {})
    assert (fact.state, fact.value, fact.reason) == (expected, None, reason)


@pytest.mark.parametrize(("asked", "code"), [(999, "fact.requests-unfinished"), (1000, "fact.no-reading")])
def test_a_missing_figure_after_the_requests_leaves_the_idle_one(asked: int, code: str) -> None:
    server = {"idle": [reading(900)], "requests": asked, "stopped": "terminated"}
    idle, gap = facts_from_servers(LAB, [served(server=server)], {})
    assert (idle.state, idle.value) == ("measured", 900)
    assert gap.reason is not None
    assert (gap.state, gap.conditions, gap.reason.code) == ("not_run", "after-1000-requests", code)


# Peaks of single runs.


def test_the_figure_is_the_median_of_the_runs_and_its_spread_is_named() -> None:
    fact = ran("wasmtime", "wasm", [[reading(1_000)], [reading(5_000)], [reading(2_000)]])
    assert (fact.id, fact.value, fact.n, fact.mode) == ("wasm.memory_peak@wasmtime", 2_000, 3, "jit")
    assert "1,000 to 5,000 B; how cgroup" in (fact.method or "")


def test_an_arm_with_a_bad_run_has_no_number() -> None:
    fact = ran("process", "native", [[reading(1_000)]], WHY)
    assert (fact.state, fact.value, fact.reason) == ("failed", None, WHY)


def test_a_notion_that_one_run_lacks_is_left_out() -> None:
    """As of a run too short for any sample."""
    fact = ran("process", "native", [[reading(1_000), reading(3_000, "smaps")], [reading(1_000)]])
    assert fact.notion == "cgroup"
    assert ran("process", "native", [[reading(3_000, "smaps")], []]).reason == Message(code="fact.no-reading")


def test_the_floor_of_the_boundary_belongs_to_no_subject() -> None:
    fact = ran("sandbox-noop", None, [[reading(700)]])
    assert (fact.id, fact.subject, fact.value) == ("memory_peak@sandbox-noop", None, 700)


# What a row derives from its other metric.


def peak(subject: str, arm: str, value: int | None, notion: str = "cgroup", *, comparable: bool = True) -> Fact:
    fact: dict[str, object] = {"id": f"{subject}.memory_peak@{arm}", "subject": subject, "metric": "memory_peak"}
    fact |= {"arm": arm, "notion": notion, "state": "measured" if value else "not_run", "value": value, "unit": "byte"}
    fact |= {"method": "how" if value else None, "reason": None if value else WHY}
    return Fact.model_validate(fact | {"comparable": comparable, "compiler": None if comparable else "Go 1"})


def test_a_row_without_a_server_compares_the_figures_of_one_run() -> None:
    (fact,) = facts_derived_instead(LAB, [peak("native", "process", 1_000), peak("wasm", "wasmtime", 4_000)])
    assert (fact.id, fact.value, fact.unit) == ("memory_peak.reduction@process/wasmtime", -300.0, "percent")
    assert fact.comparable


def test_another_compilers_figure_makes_the_comparison_none() -> None:
    sides = [peak("native", "process", 1_000), peak("wasm", "wasmtime", 4_000, comparable=False)]
    (fact,) = facts_derived_instead(LAB, sides)
    assert (fact.comparable, fact.compiler) == (False, "Go 1")


@pytest.mark.parametrize(
    "sides",
    [
        [peak("native", "process", 1_000)],
        [peak("native", "process", 1_000), peak("wasm", "wasmtime", None)],
        [peak("native", "process", 1_000), peak("wasm", "wasmtime", 4_000, "smaps")],
    ],
    ids=["one side", "one side not measured", "two notions"],
)
def test_nothing_is_compared_with_what_is_not_there_or_another_notion(sides: list[Fact]) -> None:
    assert facts_derived_instead(LAB, sides) == ()
