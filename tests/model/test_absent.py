"""A fact without a value has its reason, and what its artifact tells of it."""

from __future__ import annotations

import pytest

from grader.model.absent import absent_fact
from grader.model.base import Message
from grader.model.run import Artifact

WHY = Message(code="fact.no-reading")


@pytest.mark.parametrize(("subject", "expected"), [("native", "native.binary_size@build"), (None, "binary_size@build")])
def test_its_id_is_that_of_the_value_that_is_not_there(subject: str | None, expected: str) -> None:
    fact = absent_fact("binary_size", subject, "build", WHY, unit="byte")
    assert (fact.id, fact.claim_id, fact.value, fact.reason) == (expected, expected.partition("@")[0], None, WHY)


def test_an_artifact_of_another_compiler_makes_it_incomparable() -> None:
    other = Artifact(
        subject="wasm", label="build", path="", sha256="0" * 64, size=1, comparable=False, compiler="go 1.24"
    )
    fact = absent_fact("startup_time", "wasm", "wasmtime", WHY, artifact=other)
    assert (fact.comparable, fact.compiler) == (False, "go 1.24")
    assert absent_fact("startup_time", None, "sandbox-noop", WHY).comparable
    unknown = other.model_copy(update={"comparable": True, "compiler": ""})
    assert absent_fact("startup_time", "wasm", "wasmtime", WHY, artifact=unknown).compiler is None
