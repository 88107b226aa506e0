from __future__ import annotations

from grader.model.grade import Fact
from grader.model.lab import Lab
from grader.model.run import ProbeResult
from grader.model.selection import alike, best_fact, deciding_probe, runs_right
from tests.samplelab import serving_lab

CONTAINERS = {"native": ["docker", "process"], "wasm": ["ctr-wasmtime", "wasmtime"]}


def lab() -> Lab:
    base = serving_lab().model_dump(mode="json", by_alias=True)
    base["metrics"]["memory_peak"] |= {"arms": CONTAINERS, "notions": ["docker_stats", "cgroup", "smaps"]}
    return Lab.model_validate(base)


def peak(subject: str, arm: str, notion: str, value: int = 1) -> Fact:
    return Fact(
        id=f"{subject}.memory_peak@{arm}",
        subject=subject,
        metric="memory_peak",
        arm=arm,
        notion=notion,
        state="measured",
        value=value,
        unit="byte",
        method="m",
    )


def arms(facts: tuple[Fact, ...]) -> list[tuple[str, str | None]]:
    return [(fact.arm, fact.notion) for fact in facts]


def test_containers_are_set_against_containers() -> None:
    everything = [peak(subject, arm, "cgroup") for subject, named in CONTAINERS.items() for arm in named]
    assert arms(alike(lab(), "memory_peak", everything)) == [("docker", "cgroup"), ("ctr-wasmtime", "cgroup")]
    without = [fact for fact in everything if fact.arm != "ctr-wasmtime"]
    assert arms(alike(lab(), "memory_peak", without)) == [("process", "cgroup"), ("wasmtime", "cgroup")]
    assert alike(lab(), "memory_peak", [f for f in without if f.arm != "process"]) == ()


def test_one_notion_is_set_against_the_same() -> None:
    facts = [
        peak("native", "docker", "docker_stats"),
        peak("native", "docker", "cgroup"),
        peak("wasm", "ctr-wasmtime", "cgroup"),
    ]
    assert arms(alike(lab(), "memory_peak", facts)) == [("docker", "cgroup"), ("ctr-wasmtime", "cgroup")]
    assert alike(lab(), "memory_peak", [facts[0], facts[2]]) == ()


def test_the_fact_of_a_claim_is_of_the_first_notion_of_the_lab_unless_the_claim_names_another() -> None:
    facts = [peak("native", "docker", "smaps"), peak("native", "docker", "cgroup"), peak("native", "process", "smaps")]
    plain = best_fact(lab(), "native.memory_peak", facts)
    named = best_fact(lab(), "native.memory_peak", facts, "smaps")
    assert plain is not None
    assert (plain.arm, plain.notion) == ("docker", "cgroup")
    assert named is not None
    assert (named.arm, named.notion) == ("docker", "smaps")


def probed(arm: str, state: str) -> ProbeResult:
    return ProbeResult.model_validate({"probe": "once", "subject": "wasm", "arm": arm, "state": state})


def test_an_arm_goes_by_its_own_probe() -> None:
    results = [probed("wasmtime", "passed"), probed("ctr-wasmtime", "failed")]
    assert runs_right(results, "once", "wasm", "wasmtime")
    assert not runs_right(results, "once", "wasm", "ctr-wasmtime")


def test_an_arm_that_was_not_probed_goes_by_others_that_run_the_same_file() -> None:
    results = [probed("wasmtime", "failed"), probed("ctr-wasmtime", "passed")]
    assert deciding_probe(results, "once", "wasm", "wasmtime-aot") == results[0]
    assert not runs_right(results, "once", "wasm", "wasmtime-aot")


def test_no_other_engine_speaks_for_one_that_runs_images() -> None:
    results = [probed("wasmtime", "failed"), probed("ctr-wasmtime", "failed")]
    assert runs_right(results, "once", "wasm", "ctr-wasmedge")
