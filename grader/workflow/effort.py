"""How much a plan is to do, and how long it may take at most."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from grader.model.base import Record
from grader.model.lab import HttpProbe, Lab
from grader.workflow.plan import Kind, PlannedStep
from grader.workflow.waits import STANDARD


class Effort(Record):
    """Runs by kind, and the seconds after which the caps of all of them would have ended even the slowest.

    What the cache holds is not run again, so a grading may do less; compiling a standard library once per host is
    not in it.
    """

    builds: int = Field(ge=0)
    probes: int = Field(ge=0)
    memory_runs: int = Field(ge=0)
    timed_runs: int = Field(ge=0)
    at_most_s: float = Field(ge=0)


def effort_of(lab: Lab, steps: Sequence[PlannedStep]) -> Effort:
    """Return what these steps are together."""

    def runs(*kinds: Kind) -> int:
        return sum(step.runs for step in steps if step.kind in kinds)

    return Effort(
        builds=runs("build", "image", "prepare"),
        probes=runs("probe", "server"),
        memory_runs=runs("memory"),
        timed_runs=runs("time"),
        at_most_s=sum(step.runs * _cap_s(lab, step) for step in steps),
    )


def _cap_s(lab: Lab, step: PlannedStep) -> float:
    """Return the cap on one run of a step."""
    if step.kind in ("build", "prepare"):
        assert step.subject is not None  # only the control arm has none
        return lab.steps[step.subject].timeout_s
    if step.kind == "image":
        assert step.subject is not None
        return lab.images[step.subject].timeout_s
    run_s = lab.parameters.run_timeout_s
    if step.kind != "server":
        return run_s
    return max(STANDARD.life_s(probe, run_s) for probe in lab.probes.values() if isinstance(probe, HttpProbe))
