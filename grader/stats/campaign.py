"""A campaign from its blocks: which runs count, and from where one that was cut off goes on.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.bench import BlockDone, Calibration, ExperimentPlan
from grader.model.run import Campaign, Sample
from grader.stats.bench import noise_of
from grader.stats.experiment import used_samples


def campaign_of(plan: ExperimentPlan, done: Sequence[BlockDone], calibration: Calibration | None) -> Campaign:
    """Return the campaign that was run in these blocks.

    All timed runs of an arm that had a bad one stay: it has no number, but a reason.  Good warm-ups are left out.

    Args:
        done: At least one.
    """
    used = used_samples(plan, done)
    counting = {id(sample) for runs in used.values() for sample in runs.values()}
    told = [s for d in done for s in d.samples if s.phase == "timed" or s.outcome != "ok"]
    samples = [s for s in told if id(s) in counting or s.arm not in used]
    return Campaign(
        seed=plan.seed,
        rounds=plan.rounds or max([1, *(sample.round_index + 1 for sample in samples)]),
        warmups=plan.warmups,
        arms=plan.arms,
        samples=tuple(samples),
        cut=done[-1].cut,
        noise=noise_of(plan, done, calibration).reasons,
        discarded=tuple(s for s in told if id(s) not in counting and s.arm in used),
    )


def sound_blocks(done: Sequence[BlockDone]) -> tuple[BlockDone, ...]:
    """Return the blocks that a campaign which was cut off goes on from.

    They end where the time was up, and before the first run that broke through no fault of its program: that one put
    its arm out for good, and made again it may be right.
    """
    kept: list[BlockDone] = []
    for d in done:
        sound = _sound(d)
        kept += [sound] if sound is not None else []
        if sound is not d:
            break
    return tuple(kept)


def _sound(done: BlockDone) -> BlockDone | None:
    """Return the block as far as its rounds are complete and sound, None for not one.

    Warm-ups, and rounds that were run again because of noise, are made again whole.
    """
    broken = [s.round_index for s in done.samples if s.reason is not None and s.reason.blameless]
    if not broken and not done.cut:
        return done
    block = done.block
    if block.phase == "warm-up" or block.attempt > 0:
        return None
    rounds = _complete_rounds(done)
    if broken:
        rounds = min(rounds, broken[0] - block.first_round)
    if rounds == 0:
        return None
    samples = tuple(s for s in done.samples if s.round_index < block.first_round + rounds)
    return BlockDone(
        block=block.model_copy(update={"orders": block.orders[:rounds]}), samples=samples, reading=done.reading
    )


def _complete_rounds(done: BlockDone) -> int:
    """Return how many rounds of a block, from its first on, have a sample of every arm that was still in."""
    out: set[str] = set()
    for number, order in enumerate(done.block.orders):
        here: list[Sample] = [s for s in done.samples if s.round_index == done.block.first_round + number]
        if {s.arm for s in here} != set(order) - out:
            return number
        out |= {s.arm for s in here if s.outcome != "ok"}
    return len(done.block.orders)
