"""A comparison of commands by timed rounds: how it is set up, what it saw of the host, and its result.

History of the stored formats
    grader/bench/1         first format
    grader/calibration/1   first format
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from grader.model.base import Message, Record
from grader.model.grade import Conditions, Interval, Mode, RatioVerdict, Spread
from grader.model.host import Fingerprint
from grader.model.run import Outcome, Phase, Sample

Clock = Literal["total", "start"]
"""Which time of a run a ratio takes: spawn to exit, or spawn to first byte or first valid answer."""

Ending = Literal["rounds", "precision", "most-rounds", "time", "no-arms"]


LARGEST_PLAN = 5000
"""Most rounds that can be asked for."""


class ExperimentPlan(Record):
    """What to run.  With `rounds` None their number follows from the precision that is reached.

    Invariant: arms have different names, and the baseline is one of them.
    """

    arms: tuple[str, ...] = Field(min_length=1)
    baseline: str
    rounds: int | None = Field(default=None, ge=1, le=LARGEST_PLAN)
    warmups: int = Field(default=2, ge=0, le=100)
    seed: int
    clock: Clock = "total"
    conditions: Conditions = "warm"
    serves: bool = Field(default=False, description="The arms are servers, which we end after their first answer.")
    precise: tuple[str, ...] = Field(
        default=(), description="Arms whose ratio to the baseline is to become precise; empty for all."
    )
    beside: tuple[tuple[str, str], ...] = Field(
        default=(), description="Pairs whose ratio is told beside those to the baseline; it decides nothing."
    )

    @model_validator(mode="after")
    def _arms_are_told_apart(self) -> ExperimentPlan:
        if len(set(self.arms)) != len(self.arms):
            raise ValueError("two arms have one name")
        if self.baseline not in self.arms:
            raise ValueError(f"the baseline `{self.baseline}` is no arm")
        if not {arm for pair in self.beside for arm in pair} <= set(self.arms):
            raise ValueError("a pair is of what is no arm")
        return self


class Block(Record):
    """What to do next: wait, run these rounds, each in its order, then read the noise.

    Without rounds it only waits for the host to calm down.  An arm that failed meanwhile is left out of its rounds.
    """

    pause_s: float = Field(default=0.0, ge=0)
    phase: Phase = "timed"
    first_round: int = Field(default=0, ge=0)
    attempt: int = Field(default=0, ge=0)
    orders: tuple[tuple[str, ...], ...] = ()


class Finished(Record):
    """Nothing is left to run, and why."""

    ending: Ending


class NoiseReading(Record):
    """What the host was like at one moment, and since the reading before.

    `spawn_s`: how long no-op programs took to start and end, one after the other.  `pressure` is the share of the
    time of the runs since the last reading in which a task waited for a CPU (PSI `some`), own load included.
    `foreign_load` is the share of all CPUs that was busy while we paused, so none of it is ours.  None: the kernel
    does not tell.  Steal and load averages are of interest to people only.
    """

    at_s: float = Field(ge=0, description="Seconds since the campaign began.")
    spawn_s: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    pressure: float | None = Field(default=None, ge=0)
    foreign_load: float | None = Field(default=None, ge=0)
    steal: float | None = Field(default=None, ge=0)
    load_average: tuple[float, ...] = ()

    @cached_property
    def median_s(self) -> float:
        """The median of `spawn_s`."""
        return statistics.median(self.spawn_s)

    @cached_property
    def tail_s(self) -> float:
        """What nine in ten of `spawn_s` do not exceed."""
        return sorted(self.spawn_s)[math.ceil(0.9 * len(self.spawn_s)) - 1]


class BlockDone(Record):
    """A block with its samples in the order in which they ran, and the reading that closed it.

    `cut` if the time was up before its end.
    """

    block: Block
    samples: tuple[Sample, ...]
    reading: NoiseReading
    cut: bool = False

    @cached_property
    def bad_arms(self) -> frozenset[str]:
        """The arms that had a bad run in this block."""
        return frozenset(sample.arm for sample in self.samples if sample.outcome != "ok")

    @cached_property
    def arms(self) -> frozenset[str]:
        """The arms that ran in this block."""
        return frozenset(sample.arm for sample in self.samples)

    @cached_property
    def running_s(self) -> float:
        """How long the runs of this block took together, seconds."""
        return sum(sample.total_s or sample.lasted_s or 0.0 for sample in self.samples)


class Calibration(Record):
    """How fast no-op programs start on this host when nobody else uses it: the median of the quietest reading."""

    schema_: Annotated[Literal["grader/calibration/1"], Field(alias="schema")] = "grader/calibration/1"
    spawn_s: float = Field(gt=0)
    readings: int = Field(ge=1, description="How many readings it is the quietest of.")


class BenchSample(Record):
    """One run of an arm; times in seconds, None for a bad run and, of `start`, for a run that printed nothing.

    `used` is False for a warm-up, for a round that was repeated and for one that was not finished by all arms.
    `flagged` marks an outlier; it is used like any other.
    """

    round: int = Field(ge=0)
    attempt: int = Field(ge=0)
    phase: Phase
    outcome: Outcome
    start: float | None = Field(gt=0)
    total: float | None = Field(gt=0)
    exit: int | None
    used: bool
    flagged: bool
    at: float = Field(ge=0, description="Seconds since the campaign began.")
    user: float | None = Field(default=None, ge=0, description="CPU seconds in user mode.")
    system: float | None = Field(default=None, ge=0, description="CPU seconds in the kernel.")

    @model_validator(mode="after")
    def _what_is_used_has_a_time(self) -> BenchSample:
        if self.used and self.total is None:
            raise ValueError("a run that is used has no time")
        return self


class BenchFailure(Record):
    """The run that took an arm out.  `run` counts the arm's runs from 1, warm-ups included."""

    run: int = Field(ge=1)
    exit: int | None
    reason: Message
    tail: str = Field(default="", description="The end of what it printed, escaped only where shown.")


class BenchImage(Record):
    """What the containers of an arm were made of.

    `name` is as the caller gave it, `digest` the image's own identity, that of its manifest or, where it has none, of
    its configuration.  `mode` says how its code was run.  `own_variables` is False where the program saw those of a
    shim instead of its image's.
    """

    name: str
    digest: str
    platform: str
    engine: str
    mode: Mode
    own_variables: bool = True


class BenchArm(Record):
    """One arm.  Invariant: a failed arm has a failure and no number, a measured one has both spreads it can have."""

    name: str
    argv: tuple[str, ...]
    state: Literal["measured", "failed"]
    n: int = Field(ge=0)
    start: Spread | None
    total: Spread | None
    samples: tuple[BenchSample, ...]
    failure: BenchFailure | None
    memory_peak: Spread | None = Field(default=None, description="Bytes, of runs that read it; none is a timed one.")
    no_memory: Message | None = Field(default=None, description="Why it was to be read and was not.")
    image: BenchImage | None = Field(default=None, description="None for a command.")

    @model_validator(mode="after")
    def _a_failed_arm_has_no_number(self) -> BenchArm:
        failed = self.state == "failed"
        if failed != (self.failure is not None) or (
            failed and (self.n or self.start or self.total or self.memory_peak)
        ):
            raise ValueError(f"arm {self.name}: a failure, and then no number, if and only if failed")
        if self.n != sum(sample.used for sample in self.samples):
            raise ValueError(f"arm {self.name}: not as many runs as are used")
        return self


class BenchRatio(Record):
    """time(numerator) / time(denominator), per round; the verdict speaks of the numerator.

    `low` and `high` bound it at `level`, None where the rounds support no interval, and then nothing is resolved.
    `check` is the bootstrap interval of the median ratio, `agrees` whether it overlaps the other one.
    `more_rounds` is about how many would settle what is not resolved.
    """

    numerator: str
    denominator: str
    ratio: float = Field(gt=0)
    low: float | None
    high: float | None
    level: float | None
    n: int = Field(ge=1)
    verdict: RatioVerdict
    reason: Message
    text: str = Field(default="", description="The reason in words.")
    check: Interval | None = None
    agrees: bool | None = None
    more_rounds: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _no_verdict_without_an_interval(self) -> BenchRatio:
        if (self.low is None or self.high is None) and self.verdict != "not_resolved":
            raise ValueError("a ratio without an interval is not resolved")
        return self


class BenchMemory(Record):
    """How the peaks of memory were read: in runs of their own, never in a timed one.

    `floor_bytes` is what a no-op program reads the same way; it is printed and never subtracted.
    """

    notion: Literal["cgroup", "smaps"]
    runs: int = Field(ge=1)
    floor_bytes: int | None = Field(default=None, ge=0)
    method: str


class BenchNoise(Record):
    """Whether the host was quiet enough.  `repeated` counts the rounds that were run again because it was not."""

    state: Literal["quiet", "noisy"]
    reasons: tuple[Message, ...] = ()
    probes: tuple[NoiseReading, ...]
    calibration: Calibration | None = None
    repeated: int = Field(default=0, ge=0)


class LoopAverage(Record):
    """What the course's own loop would have printed for the same runs: bad ones averaged, times cut to 10 ms."""

    arm: str
    runs: int = Field(ge=1)
    bad_runs: int = Field(ge=0)
    average_s: float = Field(ge=0)
    printed: str


class MeanSpread(Record):
    """What hyperfine would have printed for the same runs: its spread is of single runs, no confidence interval."""

    arm: str
    mean_s: float
    stddev_s: float | None = Field(description="Of a sample; None for one run.")
    min_s: float
    max_s: float


class RelativeSpeed(Record):
    """How hyperfine compares two arms: a ratio of means, `spread` propagated from both standard deviations."""

    numerator: str
    denominator: str
    ratio: float
    spread: float | None


class LoopRatio(Record):
    """A ratio of two averages of the loop; None where the divisor is 0."""

    numerator: str
    denominator: str
    ratio: float | None


class OtherTools(Record):
    """The same runs as other tools summarise them."""

    loop: tuple[LoopAverage, ...]
    loop_ratios: tuple[LoopRatio, ...]
    hyperfine: tuple[MeanSpread, ...]
    relative: tuple[RelativeSpeed, ...]


class BenchMethod(Record):
    """How the numbers came about, as data."""

    ending: Ending
    rounds: int = Field(ge=0, description="Rounds that count.")
    rounds_asked: int | None
    baseline: str = Field(default="", description="The arm that divides the others; empty in older results.")
    warmups: int
    clock: Clock
    conditions: Conditions
    order: Literal["shuffled rounds"] = "shuffled rounds"
    centre: Literal["Hodges-Lehmann of paired log ratios"] = "Hodges-Lehmann of paired log ratios"
    interval: Literal["signed ranks"] = "signed ranks"
    check: Literal["bootstrap of the median log ratio"] = "bootstrap of the median log ratio"
    band: float = Field(
        default=0.10, gt=0, description="Two arms do not differ as long as neither is slower by more than this share."
    )


class Bench(Record):
    """The result of one comparison.  Invariant: arms have different names, and ratios are of arms with numbers."""

    schema_: Annotated[Literal["grader/bench/1"], Field(alias="schema")] = "grader/bench/1"
    arms: tuple[BenchArm, ...]
    ratios: tuple[BenchRatio, ...]
    noise: BenchNoise
    method: BenchMethod
    other_tools: OtherTools
    host: Fingerprint
    seed: int
    grader: str
    memory: BenchMemory | None = None
    notes: tuple[Message, ...] = Field(default=(), description="What to know of the arms to read the ratios right.")

    @model_validator(mode="after")
    def _ratios_are_of_arms(self) -> Bench:
        twice = next((name for name, count in Counter(arm.name for arm in self.arms).items() if count > 1), None)
        if twice is not None:
            raise ValueError(f"two arms are called `{twice}`")
        timed = {arm.name for arm in self.arms if arm.n}
        for name in (name for ratio in self.ratios for name in (ratio.numerator, ratio.denominator)):
            if name not in timed:
                raise ValueError(f"a ratio is of `{name}`, which is no arm with numbers")
        return self
