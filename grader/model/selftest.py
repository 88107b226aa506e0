"""The self-test of a lab: changes to its solution's report, and what each must cost or uncover.

History of the stored format
    grader/selftest/1   first format
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from grader.model.base import Record
from grader.model.lab import Identifier


class Edit(Record):
    """Words of the solution's report, which must be there exactly once, and what stands in their place."""

    find: str = Field(min_length=1)
    replace: str


class Case(Record):
    """A seeded fault or cheat.

    `loses`: criteria that earn less than in the solution, for they fail or go to a person; all others stand as there.
    `finds`: rules that must speak, where none did of the solution.
    """

    id: Identifier
    edits: tuple[Edit, ...] = Field(min_length=1)
    loses: tuple[Identifier, ...] = ()
    finds: tuple[Identifier, ...] = ()

    @model_validator(mode="after")
    def _expects_something(self) -> Case:
        if not self.loses and not self.finds:
            raise ValueError("a case needs `loses` or `finds`")
        return self


class SelfTest(Record):
    """`selftest.yml` of a lab's folder."""

    schema_: Annotated[Literal["grader/selftest/1"], Field(alias="schema")]
    cases: tuple[Case, ...] = Field(min_length=1)


class CaseResult(Record):
    """What became of a case: `problems` say what is not as it must be, `open` what this host could not try."""

    id: str
    problems: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
