from __future__ import annotations

import pytest

from grader.judging.facts import facts_from_builds, facts_from_probes, facts_not_measured, ratios_not_measured
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.run import Artifact, BuildResult, ProbeResult
from tests.samplelab import small_lab

LAB = small_lab()
WHY = Message(code="why")
OURS = Message(code="infra.disk")
CAPABILITIES = {
    "arm:process": None,
    "arm:wasmtime": None,
    "arm:docker": Message(code="no-docker"),
    "arm:ctr-wasmtime": Message(code="no-ctr"),
    "probe:http": Message(code="no-http"),
    "memory": Message(code="no-memory"),
    "arm:sandbox-noop": None,
}


def built(subject: str, label: str = "build", **changes: object) -> BuildResult:
    artifact = Artifact.model_validate(
        {"subject": subject, "label": label, "sha256": "a", "size": 42, "path": "p", "compiler": "C 1"} | changes
    )
    state = "built" if label == "build" else "committed"
    return BuildResult.model_validate({"subject": subject, "label": label, "state": state, "artifact": artifact})


def no_build(subject: str, state: str, reason: Message = WHY) -> BuildResult:
    return BuildResult.model_validate({"subject": subject, "state": state, "artifact": None, "reason": reason})


def ran(*builds: BuildResult) -> dict[tuple[str, str], Artifact]:
    arms = {"native": "process", "wasm": "wasmtime"}
    return {(b.subject, arms[b.subject]): b.artifact for b in builds if b.artifact is not None}


def probed(state: str, reason: Message | None = None, subject: str = "native", arm: str = "process") -> ProbeResult:
    value = "valid" if state == "passed" else None
    return ProbeResult.model_validate(
        {"probe": "once", "subject": subject, "arm": arm, "state": state, "value": value, "reason": reason}
    )


def by_id(facts: tuple[Fact, ...]) -> dict[str, Fact]:
    assert len({fact.id for fact in facts}) == len(facts)
    return {fact.id: fact for fact in facts}


def test_a_size_belongs_to_the_arm_where_its_file_came_from() -> None:
    facts = by_id(facts_from_builds(LAB, [built("native"), built("wasm", "committed", comparable=False)]))
    assert (facts["native.binary_size@build"].value, facts["native.binary_size@build"].unit) == (42, "byte")
    assert (facts["wasm.binary_size@committed"].value, facts["wasm.binary_size@committed"].comparable) == (42, False)
    other = facts["wasm.binary_size@build"]
    assert (other.state, other.reason) == ("not_run", Message(code="fact.other-source", params={"label": "committed"}))


@pytest.mark.parametrize(
    ("state", "expected"), [("failed", "failed"), ("refused", "not_run"), ("not_run", "not_run"), ("error", "not_run")]
)
def test_only_the_students_own_failure_is_a_failure(state: str, expected: str) -> None:
    reason = OURS if state == "error" else WHY
    builds = [no_build("native", state, reason), built("wasm")]
    sizes, rest = facts_from_builds(LAB, builds), facts_not_measured(LAB, (), CAPABILITIES, builds, ())
    for fact in (by_id(sizes)["native.binary_size@build"], by_id(rest)["native.startup_time@process"]):
        assert (fact.state, fact.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("other", "native", "code", "state"),
    [
        (True, "passed", "run.timeout", "not_run"),
        (True, "failed", "run.timeout", "failed"),
        (False, "passed", "run.timeout", "failed"),
        (True, "passed", "probe.exit", "failed"),
    ],
    ids=["sound source", "native fails too", "the lab's compiler", "another failure"],
)
def test_a_module_of_another_compiler_may_be_slow(other: bool, native: str, code: str, state: str) -> None:
    late = Message(code=code, params={"seconds": 60.0})
    probes = [probed(native, WHY if native == "failed" else None), probed("failed", late, "wasm", "wasmtime")]
    facts = by_id(facts_from_probes(LAB, probes, ran(built("native"), built("wasm", comparable=not other))))
    assert facts["wasm.cli_output@wasmtime"].state == state


def test_without_any_artifact_every_arm_of_it_tells_the_same_reason() -> None:
    facts = by_id(facts_from_builds(LAB, [no_build("wasm", "failed")]))
    assert {facts[f"wasm.binary_size@{arm}"].state for arm in ("committed", "build")} == {"failed"}


def test_probes_become_facts_with_a_stable_value() -> None:
    passed = by_id(facts_from_probes(LAB, [probed("passed")], ran(built("native", comparable=False))))
    fact = passed["native.cli_output@process"]
    assert (fact.state, fact.value, fact.comparable, fact.compiler) == ("measured", "valid", False, "C 1")
    failed = facts_from_probes(LAB, [probed("failed", WHY)], {})[0]
    assert (failed.state, failed.reason) == ("failed", WHY)
    broken = facts_from_probes(LAB, [probed("not_run", OURS)], {})[0]
    assert (broken.state, broken.reason) == ("not_run", OURS)


def test_every_id_of_the_lab_has_a_fact_and_what_the_host_lacks_comes_first() -> None:
    builds = [no_build("native", "failed"), built("wasm")]
    facts = by_id(facts_not_measured(LAB, {"native.binary_size@build"}, CAPABILITIES, builds, ()))
    named = {f"{s}.{m}@{a}" for m, metric in LAB.metrics.items() for s, arms in metric.arms.items() for a in arms}
    assert facts.keys() == (named | {"startup_time@sandbox-noop"}) - {"native.binary_size@build"}
    assert facts["native.startup_time@docker"].reason == Message(code="no-docker")
    assert facts["native.image_size@docker"].reason == Message(code="no-docker")
    assert facts["wasm.memory_idle@wasmtime"].reason == Message(code="no-memory")
    assert facts["native.server_mode@process"].reason == Message(code="no-http")
    assert facts["native.startup_time@process"].state == "failed"
    assert facts["wasm.startup_time@wasmtime"].state == "not_run"


@pytest.mark.parametrize(("reason", "state"), [(WHY, "failed"), (OURS, "not_run")])
def test_a_failed_probe_is_why_its_subject_was_not_timed(reason: Message, state: str) -> None:
    probe = probed("failed", reason)
    facts = by_id(facts_not_measured(LAB, (), CAPABILITIES, [built("native"), built("wasm")], [probe]))
    assert (facts["native.startup_time@process"].state, facts["native.startup_time@process"].reason) == (state, reason)
    assert facts["wasm.startup_time@wasmtime"].reason != reason


def test_a_ratio_without_a_number_has_the_reason_of_its_missing_arm() -> None:
    builds = [built("native"), no_build("wasm", "failed")]
    facts = facts_not_measured(LAB, (), CAPABILITIES, builds, ())
    ratios = by_id(ratios_not_measured(LAB, facts))
    assert ratios.keys() == {"startup_time.ratio@process/wasmtime", "startup_time.ratio@docker/ctr-wasmtime"}
    assert ratios["startup_time.ratio@docker/ctr-wasmtime"].reason == Message(code="no-docker")
    ours = ratios["startup_time.ratio@process/wasmtime"]
    assert (ours.state, ours.reason) == ("failed", WHY)


def test_a_build_that_broke_on_our_side_is_not_the_students_failure() -> None:
    facts = by_id(facts_from_builds(LAB, [no_build("native", "failed", OURS)]))
    assert facts["native.binary_size@build"].state == "not_run"


def test_a_ratio_tells_our_own_failure_before_a_gap() -> None:
    gap = Fact(
        id="native.startup_time@process",
        subject="native",
        metric="startup_time",
        arm="process",
        state="not_run",
        value=None,
        reason=WHY,
    )
    ours = gap.model_copy(update={"id": "wasm.startup_time@wasmtime", "arm": "wasmtime", "reason": OURS})
    ratios = by_id(ratios_not_measured(LAB, [gap, ours]))
    assert ratios["startup_time.ratio@process/wasmtime"].reason == OURS
