"""Compare commands by timed rounds: the order of effects.  What to run next and what it says is for `stats`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grader.errors import TimeLimitError, UsageError
from grader.model.base import Message, canonical_json, digest
from grader.model.bench import Bench, Block, BlockDone, Ending, ExperimentPlan
from grader.model.host import Fingerprint
from grader.model.run import Sample
from grader.model.samplelog import SampleHeader
from grader.ports import HostLock, NoiseMeter, Progress, SampleLog, SampleWriter, Store
from grader.stats.bench import bench_of
from grader.stats.experiment import MOST_ROUNDS, next_step, warm_up
from grader.workflow.benchrun import Arm, Ran
from grader.workflow.budget import BoundedMeter, Budget
from grader.workflow.calibration import CalibratedMeter

RUN_S = 60.0
"""Longest run where neither it nor the whole is limited by the caller."""


@dataclass(frozen=True)
class Track:
    """Where a comparison is run, through ports.

    `noise` is opened when the host is ours.  `budget` begins then too, unless the caller bounds the whole command.
    """

    lock: HostLock
    noise: Callable[[], NoiseMeter]
    samples: SampleLog
    progress: Progress
    store: Store
    host: Fingerprint
    budget: Callable[[], Budget]
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(frozen=True)
class TimeLimits:
    """How long one run may take.

    `shared` if that is our share of a limit of the whole: then a limit that is too small is not an arm's failure.
    """

    run_s: float
    shared: bool

    @classmethod
    def of(cls, run_s: float | None, whole_s: float | None, arms: int) -> TimeLimits:
        """Return the limits that follow from what the caller gave.

        A program that hangs must not use up the time of the others, so without a limit of its own a run gets half of
        an arm's share of the whole.
        """
        if run_s is not None:
            return cls(run_s=run_s, shared=False)
        if whole_s is None:
            return cls(run_s=RUN_S, shared=False)
        return cls(run_s=min(RUN_S, whole_s / (2 * arms)), shared=True)


def run_bench(
    plan: ExperimentPlan,
    arms: Mapping[str, Arm],
    argvs: Mapping[str, tuple[str, ...]],
    track: Track,
    limits: TimeLimits,
    *,
    version: str,
    before_leaving: Callable[[Bench, Budget], Bench] = lambda bench, budget: bench,
) -> Bench:
    """Time the arms while nobody else on this host is timed, and say what the runs say.

    Each sample is saved before the next run.  An interrupt, and an error of ours, loses nothing that was saved.

    Args:
        before_leaving: Called with the result and what is left of the time while the host is still ours.
    Raises: StatsError or UsageError if the time was up before one round of all arms; HostError as the ports do.
    """
    with track.lock.exclusive():
        header = SampleHeader(key=_key(plan, argvs), rounds=plan.rounds or MOST_ROUNDS, began=track.wall())
        if (aside := track.samples.set_aside()) is not None:
            track.progress.note(f"the runs of an earlier comparison are kept in `{aside}`")
        writer = track.samples.begin(header, ())
        budget = track.budget()
        noise = CalibratedMeter(BoundedMeter(track.noise(), budget), track.store, track.host)
        done, ending = _Session(plan, arms, track, limits, noise, budget, writer).run_all()
        noise.learn()
        _refuse_small_limit(done, limits)
        bench = bench_of(plan, done, ending, noise.calibration, argvs=argvs, host=track.host, grader=version)
        return before_leaving(bench, budget)


class _Session:
    """The blocks of one campaign; the caller holds the host lock.

    Invariant: an arm in `_out` had a bad run and is run no more.
    """

    def __init__(
        self,
        plan: ExperimentPlan,
        arms: Mapping[str, Arm],
        track: Track,
        limits: TimeLimits,
        noise: CalibratedMeter,
        budget: Budget,
        writer: SampleWriter,
    ) -> None:
        self._plan, self._arms, self._track, self._limits = plan, arms, track, limits
        self._noise, self._budget, self._writer = noise, budget, writer
        self._out: set[str] = set()
        self._began = track.monotonic()

    def run_all(self) -> tuple[list[BlockDone], Ending]:
        """Run block after block until nothing is left to run."""
        progress, plan = self._track.progress, self._plan
        rounds = _count(plan.rounds, "round") if plan.rounds is not None else f"up to {MOST_ROUNDS} rounds"
        progress.step("bench", f"{rounds} of {_count(len(plan.arms), 'arm')}, after {plan.warmups} to warm up")
        done = [self._block(warm_up(plan, ()))]
        while isinstance(step := next_step(plan, done, self._noise.calibration), Block):
            if step.pause_s:
                progress.note(f"the host is busy: waiting {step.pause_s:g} s")
            elif step.attempt:
                progress.note(f"the host was busy: rounds {_span(step)} are run again")
            done.append(self._block(step))
        return done, step.ending

    def _block(self, block: Block) -> BlockDone:
        self._writer.begin_block(block)
        samples: list[Sample] = []
        cut = self._budget.left_s() == 0
        total = self._plan.rounds or MOST_ROUNDS
        for offset, order in enumerate(block.orders):
            for arm in order:
                sample = None if cut else self._sample(block, block.first_round + offset, arm)
                cut = cut or (sample is None and arm not in self._out)
                if sample is not None:
                    samples.append(sample)
            if block.phase == "timed" and not cut:
                self._track.progress.advance(block.first_round + offset + 1, total)
        reading = self._noise.read(self._now(), block.pause_s)
        self._writer.close_block(reading, cut=cut)
        return BlockDone(block=block, samples=tuple(samples), reading=reading, cut=cut)

    def _sample(self, block: Block, round_index: int, arm: str) -> Sample | None:
        """Run an arm once and save how it went; None if it is out, or if the time was up before its end."""
        if arm in self._out:
            return None
        try:
            self._arms[arm].prepare(self._budget)
            timeout_s = self._budget.cap(self._limits.run_s)
        except TimeLimitError:
            return None
        started_s = self._now()
        ran = self._arms[arm].run(timeout_s)
        good = ran.outcome == "ok"
        if not good and timeout_s < self._limits.run_s and self._budget.left_s() == 0:
            return None
        if not good:
            self._out.add(arm)
        sample = Sample(
            arm=arm,
            round_index=round_index,
            outcome=ran.outcome,
            total_s=ran.lasted_s if good else None,
            first_output_s=ran.first_output_s,
            exit_code=ran.exit_code,
            started_s=started_s,
            reason=self._reason(ran),
            phase=block.phase,
            attempt=block.attempt,
            lasted_s=None if good else ran.lasted_s,
            tail=ran.tail,
            user_s=ran.user_s,
            system_s=ran.system_s,
        )
        self._writer.add(sample)
        return sample

    def _reason(self, ran: Ran) -> Message | None:
        if ran.outcome == "timeout" and self._limits.shared and ran.reason is not None:
            return Message(code="bench.timeout-share", params=ran.reason.params)
        return ran.reason

    def _now(self) -> float:
        return self._track.monotonic() - self._began


def _refuse_small_limit(done: Sequence[BlockDone], limits: TimeLimits) -> None:
    """Raises: UsageError if every arm met its share of the time limit before it had ended once."""
    samples = [sample for d in done for sample in d.samples]
    if limits.shared and samples and all(s.outcome == "timeout" for s in samples):
        raise UsageError(
            f"the time is too short for one round: no run ended within {limits.run_s:.3g} s, half of an arm's share",
            where="--time-limit",
            hint="allow more time, or give a run its own limit with `--timeout`",
        )


def _key(plan: ExperimentPlan, argvs: Mapping[str, tuple[str, ...]]) -> str:
    commands = {name: list(argv) for name, argv in argvs.items()}
    return digest(canonical_json({"plan": plan.model_dump(mode="json"), "argvs": commands}))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _span(block: Block) -> str:
    return f"{block.first_round + 1} to {block.first_round + len(block.orders)}"
