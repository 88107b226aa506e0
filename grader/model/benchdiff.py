"""What changed between two comparisons of the same commands.

History of the stored format
    grader/bench-diff/1   first format
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from grader.model.base import Message, Record
from grader.model.bench import Clock
from grader.model.grade import Conditions

ArmChange = Literal["faster", "slower", "not_resolved", "not_compared", "fails_now", "works_now", "still_fails"]
RatioChange = Literal["faster", "slower", "no_change", "not_resolved"]


class Side(Record):
    """A number of one session with its interval at 95 %, None where its runs support none."""

    value: float
    low: float | None
    high: float | None
    n: int = Field(ge=1)


class Shift(Record):
    """New over old as a factor, with the interval of it."""

    factor: float = Field(gt=0)
    low: float
    high: float
    level: float


class ArmDiff(Record):
    """An arm that both sessions have.  `old` and `new` are median times in seconds, None for an arm that failed.

    The interval of `shift` is of the runs of these two sessions alone; what the host drifted in between comes on top.
    `other_command`: the name stands for another command line now.
    """

    name: str
    old: float | None
    new: float | None
    shift: Shift | None
    change: ArmChange
    reason: Message
    text: str = ""
    other_command: bool = False


class RatioDiff(Record):
    """A ratio that both sessions measured; `change` speaks of the numerator against the denominator."""

    numerator: str
    denominator: str
    old: Side
    new: Side
    shift: Shift | None
    change: RatioChange
    reason: Message
    text: str = ""


class BenchDiff(Record):
    """What changed from one session to another; `changed` if an arm or a ratio is called faster, slower or failed.

    `notes` say what else is not as it was, the host above all.
    """

    schema_: Annotated[Literal["grader/bench-diff/1"], Field(alias="schema")] = "grader/bench-diff/1"
    changed: bool
    same_host: bool
    clock: Clock
    conditions: Conditions
    arms: tuple[ArmDiff, ...]
    ratios: tuple[RatioDiff, ...]
    appeared: tuple[str, ...]
    gone: tuple[str, ...]
    notes: tuple[Message, ...] = ()
