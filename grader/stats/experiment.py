"""What comes next in a comparison, from what was run so far.  Pure: equal histories have equal continuations.

A campaign is a row of blocks: rounds, then a reading of the noise.  The first block of every session is its warm-up,
which gives the reading that the first timed block begins with.

    done = [*kept, run(warm_up(plan, kept))]
    while isinstance(step := next_step(plan, done, calibration), Block):
        done.append(run(step))

A run that was cut off goes on in the same way from the blocks that were closed by a reading.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from grader.errors import StatsError
from grader.model.bench import Block, BlockDone, Calibration, ExperimentPlan, Finished
from grader.model.lab import Parameters
from grader.model.run import Phase, Sample
from grader.stats.noise import calmest_pressure, doubts_about_block, doubts_about_reading, quiet_spawn
from grader.stats.ratio import paired_ratio
from grader.stats.verdict import FEWEST_ROUNDS

BLOCK_ROUNDS = 5
"""Rounds between two readings, and between two looks at the precision."""

MOST_ROUNDS = 40
PROMISED = 0.05
"""`rounds: auto` promises a 95 % half-width of at most this, if 40 rounds can give it."""

PRECISION = 0.9 * PROMISED
"""Where it stops.  Of several looks the first narrow one is narrow partly by luck, and an interval of ± 5 % sees a
difference of 20 % in barely 95 % of campaigns; a tenth below, it is 97 % for an eighth more rounds.  The rule looks at
the width and never at where the interval lies: stopping as soon as 1 is outside would call equal arms different in 12 %
of campaigns."""

REPEATS = 3
"""How often a contaminated block is run again, and how often a session waits for a quiet reading."""

PAUSES_S = (0.5, 1.0, 2.0)

Used = Mapping[str, Mapping[int, Sample]]
"""The samples that count, by arm and round."""


def warm_up(plan: ExperimentPlan, done: Sequence[BlockDone]) -> Block:
    """Return the block that a session begins with; its runs are checked and discarded.

    Args:
        done: What earlier sessions of the same campaign did.
    """
    sessions = sum(d.block.phase == "warm-up" for d in done)
    return Block(phase="warm-up", attempt=sessions, orders=_orders(plan, done, "warm-up", 0, plan.warmups, sessions))


def next_step(plan: ExperimentPlan, done: Sequence[BlockDone], calibration: Calibration | None) -> Block | Finished:
    """Return what to run next, or that nothing is left to run.

    Args:
        done: All blocks in order, the session's own warm-up among them.
    """
    if done[-1].cut:
        return Finished(ending="time")
    if not _still_in(plan, done):
        return Finished(ending="no-arms")
    if (again := _wait_or_repeat(plan, done, calibration)) is not None:
        return again
    rounds = rounds_done(done)
    if (finished := _finished(plan, done, rounds)) is not None:
        return finished
    last = plan.rounds if plan.rounds is not None else MOST_ROUNDS
    # A run that was cut off within a block goes on to its end, and looks where it would have looked.
    return _timed(plan, done, rounds, min(BLOCK_ROUNDS - rounds % BLOCK_ROUNDS, last - rounds))


def rounds_asked(parameters: Parameters) -> int | None:
    """Return how many rounds a lab asks for; None where precision decides."""
    return None if parameters.rounds == "auto" else parameters.rounds


def most_rounds(parameters: Parameters) -> int:
    """Return how many rounds there are at most."""
    return MOST_ROUNDS if parameters.rounds == "auto" else parameters.rounds


def used_samples(plan: ExperimentPlan, done: Sequence[BlockDone]) -> Used:
    """Return the samples that count: of each round the last attempt that every arm still in has finished.

    An arm with a bad run has none.
    """
    arms = _still_in(plan, done)
    return {arm: {r: runs[arm] for r, (_, runs) in _used_rounds(plan, done).items()} for arm in arms}


def contaminated(
    plan: ExperimentPlan, done: Sequence[BlockDone], calibration: Calibration | None
) -> tuple[BlockDone, ...]:
    """Return the blocks that were run under noise and whose rounds count nevertheless: the campaign is noisy."""
    doubtful = _doubtful(done, calibration)
    used = {at for at, _ in _used_rounds(plan, done).values()}
    return tuple(d for at, d in enumerate(done) if at in doubtful and at in used)


def repeated_rounds(done: Sequence[BlockDone]) -> int:
    """Return how many rounds were run again because of noise."""
    return sum(len(d.block.orders) for d in done if d.block.phase == "timed" and d.block.attempt > 0)


def _used_rounds(plan: ExperimentPlan, done: Sequence[BlockDone]) -> dict[int, tuple[int, Mapping[str, Sample]]]:
    """Return by round the number of the block that counts, and its samples by arm."""
    arms = _still_in(plan, done)
    used: dict[int, tuple[int, Mapping[str, Sample]]] = {}
    for at, d in enumerate(done):
        if d.block.phase == "timed" and arms:
            rounds: dict[int, dict[str, Sample]] = {}
            for sample in d.samples:
                if sample.arm in arms:
                    rounds.setdefault(sample.round_index, {})[sample.arm] = sample
            used |= {r: (at, runs) for r, runs in rounds.items() if len(runs) == len(arms)}
    return dict(sorted(used.items()))


def _still_in(plan: ExperimentPlan, done: Sequence[BlockDone]) -> tuple[str, ...]:
    bad = frozenset[str]().union(*(d.bad_arms for d in done))
    return tuple(arm for arm in plan.arms if arm not in bad)


def rounds_done(done: Sequence[BlockDone]) -> int:
    """Return how many rounds were run, whether or not they are to be run again."""
    timed = (d.block for d in done if d.block.phase == "timed" and not d.cut)
    return max((block.first_round + len(block.orders) for block in timed), default=0)


def _finished(plan: ExperimentPlan, done: Sequence[BlockDone], rounds: int) -> Finished | None:
    if plan.rounds is not None:
        return Finished(ending="rounds") if rounds >= plan.rounds else None
    if rounds < FEWEST_ROUNDS or rounds % BLOCK_ROUNDS:
        return None
    widths = half_widths(plan, used_samples(plan, done))
    if not widths:
        return Finished(ending="rounds")  # no ratio is left to make more precise
    if all(width is not None and width <= PRECISION for width in widths.values()):
        return Finished(ending="precision")
    return Finished(ending="most-rounds") if rounds >= MOST_ROUNDS else None


def half_widths(plan: ExperimentPlan, used: Used) -> dict[str, float | None]:
    """Return by arm the relative half-width of its ratio to the baseline; None where it has no interval."""
    if plan.baseline not in used or not used[plan.baseline]:
        return {}
    below = times(plan, used, plan.baseline)
    asked = [arm for arm in used if arm != plan.baseline and (not plan.precise or arm in plan.precise)]
    return {arm: paired_ratio(times(plan, used, arm), below).half_width for arm in asked}


def times(plan: ExperimentPlan, used: Used, arm: str) -> list[float]:
    """Return an arm's times by round on the clock that the ratios take.

    Raises: StatsError if a run printed nothing that this clock could stop at: such a run is bad, not slow.
    """
    found = [s.total_s if plan.clock == "total" else s.first_output_s for s in used[arm].values()]
    known = [seconds for seconds in found if seconds is not None]
    if len(known) < len(found):
        raise StatsError(f"{len(found) - len(known)} of {len(found)} runs of `{arm}` have no first output")
    return known


def _wait_or_repeat(plan: ExperimentPlan, done: Sequence[BlockDone], calibration: Calibration | None) -> Block | None:
    """Return what noise makes necessary; None if it is quiet, or if it was given up: the campaign is noisy then."""
    quiet_s = quiet_spawn([d.reading for d in done], calibration)
    waits = _waits(done)
    if any(run == REPEATS and doubts_about_reading(d.reading, quiet_s) for run, d in zip(waits, done, strict=True)):
        return None
    doubtful, attempts = _doubtful(done, calibration), _attempts(done)
    if any(len(tried) > REPEATS and tried[-1] in doubtful for tried in attempts.values()):
        return None
    if doubts_about_reading(done[-1].reading, quiet_s):
        return Block(pause_s=PAUSES_S[waits[-1]])
    for first, tried in attempts.items():
        if tried[-1] in doubtful:
            return _timed(plan, done, first, len(done[tried[-1]].block.orders))
    return None


def _waits(done: Sequence[BlockDone]) -> list[int]:
    """Return for each block how many times in a row the host had been waited for by its end."""
    waits, here = [], 0
    for d in done:
        here = here + 1 if d.block.pause_s > 0 else 0
        waits.append(here)
    return waits


def _doubtful(done: Sequence[BlockDone], calibration: Calibration | None) -> frozenset[int]:
    """Return the numbers of the timed blocks that were run under noise, as all readings up to now tell."""
    quiet_s, calmest = quiet_spawn([d.reading for d in done], calibration), calmest_pressure(done)
    return frozenset(
        at
        for at, d in enumerate(done)
        if d.samples and d.block.phase == "timed" and doubts_about_block(done[at - 1].reading, d, quiet_s, calmest)
    )


def _attempts(done: Sequence[BlockDone]) -> dict[int, list[int]]:
    """Return by first round the numbers of the whole blocks that ran it."""
    attempts: dict[int, list[int]] = {}
    for at, d in enumerate(done):
        if d.block.phase == "timed" and d.block.orders and not d.cut:
            attempts.setdefault(d.block.first_round, []).append(at)
    return attempts


def _timed(plan: ExperimentPlan, done: Sequence[BlockDone], first: int, rounds: int) -> Block:
    before = sum(d.block.phase == "timed" and bool(d.block.orders) and d.block.first_round == first for d in done)
    orders = _orders(plan, done, "timed", first, rounds, before)
    return Block(phase="timed", first_round=first, attempt=before, orders=orders)


def _orders(
    plan: ExperimentPlan, done: Sequence[BlockDone], phase: Phase, first: int, rounds: int, attempt: int
) -> tuple[tuple[str, ...], ...]:
    """Return the order of arms in each round; every attempt at a round has its own.

    Each order has a generator of its own, so that it depends on nothing that happened before.
    """
    arms = _still_in(plan, done)

    def order(round_index: int) -> tuple[str, ...]:
        shuffled = random.Random(f"{plan.seed}/{phase}/{round_index}/{attempt}").sample(plan.arms, k=len(plan.arms))
        return tuple(arm for arm in shuffled if arm in arms)

    return tuple(order(r) for r in range(first, first + rounds))
