"""What a grade says of the boundary that its facts come from."""

from __future__ import annotations

import pytest

from grader.adapters.trusted import Trusted
from grader.testing import FakeRunner
from grader.workflow.run import without_sandbox


def test_facts_of_code_that_ran_without_a_sandbox_are_said_to_be_such() -> None:
    (finding,) = without_sandbox(Trusted())
    assert (finding.rule, finding.severity, finding.message.code) == ("no-sandbox", "info", "sandbox.trusted")
    assert without_sandbox(FakeRunner(lambda command: pytest.fail(f"{command.argv} ran"))) == ()
