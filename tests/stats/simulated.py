"""Hosts with a known truth: made-up ones, and recorded series played back; and the driver that a workflow would be."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.model.base import Message
from grader.model.bench import Block, BlockDone, Calibration, ExperimentPlan, Finished, NoiseReading
from grader.model.run import Sample
from grader.stats.experiment import next_step, warm_up

SERIES = Path(__file__).parents[1] / "data" / "series"
QUIET_S = 0.42e-3
CALIBRATION = Calibration(spawn_s=QUIET_S, readings=10)


@dataclass
class Host:
    """A host whose runs last as long as they should, times a load that drifts, sticks and jumps.

    `autocorrelation` of the logarithm of the load from run to run; `load_sd` and `noise_sd` are of its logarithm and of
    what each run has for itself; `tail` is the chance that a run takes 1.5 to 4 times as long.  `hogs` are spans of
    time, in runs, with two busy loops.  `broken` are arms that fail in the run of that number.  `settles` is after how
    many runs no-op programs start as quickly as they can; at first they take 2.5 times as long, and nothing else tells.
    `known` is the calibration that a campaign here begins with.
    """

    truth: Mapping[str, float]
    seed: int
    autocorrelation: float = 0.8
    load_sd: float = 0.1
    noise_sd: float = 0.06
    drift: float = 0.0
    tail: float = 0.0
    hogs: Sequence[tuple[int, int]] = ()
    broken: Mapping[str, int] = field(default_factory=dict)
    settles: int = 0
    known: Calibration | None = CALIBRATION
    runs: int = 0
    loaded_runs: int = 0
    load: float = 0.0
    clock_s: float = 0.0
    pauses_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.ran: dict[str, int] = {}
        self.load = self.rng.gauss(0, self.load_sd)

    def busy(self) -> bool:
        return any(first <= self.runs < last for first, last in self.hogs)

    def run(self, arm: str, block: Block, round_index: int) -> Sample:
        rho = self.autocorrelation
        self.load = rho * self.load + math.sqrt(1 - rho * rho) * self.rng.gauss(0, self.load_sd)
        slow = self.load + self.drift * self.runs + self.rng.gauss(0, self.noise_sd)
        slow += math.log(self.rng.uniform(1.5, 4)) if self.rng.random() < self.tail else 0
        slow += math.log(self.rng.uniform(1.5, 2.2)) if self.busy() else 0
        seconds = self.truth[arm] * math.exp(slow)
        return self.sample(arm, block, round_index, seconds)

    def sample(self, arm: str, block: Block, round_index: int, seconds: float) -> Sample:
        self.loaded_runs += self.busy()
        self.runs += 1
        self.ran[arm] = self.ran.get(arm, 0) + 1
        bad = self.broken.get(arm) == self.ran[arm]
        self.clock_s += seconds
        return Sample(
            arm=arm,
            round_index=round_index,
            outcome="failed" if bad else "ok",
            total_s=None if bad else seconds,
            first_output_s=None if bad else seconds / 2,
            exit_code=1 if bad else 0,
            started_s=self.clock_s,
            reason=Message(code="probe.exit") if bad else None,
            phase=block.phase,
            attempt=block.attempt,
            lasted_s=seconds if bad else None,
        )

    def reading(self, samples: Sequence[Sample]) -> NoiseReading:
        busy = self.busy()
        loaded = self.loaded_runs / len(samples) if samples else 0
        self.loaded_runs = 0
        return NoiseReading(
            at_s=self.clock_s,
            spawn_s=tuple(self.spawn_s(busy) for _ in range(20)),
            pressure=min(1.0, self.rng.gauss(0.32, 0.02) + 0.3 * loaded) if samples else None,
            foreign_load=min(1.0, abs(self.rng.gauss(0.95 if busy else 0.05, 0.03))),
        )

    def spawn_s(self, busy: bool) -> float:
        """Return how long a no-op program took; under load most pass quickly, and some wait their turn."""
        waits = 10 if busy and self.rng.random() < 0.35 else 1
        slower = 1 + 1.5 * max(0.0, 1 - self.runs / self.settles) if self.settles else 1
        return QUIET_S * slower * waits * self.rng.lognormvariate(0.2 if busy else 0, 0.15)

    def pause(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.clock_s += seconds
        self.runs += 3  # what others run meanwhile


@dataclass
class Recorded(Host):
    """A recorded series of one command, played back from a place: all arms are equal but for their truth."""

    times: Sequence[tuple[float, float]] = ()
    start: int = 0

    def run(self, arm: str, block: Block, round_index: int) -> Sample:
        seconds, _ = self.times[(self.start + self.runs) % len(self.times)]
        return self.sample(arm, block, round_index, seconds * self.truth[arm])

    def reading(self, samples: Sequence[Sample]) -> NoiseReading:
        first, last = self.start + self.runs - len(samples), self.start + self.runs
        rows = [self.times[i % len(self.times)] for i in range(first, last)]
        pressure = sum(p for _, p in rows) / sum(s for s, _ in rows) if rows else None
        return NoiseReading(at_s=self.clock_s, spawn_s=(QUIET_S,), pressure=pressure)


def series(name: str) -> list[tuple[float, float]]:
    """Return the times of a recorded series with the pressure during each, both in seconds."""
    rows = (SERIES / f"{name}.csv").read_text(encoding="utf-8").splitlines()[1:]
    return [(float(run) / 1e3, float(pressure) / 1e3) for run, pressure in (row.split(",") for row in rows)]


def run_block(host: Host, block: Block, *, until_s: float = math.inf) -> BlockDone:
    """Run one block as a workflow would: an arm that failed leaves, and the time may be up between two runs."""
    if block.pause_s:
        host.pause(block.pause_s)
    samples: list[Sample] = []
    cut = False
    for number, arm in _in_order(block):
        cut = host.clock_s >= until_s
        if cut:
            break
        if all(s.outcome == "ok" for s in samples if s.arm == arm):
            samples.append(host.run(arm, block, number))
    return BlockDone(block=block, samples=tuple(samples), reading=host.reading(samples), cut=cut)


def _in_order(block: Block) -> Iterator[tuple[int, str]]:
    for number, order in enumerate(block.orders, block.first_round):
        for arm in order:
            yield number, arm


def conduct(
    plan: ExperimentPlan,
    host: Host,
    *,
    kept: Sequence[BlockDone] = (),
    until_s: float = math.inf,
    stop: Callable[[Sequence[BlockDone]], bool] = lambda done: False,
) -> tuple[list[BlockDone], Finished | None]:
    """Drive a campaign to its end; None for the ending if `stop` broke it off between two blocks."""
    done = [*kept, run_block(host, warm_up(plan, kept), until_s=until_s)]
    while isinstance(step := next_step(plan, done, host.known), Block):
        if stop(done):
            return done, None
        done.append(run_block(host, step, until_s=until_s))
        assert len(done) < 3000, "this campaign does not end"
    return done, step
