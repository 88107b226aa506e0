"""Results of a comparison as tests need them: times of a given centre and spread, summed up by the real statistics."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from grader.model.base import Message
from grader.model.bench import (
    Bench,
    BenchArm,
    BenchFailure,
    BenchMethod,
    BenchNoise,
    BenchRatio,
    BenchSample,
    NoiseReading,
)
from grader.model.host import Fingerprint
from grader.model.run import Sample
from grader.stats.estimate import summary
from grader.stats.othertools import other_tools
from grader.stats.outliers import outliers
from grader.stats.ratio import paired_ratio
from grader.stats.verdict import in_words, more_rounds, verdict_of

HOST = Fingerprint(os="Debian GNU/Linux 12", kernel="6.1", architecture="x86_64", cpus=2, cgroup="v1")


def times(median_s: float, rounds: int, *, spread: float = 0.03, seed: int = 1) -> list[float]:
    """Return times around a median, log-normal, `spread` as the standard deviation of their logarithms."""
    rng = random.Random(f"{median_s} {rounds} {spread} {seed}")
    return [median_s * math.exp(rng.gauss(0, spread)) for _ in range(rounds)]


def arm(name: str, seconds: Sequence[float], argv: Sequence[str] | None = None) -> BenchArm:
    """Return an arm whose every timed run counts, after one warm-up."""
    warm = _sample(0, seconds[0] * 1.5, used=False).model_copy(update={"phase": "warm-up"})
    flags = outliers(seconds)
    runs = [_sample(i, s, flagged=flags[i]) for i, s in enumerate(seconds)]
    starts = [s.start for s in runs if s.start is not None]
    return BenchArm(
        name=name,
        argv=tuple(argv or (f"./{name}", "--once")),
        state="measured",
        n=len(runs),
        start=summary(starts),
        total=summary(seconds),
        samples=(warm, *runs),
        failure=None,
    )


def failed_arm(name: str, *, tail: str = "no such image\n", good: Sequence[float] = ()) -> BenchArm:
    """Return an arm that was taken out by its first bad run, after as many good ones."""
    runs = [_sample(i, s, used=False) for i, s in enumerate(good)]
    bad = BenchSample(
        round=len(good),
        attempt=0,
        phase="timed",
        outcome="failed",
        start=None,
        total=None,
        exit=125,
        used=False,
        flagged=False,
        at=9.0,
    )
    reason = Message(code="bench.exit", params={"exit": 125, "expected": 0, "said": "no such image"})
    return BenchArm(
        name=name,
        argv=(f"./{name}",),
        state="failed",
        n=0,
        start=None,
        total=None,
        samples=(*runs, bad),
        failure=BenchFailure(run=len(good) + 1, exit=125, reason=reason, tail=tail),
    )


def uncounted_arm(name: str, *good: float) -> BenchArm:
    """Return an arm that ran well, but the time was up before a round of all arms was finished."""
    return BenchArm(
        name=name,
        argv=(f"./{name}",),
        state="measured",
        n=0,
        start=None,
        total=None,
        samples=tuple(_sample(i, s, used=False) for i, s in enumerate(good)),
        failure=None,
    )


def bench(
    arms: Sequence[BenchArm],
    *,
    baseline: str | None = None,
    noise: BenchNoise | None = None,
    host: Fingerprint = HOST,
    changes: Mapping[str, object] | None = None,
) -> Bench:
    """Return a comparison of these arms against a baseline, the first measured one if none is named."""
    measured = [a for a in arms if a.n]
    base = next((a for a in measured if baseline in (None, a.name)), None)
    ratios = tuple(_ratio(a, base) for a in measured if base is not None and a is not base)
    rounds = min((a.n for a in measured), default=0)
    method = BenchMethod(
        ending="rounds", rounds=rounds, rounds_asked=rounds or 1, warmups=1, clock="total", conditions="warm"
    )
    return Bench(
        arms=tuple(arms),
        ratios=ratios,
        noise=noise or BenchNoise(state="quiet", probes=(NoiseReading(at_s=0, spawn_s=(0.0005, 0.0006)),)),
        method=method.model_copy(update=dict(changes or {})),
        other_tools=other_tools(_samples_of(arms), [(r.numerator, r.denominator) for r in ratios]),
        host=host,
        seed=7,
        grader="0.5.0",
    )


def _ratio(numerator: BenchArm, denominator: BenchArm) -> BenchRatio:
    above, below = ([s.total for s in a.samples if s.used and s.total is not None] for a in (numerator, denominator))
    found = paired_ratio(above, below)
    return BenchRatio(
        numerator=numerator.name,
        denominator=denominator.name,
        ratio=found.value,
        low=found.interval.low if found.interval else None,
        high=found.interval.high if found.interval else None,
        level=found.interval.level if found.interval else None,
        n=found.n,
        verdict=verdict_of(found),
        reason=in_words(numerator.name, denominator.name, found),
        more_rounds=more_rounds(found),
    )


def _samples_of(arms: Sequence[BenchArm]) -> list[Sample]:
    return [
        Sample(
            arm=arm.name,
            round_index=s.round,
            outcome=s.outcome,
            total_s=s.total,
            first_output_s=s.start,
            exit_code=s.exit,
            started_s=s.at,
            lasted_s=None if s.total else 0.5,
        )
        for arm in arms
        for s in arm.samples
        if s.phase == "timed"
    ]


def _sample(index: int, total: float, *, used: bool = True, flagged: bool = False) -> BenchSample:
    return BenchSample(
        round=index,
        attempt=0,
        phase="timed",
        outcome="ok",
        start=total * 0.75,
        total=total,
        exit=0,
        used=used,
        flagged=flagged,
        at=index * 0.5,
    )
