"""What is done before each run of an arm, with real commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.cli.bench.arms import preparation
from grader.errors import HostError, TimeLimitError
from grader.workflow.budget import Budget

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def test_an_arm_is_prepared_by_the_commands_of_all_arms_and_its_own(tmp_path: Path) -> None:
    commands = [(None, ("mkdir", str(tmp_path / "all"))), *((n, ("mkdir", str(tmp_path / n))) for n in ("a", "b"))]
    preparation("a", commands, (), ENVIRONMENT)(Budget())
    assert {path.name for path in tmp_path.iterdir()} == {"all", "a"}


def test_a_command_that_outlasts_the_time_limit_is_ended_and_is_no_failure_of_its_own() -> None:
    with pytest.raises(TimeLimitError) as ended:
        preparation("a", [(None, ("sleep", "600"))], (), ENVIRONMENT)(Budget(0.2))
    assert ended.value.where == "--prepare"


@pytest.mark.parametrize(("command", "said"), [("false", "exit code 1"), ("no-such-program-here", "not be started")])
def test_a_command_that_does_not_go_well_ends_the_comparison(command: str, said: str) -> None:
    with pytest.raises(HostError, match=said):
        preparation("a", [(None, (command,))], (), ENVIRONMENT)(Budget(60.0))
