"""What is made once per content: what was made, and a student's failure, but nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.model.base import Message
from grader.model.run import Artifact, BuildResult
from grader.testing import FakeStore
from grader.workflow.once import Kind, made_once


def _keep(result: BuildResult, folder: Path) -> bool:
    if result.artifact is not None:
        (folder / "record").write_text(result.model_dump_json(), "utf-8")
    return result.artifact is not None


def _read(folder: Path) -> BuildResult | None:
    record = folder / "record"
    return BuildResult.model_validate_json(record.read_bytes()) if record.is_file() else None


KIND = Kind("thing", BuildResult, _keep, _read)
BUILT = BuildResult(
    subject="native",
    state="built",
    artifact=Artifact(subject="native", label="build", sha256="0" * 64, size=1, path="app"),
)


def without(state: str) -> BuildResult:
    message = Message(code="build.failed")
    return BuildResult.model_validate({"subject": "native", "state": state, "artifact": None, "reason": message})


def twice(store: FakeStore, result: BuildResult, between: Callable[[], None] = lambda: None) -> tuple[int, bool]:
    """Return how often it was made when it was asked for twice, and whether the second answer was an earlier one."""
    made: list[Path] = []

    def make(folder: Path) -> BuildResult:
        made.append(folder)
        return result

    first, cached = made_once(store, KIND, "key", make)
    assert not cached
    between()
    again, cached = made_once(store, KIND, "key", make)
    assert first == again == result
    return len(made), cached


@pytest.mark.parametrize("result", [BUILT, without("failed")], ids=lambda r: r.state)
def test_what_was_made_and_a_students_failure_are_not_made_again(tmp_path: Path, result: BuildResult) -> None:
    assert twice(FakeStore(tmp_path), result) == (1, True)


@pytest.mark.parametrize("state", ["refused", "not_run", "error"])
def test_what_may_go_otherwise_the_next_time_is_tried_again(tmp_path: Path, state: str) -> None:
    assert twice(FakeStore(tmp_path), without(state)) == (2, False)


def test_what_lies_there_damaged_is_made_again(tmp_path: Path) -> None:
    record = tmp_path / "thing" / "key" / "record"
    assert twice(FakeStore(tmp_path), BUILT, record.unlink) == (2, False)
