"""The timed campaign: rounds of all arms in a shuffled order, each run checked, each sample saved before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grader.errors import HostError, TimeLimitError
from grader.judging.probes import WallClock, check_run
from grader.model.base import Record
from grader.model.bench import Block, BlockDone, ExperimentPlan
from grader.model.lab import Lab, StdoutJsonProbe
from grader.model.run import Command, Completed, Sample
from grader.model.trouble import trouble
from grader.ports import Progress, SampleWriter
from grader.stats.experiment import MOST_ROUNDS, next_step, rounds_asked, warm_up
from grader.workflow.calibration import CalibratedMeter


class TimedArm(Record):
    """One arm: its command and the probe that its output must pass; None for the control, which need only exit 0."""

    name: str
    command: Command
    probe: StdoutJsonProbe | None


def campaign_plan(lab: Lab, arms: Sequence[str]) -> ExperimentPlan:
    """Return the plan of a campaign of these arms, some of the lab's.

    Where the lab leaves the number of rounds open, the ratios to its first denominator decide.
    """
    pairs = [pair.partition("/")[::2] for pair in lab.timing.ratios]
    there = [(above, below) for above, below in pairs if above in arms and below in arms]
    baseline = there[0][1] if there else arms[0]
    return ExperimentPlan(
        arms=tuple(arms),
        baseline=baseline,
        rounds=rounds_asked(lab.parameters),
        warmups=lab.parameters.warmups,
        seed=lab.parameters.seed,
        precise=tuple(above for above, below in there if below == baseline),
    )


def run_campaign(
    plan: ExperimentPlan,
    arms: Sequence[TimedArm],
    run: Callable[[Command], Completed],
    writer: SampleWriter,
    progress: Progress,
    noise: CalibratedMeter,
    *,
    kept: Sequence[BlockDone] = (),
    offset_s: float = 0.0,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[BlockDone, ...]:
    """Time all arms; the caller holds the host lock.

    A bad run ends its arm: it is recorded, the arm leaves the rotation and gets no number, the others go on.  Rounds
    that were run while the host was busy are run again a few times.  An interrupt loses nothing that was saved.

    Args:
        kept: The blocks of the same campaign that was cut off: it goes on after them, with warm-ups of its own, knowing
            all that was read of the noise.
        offset_s: What the campaign's clock shows at the start.
    Returns: All blocks, those that were kept first; the last is `cut` if the time was up.
    """
    began = monotonic() - offset_s
    session = _Session(
        plan=plan,
        arms={arm.name: arm for arm in arms},
        run=run,
        writer=writer,
        progress=progress,
        noise=noise,
        wall=wall,
        now=lambda: monotonic() - began,
        out=set().union(*(done.bad_arms for done in kept)),
    )
    done = list(kept)
    if not done or isinstance(next_step(plan, done, noise.calibration), Block):
        done.append(session.block(warm_up(plan, done)))
        while isinstance(step := next_step(plan, done, noise.calibration), Block):
            done.append(session.block(step))
    return tuple(done)


@dataclass
class _Session:
    """The blocks of one campaign that one process runs.  `out` are the arms that had a bad run."""

    plan: ExperimentPlan
    arms: Mapping[str, TimedArm]
    run: Callable[[Command], Completed]
    writer: SampleWriter
    progress: Progress
    noise: CalibratedMeter
    wall: Callable[[], float]
    now: Callable[[], float]
    out: set[str]

    def block(self, block: Block) -> BlockDone:
        """Run a block, as far as the time allows, and read the noise after it."""
        if block.pause_s:
            self.progress.note(f"the host is busy: waiting {block.pause_s:g} s")
        elif block.attempt and block.phase == "timed":
            last = block.first_round + len(block.orders)
            self.progress.note(f"the host was busy: rounds {block.first_round + 1} to {last} are run again")
        self.writer.begin_block(block)
        samples: list[Sample] = []
        cut = False
        try:
            for offset, order in enumerate(block.orders):
                for name in order:
                    self._once(block, block.first_round + offset, name, samples)
                if block.phase == "timed":
                    self.progress.advance(block.first_round + offset + 1, self.plan.rounds or MOST_ROUNDS)
        except TimeLimitError:
            cut = True
        reading = self.noise.read(self.now(), 0.0 if cut else block.pause_s)
        self.writer.close_block(reading, cut=cut)
        return BlockDone(block=block, samples=tuple(samples), reading=reading, cut=cut)

    def _once(self, block: Block, round_index: int, name: str, samples: list[Sample]) -> None:
        """Run an arm that is still in, and save its sample."""
        if name in self.out:
            return
        sample = _timed_run(self.arms[name], round_index, self.run, self.wall, self.now())
        sample = sample.model_copy(update={"phase": block.phase, "attempt": block.attempt})
        if sample.outcome != "ok":
            self.out.add(name)
        samples.append(sample)
        self.writer.add(sample)


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
