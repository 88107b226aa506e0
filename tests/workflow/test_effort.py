from __future__ import annotations

from grader.model.lab import HttpProbe
from grader.workflow.effort import effort_of
from grader.workflow.plan import PlannedStep
from grader.workflow.waits import STANDARD
from tests.samplelab import small_lab

LAB = small_lab(parameters={"run_timeout_s": 7})


def step(**about: object) -> PlannedStep:
    return PlannedStep.model_validate({"id": "a", "subject": "native", "argv": ("/a",), "runs": 1} | about)


def test_runs_are_counted_by_kind_and_capped_as_each_of_them_is() -> None:
    effort = effort_of(
        LAB,
        [
            step(kind="build"),
            step(kind="prepare"),
            step(kind="probe"),
            step(kind="server", runs=3),
            step(kind="memory", runs=4),
            step(kind="time", runs=10, subject=None),
        ],
    )
    assert (effort.builds, effort.probes, effort.memory_runs, effort.timed_runs) == (2, 4, 4, 10)
    server_s = max(STANDARD.life_s(p, 7) for p in LAB.probes.values() if isinstance(p, HttpProbe))
    assert effort.at_most_s == 2 * LAB.steps["native"].timeout_s + 7 + 3 * server_s + 4 * 7 + 10 * 7


def test_what_is_not_run_takes_no_time() -> None:
    effort = effort_of(LAB, [step(kind="time", argv=(), runs=0)])
    assert (effort.timed_runs, effort.at_most_s) == (0, 0)
