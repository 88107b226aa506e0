"""The timed campaign: rounds of all arms in a shuffled order, each run checked, each sample saved before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from grader.errors import HostError
from grader.judging.probes import WallClock, check_run
from grader.model.base import Record
from grader.model.lab import Parameters, StdoutJsonProbe
from grader.model.run import Campaign, Command, Completed, Sample
from grader.model.trouble import trouble
from grader.ports import Progress, SampleSink
from grader.stats.plan import plan_rounds


class TimedArm(Record):
    """One arm: its command and the probe that its output must pass; None for the control, which need only exit 0."""

    name: str
    command: Command
    probe: StdoutJsonProbe | None


def run_campaign(
    arms: Sequence[TimedArm],
    parameters: Parameters,
    run: Callable[[Command], Completed],
    sink: SampleSink,
    progress: Progress,
    *,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Campaign:
    """Time all arms; the caller holds the host lock.

    Warm-up rounds are checked and discarded.  A bad run ends its arm: it is recorded, the arm leaves the rotation
    and gets no number, the others go on.  An interrupt loses nothing that the sink was given.
    """
    by_name = {arm.name: arm for arm in arms}
    warmups = plan_rounds(tuple(by_name), parameters.warmups, parameters.seed + 1)
    plan = plan_rounds(tuple(by_name), parameters.rounds, parameters.seed)
    samples: list[Sample] = []
    out: set[str] = set()
    began = monotonic()
    for number, order in enumerate((*warmups, *plan)):
        progress.advance(number, len(warmups) + len(plan))
        for name in order:
            if name in out:
                continue
            round_index = max(0, number - len(warmups))
            sample = _timed_run(by_name[name], round_index, run, wall, monotonic() - began)
            if sample.outcome != "ok":
                out.add(name)
            elif number < len(warmups):
                continue
            samples.append(sample)
            sink(sample.model_dump(mode="json"))
    progress.advance(len(warmups) + len(plan), len(warmups) + len(plan))
    return Campaign(
        seed=parameters.seed,
        rounds=parameters.rounds,
        warmups=parameters.warmups,
        arms=tuple(by_name),
        samples=tuple(samples),
    )


def _timed_run(
    arm: TimedArm,
    round_index: int,
    run: Callable[[Command], Completed],
    wall: Callable[[], float],
    started_s: float,
) -> Sample:
    try:
        before = wall()
        completed = run(arm.command)
        after = wall()
    except HostError as error:
        return Sample(
            arm=arm.name,
            round_index=round_index,
            outcome="not-started",
            total_s=None,
            first_output_s=None,
            exit_code=None,
            started_s=started_s,
            reason=trouble("infra.run-broke", error),
        )
    outcome, reason_or_none = completed.outcome, completed.reason
    if arm.probe is not None:
        reason_or_none = check_run(arm.probe, completed, WallClock(before=before, after=after))
        if reason_or_none is not None and outcome == "ok":
            outcome = "wrong-output"
    good = outcome == "ok"
    return Sample(
        arm=arm.name,
        round_index=round_index,
        outcome=outcome,
        total_s=completed.total_s if good else None,
        first_output_s=completed.first_output_s if good else None,
        exit_code=completed.exit_code,
        started_s=started_s,
        reason=None if good else reason_or_none,
    )
