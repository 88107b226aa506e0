from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from grader.errors import StatsError
from grader.model.bench import Block, BlockDone, ExperimentPlan, Finished
from grader.stats.experiment import (
    BLOCK_ROUNDS,
    MOST_ROUNDS,
    PAUSES_S,
    PROMISED,
    REPEATS,
    contaminated,
    half_widths,
    next_step,
    repeated_rounds,
    times,
    used_samples,
    warm_up,
)
from grader.stats.verdict import FEWEST_ROUNDS
from tests.stats.simulated import CALIBRATION, Host, conduct, run_block

EQUAL = {"a": 0.1, "b": 0.1, "c": 0.1}


def plan(*arms: str, rounds: int | None = None, seed: int = 1, warmups: int = 2) -> ExperimentPlan:
    arms = arms or ("a", "b")
    return ExperimentPlan(arms=arms, baseline=arms[0], rounds=rounds, seed=seed, warmups=warmups)


def quiet(seed: int = 1, **changes: object) -> Host:
    return Host(truth=EQUAL, seed=seed, **{"load_sd": 0.01, "noise_sd": 0.01, **changes})  # type: ignore[arg-type]


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 3), st.integers())
@settings(max_examples=40)
def test_every_round_holds_every_arm_once_after_the_warm_ups(rounds: int, arms: int, warmups: int, seed: int) -> None:
    names = tuple("abcd"[:arms])
    made = plan(*names, rounds=rounds, warmups=warmups, seed=seed)
    done, finished = conduct(made, Host(truth=dict.fromkeys("abcd", 0.1), seed=seed, noise_sd=0.01))
    assert finished == Finished(ending="rounds")
    runs = Counter((s.phase, s.round_index, s.arm) for d in done for s in d.samples)
    assert runs == Counter(
        [("warm-up", r, a) for r in range(warmups) for a in names]
        + [("timed", r, a) for r in range(rounds) for a in names]
    )
    assert done[0].block.phase == "warm-up"
    assert all(len(d.block.orders) <= BLOCK_ROUNDS for d in done[1:])
    assert all(len(d.block.orders) == BLOCK_ROUNDS for d in done[1:-1])
    assert {arm: len(runs) for arm, runs in used_samples(made, done).items()} == dict.fromkeys(names, rounds)


def test_the_seed_alone_decides_the_order_and_each_arm_is_first_about_as_often() -> None:
    def orders(seed: int, host_seed: int) -> list[tuple[str, ...]]:
        made = plan("a", "b", "c", rounds=600, seed=seed)
        done, _ = conduct(made, quiet(host_seed))
        return [order for d in done for order in d.block.orders]

    assert orders(1, 1) == orders(1, 2)
    assert orders(1, 1) != orders(2, 1)
    first = Counter(order[0] for order in orders(1, 1))
    # 200 expected, standard deviation 12: five of them.
    assert all(abs(count - 200) < 60 for count in first.values())


def test_auto_ends_at_ten_rounds_where_ten_are_precise() -> None:
    made = plan()
    done, finished = conduct(made, quiet())
    assert finished == Finished(ending="precision")
    assert len(used_samples(made, done)["a"]) == FEWEST_ROUNDS


def test_auto_ends_at_forty_rounds_where_they_are_not_precise_enough() -> None:
    made = plan()
    done, finished = conduct(made, Host(truth=EQUAL, seed=3, noise_sd=0.5))
    assert finished == Finished(ending="most-rounds")
    assert len(used_samples(made, done)["a"]) == MOST_ROUNDS


@pytest.mark.parametrize("seed", range(12))
def test_auto_ends_between_for_precision_and_then_it_has_it(seed: int) -> None:
    made = plan("a", "b", "c", seed=seed)
    done, finished = conduct(made, Host(truth=EQUAL, seed=seed))
    used = used_samples(made, done)
    widths = list(half_widths(made, used).values())
    assert len(used["a"]) in range(FEWEST_ROUNDS, MOST_ROUNDS + 1, BLOCK_ROUNDS)
    assert finished is not None
    if finished.ending == "precision":
        assert all(width is not None and width <= PROMISED for width in widths)
    else:
        assert len(used["a"]) == MOST_ROUNDS


def test_how_different_the_arms_are_does_not_change_when_it_ends() -> None:
    """Only the width counts; stopping on a difference would call equal arms different too often."""
    lengths = set()
    for truth in (0.01, 0.1, 0.11, 5.0):
        made = plan(seed=9)
        done, finished = conduct(made, Host(truth={"a": 0.1, "b": truth}, seed=9))
        lengths.add((len(used_samples(made, done)["a"]), finished))
    assert len(lengths) == 1


def test_an_arm_with_a_bad_run_leaves_has_no_number_and_the_others_go_on() -> None:
    made = plan("a", "b", "c", rounds=12)
    done, finished = conduct(made, quiet(broken={"b": 6}))
    assert finished == Finished(ending="rounds")
    used = used_samples(made, done)
    assert {arm: len(runs) for arm, runs in used.items()} == {"a": 12, "c": 12}
    # Two warm-ups and three good runs came before.
    assert [s.outcome for d in done for s in d.samples if s.arm == "b"] == ["ok"] * 5 + ["failed"]
    assert all("b" not in order for d in done[2:] for order in d.block.orders)


def test_a_bad_warm_up_counts_as_one_and_without_arms_nothing_is_left_to_run() -> None:
    done, finished = conduct(plan(rounds=10), quiet(broken={"a": 1, "b": 2}))
    assert finished == Finished(ending="no-arms")
    assert len(done) == 1
    assert used_samples(plan(rounds=10), done) == {}


def test_without_its_baseline_auto_has_no_ratio_to_make_precise() -> None:
    made = plan()
    done, finished = conduct(made, Host(truth=EQUAL, seed=1, noise_sd=0.5, broken={"a": 4}))
    assert finished == Finished(ending="rounds")
    assert len(used_samples(made, done)["b"]) == FEWEST_ROUNDS


def test_when_the_time_is_up_the_complete_rounds_count() -> None:
    made = plan(rounds=1000)
    done, finished = conduct(made, quiet(), until_s=3.05)
    assert finished == Finished(ending="time")
    assert done[-1].cut
    used = used_samples(made, done)
    # Two warm-up rounds take 0.4 s, so 13 rounds of 0.2 s fit.
    assert {arm: len(runs) for arm, runs in used.items()} == {"a": 13, "b": 13}


def test_a_time_limit_below_one_round_leaves_nothing_that_counts() -> None:
    made = plan(rounds=10)
    done, finished = conduct(made, quiet(), until_s=0.45)
    assert finished == Finished(ending="time")
    assert used_samples(made, done) == {"a": {}, "b": {}}


def test_load_that_comes_and_goes_is_waited_for_and_its_rounds_are_run_again() -> None:
    made = plan(rounds=20)
    host = quiet(hogs=((18, 26),))
    done, finished = conduct(made, host)
    assert finished == Finished(ending="rounds")
    assert repeated_rounds(done) >= BLOCK_ROUNDS
    assert host.pauses_s[0] == PAUSES_S[0]
    used = used_samples(made, done)
    assert len(used["a"]) == len(used["b"]) == 20
    assert max(s.total_s or 0 for runs in used.values() for s in runs.values()) < 0.12
    assert contaminated(made, done, CALIBRATION) == ()


def test_load_that_stays_is_waited_for_three_times_and_then_the_campaign_is_noisy() -> None:
    made = plan(rounds=20)
    host = quiet(hogs=((0, 10**6),))
    done, finished = conduct(made, host)
    assert finished == Finished(ending="rounds")
    assert tuple(host.pauses_s) == PAUSES_S
    assert repeated_rounds(done) == 0
    assert len(used_samples(made, done)["a"]) == 20
    assert len(contaminated(made, done, CALIBRATION)) == 4


def test_load_that_returns_with_every_attempt_is_given_up_after_three_repeats() -> None:
    made = plan(rounds=10)
    host = quiet()

    def one(block: Block) -> BlockDone:
        done = run_block(host, block)
        loaded = block.phase == "timed" and block.first_round == 5 and bool(block.orders)
        worse = done.reading.model_copy(update={"pressure": 0.9})
        return done.model_copy(update={"reading": worse}) if loaded else done

    done = [one(warm_up(made, ()))]
    while isinstance(step := next_step(made, done, CALIBRATION), Block):
        done.append(one(step))
    attempts = [d.block.attempt for d in done if d.block.first_round == 5]
    assert attempts == list(range(1 + REPEATS))
    assert [d.block.attempt for d in contaminated(made, done, CALIBRATION)] == [REPEATS]
    assert {s.attempt for r, s in used_samples(made, done)["a"].items() if r >= 5} == {REPEATS}


def test_every_attempt_at_a_round_has_an_order_of_its_own() -> None:
    made = plan("a", "b", "c", rounds=5)
    host = quiet()
    done = [run_block(host, warm_up(made, ()))]
    first = next_step(made, done, CALIBRATION)
    assert isinstance(first, Block)
    loaded = run_block(host, first)
    loaded = loaded.model_copy(update={"reading": loaded.reading.model_copy(update={"foreign_load": 1.0})})
    wait = next_step(made, [*done, loaded], CALIBRATION)
    assert isinstance(wait, Block)
    assert (wait.pause_s, wait.orders) == (PAUSES_S[0], ())
    again = next_step(made, [*done, loaded, run_block(host, wait)], CALIBRATION)
    assert isinstance(again, Block)
    assert (again.first_round, again.attempt, len(again.orders)) == (0, 1, 5)
    assert again.orders != first.orders


@given(st.integers(0, 30), st.sampled_from((None, 7, 23)), st.booleans())
@settings(max_examples=25)
def test_a_campaign_that_was_cut_off_goes_on_where_it_was(blocks: int, rounds: int | None, loaded: bool) -> None:
    made = plan(rounds=rounds, seed=5)
    hogs = ((18, 26),) if loaded else ()
    kept, finished = conduct(made, quiet(noise_sd=0.1, hogs=hogs), stop=lambda done: len(done) > blocks)
    if finished is not None:
        assert next_step(made, kept, CALIBRATION) == finished
        return
    done, finished = conduct(made, quiet(seed=2, noise_sd=0.1), kept=kept)
    assert finished is not None
    assert done[: len(kept)] == kept
    assert done[len(kept)].block.phase == "warm-up"
    used = used_samples(made, done)["a"]
    assert list(used) == list(range(len(used)))
    assert rounds is None or len(used) == rounds
    runs = Counter((s.phase, s.arm, s.round_index, s.attempt) for d in done for s in d.samples)
    assert set(runs.values()) == {1}, "no run can be taken for another"


def test_a_campaign_that_the_time_cut_can_go_on_and_runs_the_cut_block_again() -> None:
    made = plan(rounds=20)
    kept, finished = conduct(made, quiet(), until_s=3.05)
    assert finished == Finished(ending="time")
    done, finished = conduct(made, quiet(seed=2), kept=kept)
    assert finished == Finished(ending="rounds")
    assert [d.block.first_round for d in done if d.block.phase == "timed"] == [0, 5, 10, 10, 15]
    assert len(used_samples(made, done)["a"]) == 20


def test_what_comes_next_depends_on_the_history_alone() -> None:
    made = plan(seed=4)
    done, _ = conduct(made, Host(truth=EQUAL, seed=4, hogs=((18, 26),)))
    for length in range(1, len(done)):
        step = next_step(made, done[:length], CALIBRATION)
        assert step == done[length].block


def test_five_thousand_rounds_can_be_asked_for_and_not_one_more() -> None:
    assert plan(rounds=5000).rounds == 5000
    for rounds in (0, 5001):
        with pytest.raises(ValidationError):
            plan(rounds=rounds)


def test_arms_of_one_name_and_a_baseline_that_is_no_arm_are_refused() -> None:
    with pytest.raises(ValidationError, match="two arms have one name"):
        plan("a", "b", "a")
    with pytest.raises(ValidationError, match="`c` is no arm"):
        ExperimentPlan(arms=("a", "b"), baseline="c", seed=1)


def test_ratios_take_the_clock_that_was_asked_for() -> None:
    made = plan(rounds=6).model_copy(update={"clock": "start"})
    done, _ = conduct(made, quiet())
    used = used_samples(made, done)
    runs = list(used["a"].values())
    assert times(made, used, "a") == [s.first_output_s for s in runs]
    silent = {0: runs[0].model_copy(update={"first_output_s": None}), 1: runs[1]}
    with pytest.raises(StatsError, match="1 of 2 runs of `a` have no first output"):
        times(made, {"a": silent}, "a")
