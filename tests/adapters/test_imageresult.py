from __future__ import annotations

import pytest

from grader.adapters.imageresult import broken_off, limit_met, log_of
from grader.model.base import Message
from grader.model.run import Completed, Outcome


def ended(outcome: Outcome, reason: Message | None = None, said: str = "") -> Completed:
    return Completed(
        argv=("x",),
        outcome=outcome,
        exit_code=None,
        stdout="",
        stderr=said,
        first_output_s=None,
        total_s=1,
        reason=reason,
    )


@pytest.mark.parametrize("outcome", ["output-limit", "disk-limit"])
def test_a_limit_on_what_a_recipe_writes_is_told_as_for_any_run(outcome: Outcome) -> None:
    reason = Message(code=f"run.{outcome}", params={"bytes": 5})
    assert limit_met(ended(outcome, reason)) == reason


def test_a_build_that_takes_too_long_is_told_as_a_build() -> None:
    reason = Message(code="run.timeout", params={"seconds": 5})
    assert limit_met(ended("timeout", reason)) == Message(code="image.timeout", params={"seconds": 5})


def test_a_builder_that_failed_or_never_began_has_met_no_limit_of_a_recipe() -> None:
    assert limit_met(ended("failed")) is None
    assert limit_met(ended("not-started", Message(code="run.not-started"))) is None


def test_a_builder_that_never_began_is_told_from_one_that_was_killed() -> None:
    never = ended("not-started", Message(code="run.not-started", params={"program": "x", "error": "no such file"}))
    assert broken_off("buildah", never).what == "`buildah` cannot be started: no such file"
    killed = ended("failed").model_copy(update={"signal": 9})
    assert broken_off("docker", killed).what == "`docker` was cut short by signal 9"


def test_of_a_long_log_the_end_is_kept() -> None:
    log = log_of(ended("failed", said="x" * 100_000 + "Error: at the end"))
    assert log.endswith("xError: at the end")
    assert len(log) == 64 << 10
