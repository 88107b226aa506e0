"""Which runs of a campaign count, and from where one that was cut off goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grader.model.base import Message
from grader.model.bench import Block, BlockDone, ExperimentPlan, NoiseReading
from grader.model.run import Sample
from grader.stats.campaign import campaign_of, sound_blocks
from grader.stats.experiment import next_step, rounds_done, warm_up

PLAN = ExperimentPlan(arms=("a", "b"), baseline="a", rounds=12, warmups=1, seed=7)
QUIET_S, BUSY_S = 0.0005, 0.005
BROKE = Message(code="infra.run-broke", params={"detail": "no room"})
WRONG = Message(code="probe.empty")


def ran(block: Block, spawn_s: float = QUIET_S, bad: dict[tuple[str, int], Message] | None = None) -> BlockDone:
    """Run a block; `bad` are bad runs by arm and round, each the last of its arm."""
    samples: list[Sample] = []
    out: set[str] = set()
    for number, order in enumerate(block.orders, block.first_round):
        for arm in order:
            if arm in out:
                continue
            reason = (bad or {}).get((arm, number))
            out |= {arm} if reason else set()
            samples.append(
                Sample(
                    arm=arm,
                    round_index=number,
                    outcome="failed" if reason else "ok",
                    total_s=None if reason else 1.0,
                    first_output_s=None,
                    exit_code=0,
                    started_s=0.0,
                    reason=reason,
                    phase=block.phase,
                    attempt=block.attempt,
                )
            )
    reading = NoiseReading(at_s=0.0, spawn_s=(spawn_s,))
    return BlockDone(block=block, samples=tuple(samples), reading=reading)


def cut_after(done: BlockDone, samples: int) -> BlockDone:
    return BlockDone(block=done.block, samples=done.samples[:samples], reading=done.reading, cut=True)


def blocks(*spawn_s: float) -> list[BlockDone]:
    """Return a warm-up and as many blocks as there are readings after its own."""
    done = [ran(warm_up(PLAN, ()), spawn_s[0])]
    for seconds in spawn_s[1:]:
        step = next_step(PLAN, done, None)
        assert isinstance(step, Block)
        done.append(ran(step, seconds))
    return done


def test_runs_of_repeated_rounds_are_told_apart_from_those_that_count() -> None:
    done = blocks(QUIET_S, BUSY_S, QUIET_S, QUIET_S, QUIET_S, QUIET_S)
    assert [(d.block.first_round, d.block.attempt, len(d.block.orders)) for d in done[1:]] == [
        (0, 0, 5), (0, 0, 0), (0, 1, 5), (5, 0, 5), (10, 0, 2),
    ]  # fmt: skip
    made = campaign_of(PLAN, done, None)
    assert [s.attempt for s in made.discarded] == [0] * 10
    assert {s.round_index for s in made.discarded} == set(range(5))
    assert {(s.arm, s.round_index) for s in made.samples} == {(arm, r) for arm in "ab" for r in range(12)}
    assert {s.attempt for s in made.samples if s.round_index < 5} == {1}
    assert (made.noise, made.cut, made.rounds) == ((), False, 12)
    assert {s.phase for s in (*made.samples, *made.discarded)} == {"timed"}


@given(st.lists(st.sampled_from([0.45e-3, 0.6e-3, 1e-3, 5e-3]), min_size=1, max_size=12))
def test_every_round_that_was_run_counts_once_whatever_was_read_of_the_host(readings: list[float]) -> None:
    """A block may be doubted late, by a quieter reading after blocks that stay good."""
    done = [ran(warm_up(PLAN, ()), readings[0])]
    while isinstance(step := next_step(PLAN, done, None), Block):
        done.append(ran(step, readings[min(len(done), len(readings) - 1)]))
    made = campaign_of(PLAN, done, None)
    assert sorted((s.arm, s.round_index) for s in made.samples) == [(arm, r) for arm in "ab" for r in range(12)]
    assert len(made.samples) + len(made.discarded) == sum(len(d.samples) for d in done[1:])


def test_a_block_that_is_doubted_after_the_next_takes_nothing_from_it() -> None:
    done = blocks(1e-3, 0.6e-3, 0.45e-3, 0.45e-3, 0.45e-3)
    assert [(d.block.first_round, d.block.attempt) for d in done[1:]] == [(0, 0), (5, 0), (0, 1), (10, 0)]
    made = campaign_of(PLAN, done, None)
    assert {s.attempt for s in made.samples if s.round_index < 5} == {1}
    assert {s.round_index for s in made.samples} == set(range(12))


def test_an_arm_that_failed_keeps_all_that_it_did_and_takes_nothing_from_the_others() -> None:
    warm, *_ = blocks(QUIET_S)
    first = next_step(PLAN, [warm], None)
    assert isinstance(first, Block)
    made = campaign_of(PLAN, [warm, ran(first, bad={("b", 2): WRONG})], None)
    assert [s.outcome for s in made.samples if s.arm == "b"] == ["ok", "ok", "failed"]
    assert [s.round_index for s in made.samples if s.arm == "a"] == list(range(5))
    assert made.discarded == ()


def test_a_bad_warm_up_is_a_run_of_the_campaign_and_a_good_one_is_not() -> None:
    warm = ran(warm_up(PLAN, ()), bad={("b", 0): WRONG})
    made = campaign_of(PLAN, [warm], None)
    assert [(s.arm, s.phase, s.outcome) for s in made.samples] == [("b", "warm-up", "failed")]


def test_a_round_that_the_time_cut_off_does_not_count() -> None:
    warm, first = blocks(QUIET_S, QUIET_S)
    made = campaign_of(PLAN, [warm, cut_after(first, 5)], None)
    assert ([s.round_index for s in made.samples], made.cut) == ([0, 0, 1, 1], True)
    assert [s.round_index for s in made.discarded] == [2]


def test_what_was_finished_is_kept_as_it_is() -> None:
    done = blocks(QUIET_S, BUSY_S, QUIET_S, QUIET_S)
    assert sound_blocks(done) == tuple(done)


def test_of_a_block_that_the_time_cut_off_the_complete_rounds_are_kept() -> None:
    warm, first = blocks(QUIET_S, QUIET_S)
    kept = sound_blocks([warm, cut_after(first, 5)])
    assert rounds_done(kept) == 2
    assert (kept[-1].samples, kept[-1].cut, kept[-1].reading) == (first.samples[:4], False, first.reading)
    step = next_step(PLAN, [*kept, ran(warm_up(PLAN, kept))], None)
    assert isinstance(step, Block)
    assert (step.first_round, len(step.orders), step.attempt) == (2, 3, 0), "to the end of the block"
    assert sound_blocks([warm, cut_after(first, 1)]) == (warm,)
    assert sound_blocks([cut_after(warm, 1)]) == ()


def test_a_repetition_that_was_cut_off_is_made_again_whole_and_counts_as_not_made() -> None:
    done = blocks(QUIET_S, BUSY_S, QUIET_S, QUIET_S)
    kept = sound_blocks([*done[:-1], cut_after(done[-1], 7)])
    assert kept == tuple(done[:-1])
    step = next_step(PLAN, [*kept, ran(warm_up(PLAN, kept))], None)
    assert isinstance(step, Block)
    assert (step.first_round, len(step.orders), step.attempt) == (0, 5, 1)


def test_rounds_from_a_run_on_that_broke_through_no_fault_of_its_program_are_made_again() -> None:
    done = blocks(QUIET_S, QUIET_S, QUIET_S)
    broke = ran(done[1].block, bad={("b", 3): BROKE})
    kept = sound_blocks([done[0], broke, done[2]])
    assert rounds_done(kept) == 3
    assert {s.outcome for d in kept for s in d.samples} == {"ok"}
    assert sound_blocks([ran(done[0].block, bad={("b", 0): BROKE}), *done[1:]]) == ()
    wrong = [done[0], ran(done[1].block, bad={("b", 3): WRONG}), done[2]]
    assert sound_blocks(wrong) == tuple(wrong)
