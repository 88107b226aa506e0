"""The result of a comparison, from its blocks.  Pure: judging again gives the same result."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from grader.errors import StatsError
from grader.model.base import Message
from grader.model.bench import (
    Bench,
    BenchArm,
    BenchFailure,
    BenchMethod,
    BenchNoise,
    BenchRatio,
    BenchSample,
    BlockDone,
    Calibration,
    Ending,
    ExperimentPlan,
)
from grader.model.grade import Interval, Spread
from grader.model.host import Fingerprint
from grader.model.run import Sample
from grader.stats.estimate import summary
from grader.stats.experiment import Used, contaminated, repeated_rounds, times, used_samples
from grader.stats.noise import calmest_pressure, doubts_about_block, doubts_about_readings, each_kind_once, quiet_spawn
from grader.stats.othertools import other_tools
from grader.stats.outliers import outliers
from grader.stats.ratio import bootstrap_ratio, paired_ratio
from grader.stats.verdict import BAND, in_words, more_rounds, verdict_of


def bench_of(
    plan: ExperimentPlan,
    done: Sequence[BlockDone],
    ending: Ending,
    calibration: Calibration | None,
    *,
    argvs: Mapping[str, tuple[str, ...]],
    host: Fingerprint,
    grader: str,
) -> Bench:
    """Return what the blocks say about every arm, and every ratio to the baseline or of a pair that the plan names.

    Args:
        argvs: The command of each arm, as shown to people.
    Raises: StatsError if no arm failed and yet not one round was finished by all.
    """
    used = used_samples(plan, done)
    if len(used) == len(plan.arms) and not any(used.values()):
        raise StatsError("the time was up before one round of all arms was finished", hint="raise `--time-limit`")
    pairs = [*((arm, plan.baseline) for arm in _others(plan)), *plan.beside]
    compared = [(above, below) for above, below in pairs if used.get(above) and used.get(below)]
    return Bench(
        arms=tuple(_arm(arm, argvs[arm], done, used) for arm in plan.arms),
        ratios=tuple(_ratio(plan, used, above, below) for above, below in compared),
        noise=noise_of(plan, done, calibration),
        method=BenchMethod(
            ending=ending,
            rounds=max((len(runs) for runs in used.values()), default=0),
            rounds_asked=plan.rounds,
            baseline=plan.baseline,
            warmups=plan.warmups,
            clock=plan.clock,
            conditions=plan.conditions,
            band=BAND,
        ),
        # Other tools wait for the end of a program, and a server has none.
        other_tools=other_tools(
            [] if plan.serves else _same_runs(plan, done, used), [(arm, plan.baseline) for arm in _others(plan)]
        ),
        host=host,
        seed=plan.seed,
        grader=grader,
    )


def _others(plan: ExperimentPlan) -> tuple[str, ...]:
    return tuple(arm for arm in plan.arms if arm != plan.baseline)


def _arm(arm: str, argv: tuple[str, ...], done: Sequence[BlockDone], used: Used) -> BenchArm:
    runs = [s for d in done for s in d.samples if s.arm == arm]
    counting = list(used.get(arm, {}).values())
    totals = [total for s in counting if (total := s.total_s) is not None]
    starts = [first for s in counting if (first := s.first_output_s) is not None]
    # Samples are told apart by identity: two equal ones may differ in being used.
    apart = {id(s): mark for s, mark in zip(counting, outliers(totals), strict=True)}
    return BenchArm(
        name=arm,
        argv=argv,
        state="measured" if arm in used else "failed",
        n=len(counting),
        start=_spread(starts, len(counting)),
        total=_spread(totals, len(counting)),
        samples=tuple(_sample(s, used=id(s) in apart, flagged=apart.get(id(s), False)) for s in runs),
        failure=None if arm in used else _failure(runs),
    )


def _spread(values: Sequence[float], runs: int) -> Spread | None:
    """Return the spread of a time that every run has; one that only some have would be of other runs."""
    return summary(values) if values and len(values) == runs else None


def _sample(sample: Sample, *, used: bool, flagged: bool) -> BenchSample:
    return BenchSample(
        round=sample.round_index,
        attempt=sample.attempt,
        phase=sample.phase,
        outcome=sample.outcome,
        start=sample.first_output_s,
        total=sample.total_s,
        exit=sample.exit_code,
        used=used,
        flagged=flagged,
        at=sample.started_s,
        user=sample.user_s,
        system=sample.system_s,
    )


def _failure(runs: Sequence[Sample]) -> BenchFailure:
    number, bad = next((number, s) for number, s in enumerate(runs, 1) if s.outcome != "ok")
    reason = bad.reason or Message(code="timing.bad-run", params={"arm": bad.arm, "round": bad.round_index + 1})
    return BenchFailure(run=number, exit=bad.exit_code, reason=reason, tail=bad.tail)


def _ratio(plan: ExperimentPlan, used: Used, numerator: str, denominator: str) -> BenchRatio:
    above, below = times(plan, used, numerator), times(plan, used, denominator)
    found = paired_ratio(above, below)
    check: Interval | None = None
    agrees: bool | None = None
    if found.interval is not None:
        check = bootstrap_ratio(above, below, seed=plan.seed)
        agrees = check.low <= found.interval.high and found.interval.low <= check.high
    return BenchRatio(
        numerator=numerator,
        denominator=denominator,
        ratio=found.value,
        low=found.interval.low if found.interval else None,
        high=found.interval.high if found.interval else None,
        level=found.interval.level if found.interval else None,
        n=found.n,
        verdict=verdict_of(found),
        reason=in_words(numerator, denominator, found),
        check=check,
        agrees=agrees,
        more_rounds=more_rounds(found),
    )


def noise_of(plan: ExperimentPlan, done: Sequence[BlockDone], calibration: Calibration | None) -> BenchNoise:
    """Return whether the host was quiet while the rounds that count were run."""
    readings = [d.reading for d in done]
    quiet_s, calmest = quiet_spawn(readings, calibration), calmest_pressure(done)
    if any(used_samples(plan, done).values()):
        doubtful = {id(block) for block in contaminated(plan, done, calibration)}
        reasons = each_kind_once(
            doubt
            for before, block in itertools.pairwise(done)
            if id(block) in doubtful
            for doubt in doubts_about_block(before.reading, block, quiet_s, calmest)
        )
    else:  # No round counts: the readings alone say what the host was.
        reasons = doubts_about_readings(readings, quiet_s)
    return BenchNoise(
        state="noisy" if reasons else "quiet",
        reasons=reasons,
        probes=tuple(readings),
        calibration=calibration,
        repeated=repeated_rounds(done),
    )


def _same_runs(plan: ExperimentPlan, done: Sequence[BlockDone], used: Used) -> list[Sample]:
    """Return the runs that count, and of a failed arm all timed ones: another tool would have gone on with them."""
    counting = [s for arm in plan.arms for s in used.get(arm, {}).values()]
    failed = [s for d in done for s in d.samples if s.arm not in used and s.phase == "timed"]
    return counting + failed
