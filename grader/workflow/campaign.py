"""The timed campaign: rounds of all arms in a shuffled order, each run checked, each sample saved before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from grader.errors import HostError, TimeLimitError
from grader.judging.probes import WallClock, check_run
from grader.model.base import Record
from grader.model.lab import Parameters, StdoutJsonProbe
from grader.model.run import Campaign, Command, Completed, Sample
from grader.model.trouble import trouble
from grader.ports import Progress
from grader.stats.plan import complete_rounds, plan_rounds


class TimedArm(Record):
    """One arm: its command and the probe that its output must pass; None for the control, which need only exit 0."""

    name: str
    command: Command
    probe: StdoutJsonProbe | None


def run_campaign(
    arms: Sequence[TimedArm],
    parameters: Parameters,
    run: Callable[[Command], Completed],
    save: Callable[[Sample], None],
    progress: Progress,
    *,
    kept: Sequence[Sample] = (),
    offset_s: float = 0.0,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Campaign:
    """Time all arms; the caller holds the host lock.

    Warm-up rounds are checked and discarded.  A bad run ends its arm: it is recorded, the arm leaves the rotation
    and gets no number, the others go on.  An interrupt loses nothing that was saved.

    Args:
        kept: The complete rounds of the same campaign that was cut off: it goes on with the next one of the same
            order, after warm-ups of its own.
        offset_s: What the campaign's clock shows at the start.
    Returns: The campaign; if the time was up, its complete rounds, marked as `cut`.
    """
    by_name = {arm.name: arm for arm in arms}
    first = complete_rounds(kept, tuple(by_name))
    plan = plan_rounds(tuple(by_name), parameters.rounds, parameters.seed)[first:]
    warmups = plan_rounds(tuple(by_name), parameters.warmups, parameters.seed + 1) if plan else ()
    samples = list(kept)
    out = {sample.arm for sample in kept if sample.outcome != "ok"}
    began = monotonic() - offset_s
    cut = False
    try:
        for number, order in enumerate((*warmups, *plan)):
            progress.advance(number, len(warmups) + len(plan))
            for name in order:
                if name in out:
                    continue
                round_index = first + max(0, number - len(warmups))
                sample = _timed_run(by_name[name], round_index, run, wall, monotonic() - began)
                if sample.outcome != "ok":
                    out.add(name)
                elif number < len(warmups):
                    continue
                samples.append(sample)
                save(sample)
        progress.advance(len(warmups) + len(plan), len(warmups) + len(plan))
    except TimeLimitError:
        cut = True
        samples = whole_rounds(samples, tuple(by_name))
    return Campaign(
        seed=parameters.seed,
        rounds=parameters.rounds,
        warmups=parameters.warmups,
        arms=tuple(by_name),
        samples=tuple(samples),
        cut=cut,
    )


def whole_rounds(samples: Sequence[Sample], arms: Sequence[str]) -> list[Sample]:
    """Return the samples of complete rounds: one that was cut off is run again whole."""
    rounds = complete_rounds(samples, arms)
    return [sample for sample in samples if sample.round_index < rounds]


def sound_rounds(samples: Sequence[Sample], arms: Sequence[str]) -> list[Sample]:
    """Return the samples of the complete rounds before the first run that broke through no fault of its program.

    That run put its arm out for good, and made again it may be right.
    """
    broken = [s.round_index for s in samples if s.reason is not None and s.reason.blameless]
    return [s for s in whole_rounds(samples, arms) if s.round_index < min(broken, default=s.round_index + 1)]


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
    except TimeLimitError:
        raise
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
