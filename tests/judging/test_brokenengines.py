from __future__ import annotations

from grader.judging.brokenengines import broken_engines
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.run import Unrenewed


def fact(arm: str, code: str, metric: str = "startup_time") -> Fact:
    return Fact.model_validate(
        {"id": f"native.{metric}@{arm}", "subject": "native", "metric": metric, "arm": arm}
        | {"state": "not_run", "value": None, "reason": {"code": code, "params": {"detail": arm}}}
    )


def test_an_engine_that_broke_is_named_once_with_its_first_reason() -> None:
    facts = [fact("docker-nonet", "infra.run-broke"), fact("docker", "infra.run-broke"), fact("ctr-runc", "why")]
    assert broken_engines(facts) == {"docker": Message(code="infra.run-broke", params={"detail": "docker-nonet"})}


def test_an_image_that_could_not_be_built_is_an_engine_that_broke() -> None:
    assert broken_engines([fact("oci", "infra.image-broke", "image_size")]).keys() == {"image"}


def test_an_engine_is_not_blamed_for_an_image_that_another_could_not_build() -> None:
    facts = [fact("ctr-runc", "infra.image-broke"), fact("ctr-wasmtime", "infra.run-broke")]
    found = broken_engines(facts)
    assert {engine: reason.params["detail"] for engine, reason in found.items()} == {
        "image": "ctr-runc",
        "containerd": "ctr-wasmtime",
    }


def test_what_needs_no_container_and_what_was_only_missing_break_nothing() -> None:
    facts = [fact("process", "infra.run-broke"), fact("docker", "engine.no-daemon"), fact("docker", "limit.time")]
    assert broken_engines([*facts, fact("docker", "infra.stand-in-lacks", "image_size")]) == {}


def test_a_fact_of_a_ratio_belongs_to_no_arm() -> None:
    assert broken_engines([fact("docker/ctr-runc", "infra.run-broke", "startup_time.ratio")]) == {}


def test_an_engine_that_broke_while_its_arms_were_timed_again_is_named_though_their_facts_stand() -> None:
    broke = Message(code="infra.run-broke", params={"detail": "gone"})
    found = broken_engines([], [Unrenewed(arm="ctr-runc", reason=broke), Unrenewed(arm="process", reason=broke)])
    assert found == {"containerd": broke}
