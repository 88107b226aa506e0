"""The timed campaign: rounds of all arms in a shuffled order, each run checked, each sample saved before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grader.errors import HostError, TimeLimitError
from grader.judging.probes import WallClock, check_run
from grader.model.base import Message, Record
from grader.model.bench import Block, BlockDone, ExperimentPlan, NoiseReading
from grader.model.lab import Lab, StdoutJsonProbe
from grader.model.run import Campaign, Command, Completed, Sample
from grader.model.trouble import trouble
from grader.ports import Progress
from grader.stats.bench import noise_of
from grader.stats.experiment import MOST_ROUNDS, REPEATS, next_step, rounds_asked, warm_up
from grader.stats.noise import quiet_spawn
from grader.stats.plan import complete_rounds
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
    save: Callable[[Sample], None],
    progress: Progress,
    noise: CalibratedMeter,
    *,
    kept: Sequence[Sample] = (),
    offset_s: float = 0.0,
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Campaign:
    """Time all arms; the caller holds the host lock.

    Warm-up rounds are checked and discarded.  A bad run ends its arm: it is recorded, the arm leaves the rotation
    and gets no number, the others go on.  Rounds that were run while the host was busy are run again a few times.  An
    interrupt loses nothing that was saved.

    Args:
        kept: The complete rounds of the same campaign that was cut off: it goes on with the next one, after warm-ups
            of its own.
        offset_s: What the campaign's clock shows at the start.
    Returns: The campaign; if the time was up, its complete rounds, marked as `cut`.
    """
    began = monotonic() - offset_s
    first = complete_rounds(kept, plan.arms)
    session = _Session(
        plan=plan,
        arms={arm.name: arm for arm in arms},
        run=run,
        save=save,
        progress=progress,
        noise=noise,
        wall=wall,
        now=lambda: monotonic() - began,
        first=first,
        out={sample.arm for sample in kept if sample.outcome != "ok"},
    )
    done = _earlier(kept, plan, noise, offset_s)
    if not done or isinstance(next_step(plan, done, noise.calibration), Block):
        done.append(session.block(warm_up(plan, done)))
        while isinstance(step := next_step(plan, done, noise.calibration), Block):
            done.append(session.block(step))
    samples = latest([sample for block in done for sample in block.samples])
    cut = bool(done) and done[-1].cut
    return Campaign(
        seed=plan.seed,
        rounds=plan.rounds or max([1, *(sample.round_index + 1 for sample in samples)]),
        warmups=plan.warmups,
        arms=plan.arms,
        samples=tuple(whole_rounds(samples, plan.arms) if cut else samples),
        cut=cut,
        noise=_noise(plan, done, noise, kept),
    )


def _earlier(kept: Sequence[Sample], plan: ExperimentPlan, noise: CalibratedMeter, at_s: float) -> list[BlockDone]:
    """Return the rounds of an earlier session as a block between two readings.

    What was read then is not kept, but a contaminated block is followed by its repetition: what is left when a session
    ends was found to be quiet, was given up, or was not looked at yet.  Both readings are those of a quiet host, and
    `_noise` names what may have been given up.
    """
    rounds = complete_rounds(kept, plan.arms)
    if not rounds:
        return []
    here = noise.read(at_s)
    quiet = NoiseReading(at_s=at_s, spawn_s=(quiet_spawn([here], noise.calibration),))
    orders = tuple(tuple(s.arm for s in kept if s.round_index == r) for r in range(rounds))
    return [
        BlockDone(block=Block(phase="warm-up"), samples=(), reading=quiet),
        BlockDone(block=Block(orders=orders), samples=tuple(kept), reading=quiet),
    ]


def _noise(
    plan: ExperimentPlan, done: Sequence[BlockDone], noise: CalibratedMeter, kept: Sequence[Sample]
) -> tuple[Message, ...]:
    """Return why the host was not quiet.  Of an earlier session only the repeats are known: the last may be in vain."""
    reasons = noise_of(plan, done, noise.calibration).reasons if done else ()
    if any(sample.attempt >= REPEATS for sample in kept):
        reasons += (Message(code="noise.given-up", params={"times": REPEATS}),)
    return reasons


@dataclass
class _Session:
    """The blocks of one campaign that one process runs, from round `first` on.

    `out` are the arms that had a bad run.
    """

    plan: ExperimentPlan
    arms: Mapping[str, TimedArm]
    run: Callable[[Command], Completed]
    save: Callable[[Sample], None]
    progress: Progress
    noise: CalibratedMeter
    wall: Callable[[], float]
    now: Callable[[], float]
    first: int
    out: set[str]

    def block(self, block: Block) -> BlockDone:
        """Run a block, as far as the time allows, and read the noise after it."""
        if block.pause_s:
            self.progress.note(f"the host is busy: waiting {block.pause_s:g} s")
        elif block.attempt and block.phase == "timed":
            last = block.first_round + len(block.orders)
            self.progress.note(f"the host was busy: rounds {block.first_round + 1} to {last} are run again")
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
        return BlockDone(block=block, samples=tuple(samples), reading=reading, cut=cut)

    def _once(self, block: Block, round_index: int, name: str, samples: list[Sample]) -> None:
        """Run an arm that is still in, and save its sample unless it was a good one of a warm-up."""
        if name in self.out:
            return
        sample = _timed_run(self.arms[name], round_index, self.run, self.wall, self.now())
        if block.phase == "timed":
            sample = sample.model_copy(update={"attempt": block.attempt})
        else:  # A bad one belongs to the round that follows.
            sample = sample.model_copy(update={"phase": "warm-up", "round_index": self.first})
        if sample.outcome != "ok":
            self.out.add(name)
        elif block.phase == "warm-up":
            return
        samples.append(sample)
        self.save(sample)


def latest(samples: Sequence[Sample]) -> list[Sample]:
    """Return of each round the samples of its last attempt, in the order of the rounds.

    An arm that had a bad run by then keeps those of an earlier attempt: they have no number, but a reason.  Rounds
    that were to be run again when the campaign ended, and were not reached any more, are left out.

    Args:
        samples: In the order in which they ran.
    """
    bad = {sample.arm for sample in samples if sample.outcome != "ok"}
    rounds: dict[int, dict[int, list[int]]] = {}
    for at, sample in enumerate(samples):
        rounds.setdefault(sample.round_index, {}).setdefault(sample.attempt, []).append(at)
    found: list[Sample] = []
    reached = -1
    for _, attempts in sorted(rounds.items()):
        last = attempts[max(attempts)]
        if last[0] < reached:  # It ran before the round that it follows.
            break
        reached = last[-1]
        there = {samples[at].arm for at in last}
        left = {samples[at].arm: at for a in sorted(attempts) for at in attempts[a] if samples[at].arm in bad - there}
        found += [samples[at] for at in sorted([*last, *left.values()])]
    return found


def whole_rounds(samples: Sequence[Sample], arms: Sequence[str]) -> list[Sample]:
    """Return the last attempts at complete rounds: one that was cut off is run again whole."""
    last = latest(samples)
    rounds = complete_rounds(last, arms)
    return [sample for sample in last if sample.round_index < rounds]


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
