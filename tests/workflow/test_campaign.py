from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pytest

from grader.errors import HostError, TimeLimitError
from grader.model.bench import BlockDone
from grader.model.lab import Parameters, StdoutJsonProbe
from grader.model.run import Campaign, Command, Completed, Sample
from grader.model.samplelog import SampleHeader
from grader.stats.campaign import campaign_of, sound_blocks
from grader.testing import FakeHost, FakeNoiseMeter, FakeProgress, FakeSamples, completed
from grader.workflow.calibration import CalibratedMeter
from grader.workflow.campaign import TimedArm, campaign_plan, run_campaign
from tests.samplelab import NOW, right_output, small_lab

PROBE = small_lab().probes["once"]
PARAMETERS = Parameters(rounds=6, warmups=2, seed=3)


class Bench:
    """Runs a campaign of arms whose behaviour is given by arm; `order` is what ran, `log` what was saved."""

    def __init__(self, behaviour: Mapping[str, Callable[[int], Completed]], *spawn_s: float) -> None:
        self.behaviour = behaviour
        self.noise = FakeNoiseMeter(*spawn_s)
        self.progress = FakeProgress()
        self.order: list[str] = []
        self.log = FakeSamples()

    @property
    def saved(self) -> list[Sample]:
        """The timed runs that were saved."""
        return [sample for sample in self.log.lines if sample.phase == "timed"]

    def run(self, command: Command) -> Completed:
        arm = command.argv[0]
        self.order.append(arm)
        return self.behaviour[arm](self.order.count(arm))

    def campaign(self, parameters: Parameters = PARAMETERS, kept: Sequence[BlockDone] = ()) -> Campaign:
        assert isinstance(PROBE, StdoutJsonProbe)
        arms = [
            TimedArm(name=arm, command=Command(argv=(arm,)), probe=None if arm == "control" else PROBE)
            for arm in self.behaviour
        ]
        noise = CalibratedMeter(self.noise, None, FakeHost().fingerprint(()))
        self.log.begin(SampleHeader(key="k", rounds=1, began=0.0), kept)
        lab = small_lab(parameters=parameters.model_dump())
        lab = lab.model_copy(update={"timing": lab.timing.model_copy(update={"ratios": ("b/a",)})})
        plan = campaign_plan(lab, [arm.name for arm in arms])
        done = run_campaign(
            plan,
            arms,
            self.run,
            self.log,
            self.progress,
            noise,
            kept=kept,
            wall=lambda: NOW,
            monotonic=lambda: 5.0,
        )
        assert list(done) == self.log.blocks, "all that was done is saved"
        return campaign_of(plan, done, noise.calibration)


def right(_: int) -> Completed:
    return completed(right_output())


def control(_: int) -> Completed:
    return completed("anything")


def test_rounds_run_in_the_order_of_the_seed_after_discarded_warm_ups() -> None:
    bench = Bench({"a": right, "b": right, "control": control})
    made = bench.campaign()
    timed = bench.order[2 * 3 :]
    assert [s.arm for s in made.samples] == timed
    rounds = {tuple(timed[3 * r : 3 * r + 3]) for r in range(6)}
    assert {tuple(sorted(order)) for order in rounds} == {("a", "b", "control")}
    assert len(rounds) > 1, "shuffled"
    again = Bench({"a": right, "b": right, "control": control})
    assert again.campaign().samples == made.samples
    other = Bench({"a": right, "b": right, "control": control})
    assert other.campaign(PARAMETERS.model_copy(update={"seed": 4})).samples != made.samples
    assert [s.round_index for s in made.samples] == [i // 3 for i in range(18)]
    assert (made.seed, made.rounds, made.warmups, made.arms) == (3, 6, 2, ("a", "b", "control"))


def test_each_sample_is_saved_before_the_next_run() -> None:
    seen: list[tuple[int, int]] = []

    def watching(_: int) -> Completed:
        seen.append((len(bench.order), len(bench.log.lines)))
        return right(0)

    bench = Bench({"a": watching})
    bench.campaign()
    assert seen == [(1 + i, i) for i in range(2 + 6)]


@pytest.mark.parametrize(
    ("wrong", "outcome", "code"),
    [
        (completed(""), "wrong-output", "probe.empty"),
        (completed(right_output(NOW - 60)), "wrong-output", "probe.not-now"),
        (completed(right_output(), outcome="failed", exit_code=125), "failed", "probe.exit"),
        (completed("", outcome="timeout", exit_code=None, reason={"code": "run.timeout"}), "timeout", "run.timeout"),
    ],
)
def test_one_bad_run_ends_its_arm_and_no_other(wrong: Completed, outcome: str, code: str) -> None:
    bench = Bench({"a": lambda run: wrong if run == 5 else right(run), "b": right})
    made = bench.campaign()
    mine = [s for s in made.samples if s.arm == "a"]
    assert [s.outcome for s in mine] == ["ok", "ok", outcome]
    assert mine[-1].reason is not None
    assert (mine[-1].reason.code, mine[-1].total_s) == (code, None)
    assert bench.order.count("a") == 5
    assert [s.outcome for s in made.samples if s.arm == "b"] == ["ok"] * 6


def test_a_bad_warm_up_is_recorded_and_ends_its_arm() -> None:
    bench = Bench({"a": lambda _: completed("no"), "b": right})
    made = bench.campaign()
    assert bench.order.count("a") == 1
    assert [(s.round_index, s.outcome) for s in made.samples if s.arm == "a"] == [(0, "wrong-output")]


def test_a_broken_host_is_told_apart_from_a_broken_program() -> None:
    def broken(_: int) -> Completed:
        raise HostError("no space left")

    made = Bench({"a": broken, "b": right}).campaign()
    sample = next(s for s in made.samples if s.arm == "a")
    assert sample.reason is not None
    assert (sample.outcome, sample.reason.code) == ("not-started", "infra.run-broke")


def test_the_control_arm_need_only_succeed() -> None:
    made = Bench({"control": control, "b": right}).campaign()
    assert {s.outcome for s in made.samples} == {"ok"}
    failing = Bench({"control": lambda _: completed("", outcome="failed", exit_code=1), "b": right}).campaign()
    assert [s.outcome for s in failing.samples if s.arm == "control"] == ["failed"]


def test_an_interrupt_keeps_what_was_saved() -> None:
    def interrupted(run: int) -> Completed:
        if run == 5:
            raise KeyboardInterrupt
        return right(run)

    bench = Bench({"a": interrupted})
    with pytest.raises(KeyboardInterrupt):
        bench.campaign()
    assert len(bench.saved) == 2
    assert [done.block.phase for done in bench.log.blocks] == ["warm-up"], "their block has no reading"


QUIET_S, BUSY_S = 0.0005, 0.005


def test_rounds_under_noise_are_run_again_and_the_first_attempts_do_not_count() -> None:
    bench = Bench({"a": right, "b": right}, QUIET_S, BUSY_S, QUIET_S)
    made = bench.campaign()
    assert bench.order.count("a") == 2 + 5 + 6
    assert [(s.arm, s.round_index) for s in made.samples if s.arm == "a"] == [("a", r) for r in range(6)]
    assert {s.attempt for s in made.samples if s.round_index < 5} == {1}
    assert made.noise == ()
    assert {(s.round_index, s.attempt) for s in made.discarded} == {(r, 0) for r in range(5)}
    assert len(bench.saved) == len(made.samples) + len(made.discarded) == 2 * (5 + 6), "every run is saved"
    assert any("run again" in line for line in bench.progress.lines)


def test_a_host_that_stays_busy_ends_with_a_mark() -> None:
    bench = Bench({"a": right, "b": right}, QUIET_S, BUSY_S)
    made = bench.campaign()
    assert [s.round_index for s in made.samples if s.arm == "a"] == list(range(6))
    assert [reason.code for reason in made.noise] == ["noise.spawn"]


def test_an_arm_that_fails_in_rounds_that_are_run_again_keeps_its_reason() -> None:
    bad = completed("", outcome="failed", exit_code=1)
    bench = Bench({"a": lambda run: bad if run == 5 else right(run), "b": right}, QUIET_S, BUSY_S, QUIET_S)
    made = bench.campaign()
    assert [s.outcome for s in made.samples if s.arm == "a"] == ["ok", "ok", "failed"]
    assert [s.outcome for s in made.samples if s.arm == "b"] == ["ok"] * 6


ARMS = {"a": right, "b": right}
BLOCKS = 2 * 5  # runs of both arms


def cut_off(spawn_s: Sequence[float], after: int) -> FakeSamples:
    """Return what a campaign leaves that is interrupted at its run number `after`, warm-ups included."""

    def interrupted(_: int) -> Completed:
        if len(bench.order) == after:
            raise KeyboardInterrupt
        return right(0)

    bench = Bench({"a": interrupted, "b": interrupted}, *spawn_s)
    with pytest.raises(KeyboardInterrupt):
        bench.campaign()
    return bench.log


def test_kept_rounds_are_not_run_again_whatever_the_host_does_now() -> None:
    log = cut_off([QUIET_S], 2 * 2 + BLOCKS + 1)
    bench = Bench(ARMS, BUSY_S)
    made = bench.campaign(kept=log.blocks)
    assert list(made.samples[:BLOCKS]) == log.lines[2 * 2 :]
    assert bench.order.count("a") == 2 + 1, "warm-ups and the last round"
    assert [reason.code for reason in made.noise] == ["noise.spawn"]
    assert [s.round_index for s in made.samples if s.arm == "a"] == list(range(6))


@pytest.mark.parametrize("after", range(2 * 2 + 1, 2 * 2 + 4 * BLOCKS + 2, 3))
def test_a_busy_host_is_the_same_verdict_with_and_without_an_interruption(after: int) -> None:
    """Its readings are quiet before and after each block, busy in between: no more than three repetitions."""
    whole = Bench(ARMS, *[QUIET_S, BUSY_S] * 4, QUIET_S)
    made = whole.campaign()
    assert [reason.code for reason in made.noise] == ["noise.spawn"]
    assert {s.attempt for s in made.samples if s.round_index < 5} == {3}
    log = cut_off([*[QUIET_S, BUSY_S] * 4, QUIET_S], after)
    timed = [done for done in log.blocks if done.block.phase == "timed" and done.block.orders]
    left = [QUIET_S, BUSY_S] * (4 - len(timed))
    resumed = Bench(ARMS, *left, QUIET_S)
    again = resumed.campaign(kept=log.blocks)
    assert [reason.code for reason in again.noise] == ["noise.spawn"]
    assert {(s.round_index, s.attempt) for s in again.samples} == {(s.round_index, s.attempt) for s in made.samples}
    assert {(s.round_index, s.attempt) for s in again.discarded} == {(s.round_index, s.attempt) for s in made.discarded}


def test_rounds_that_were_found_contaminated_before_it_was_cut_off_are_run_again_by_the_next() -> None:
    log = cut_off([QUIET_S, BUSY_S, QUIET_S], 2 * 2 + BLOCKS + 1)
    assert log.blocks[-1].block.pause_s > 0
    made = Bench(ARMS).campaign(kept=log.blocks)
    assert made.noise == ()
    assert {s.attempt for s in made.samples if s.round_index < 5} == {1}
    assert {s.attempt for s in made.discarded} == {0}


def test_a_campaign_that_was_complete_runs_nothing() -> None:
    first = Bench(ARMS)
    whole = first.campaign()
    bench = Bench(ARMS)
    assert bench.campaign(kept=first.log.blocks) == whole
    assert bench.order == []


AUTO = PARAMETERS.model_copy(update={"rounds": "auto"})


def taking(centre_s: float, wide: float) -> Callable[[int], Completed]:
    """Return an arm whose runs lie within that share of their centre, no two alike."""
    return lambda run: completed(right_output(), total_s=centre_s * (1 + wide * math.sin(run * run + 1000 * centre_s)))


def test_without_a_number_of_rounds_the_ratios_of_the_lab_decide() -> None:
    precise, rough, control = taking(0.01, 0.01), taking(0.02, 0.01), taking(0.001, 0.9)
    bench = Bench({"a": precise, "b": rough, "control": control})
    made = bench.campaign(AUTO)
    assert made.rounds == 10, "the control arm is as rough as it likes: no ratio of the lab's is of it"
    assert {s.round_index for s in made.samples} == set(range(10))
    assert Bench({"a": precise, "b": taking(0.02, 0.9)}).campaign(AUTO).rounds == 40


def test_a_campaign_of_no_fixed_length_goes_on_where_it_was_cut_off_and_ends_where_it_would_have() -> None:
    def arms() -> dict[str, Callable[[int], Completed]]:
        return {"a": taking(0.01, 0.02), "b": taking(0.02, 0.1)}

    first = Bench(arms())
    whole = first.campaign(AUTO)
    assert 10 < whole.rounds < 40
    orders = [s.arm for s in whole.samples]
    for blocks in (1, 3):
        bench = Bench(arms())
        made = bench.campaign(AUTO, kept=first.log.blocks[: 1 + blocks])
        assert made.rounds % 5 == 0
        assert [s.arm for s in made.samples][: len(orders)] == orders[: len(made.samples)]


def test_a_campaign_that_the_time_cut_off_goes_on_after_its_last_whole_round() -> None:
    def up(_: int) -> Completed:
        if len(bench.order) > 2 * 2 + 2 * 3 + 1:
            raise TimeLimitError("up")
        return right(0)

    bench = Bench({"a": up, "b": up})
    cut = bench.campaign()
    assert (cut.cut, [s.round_index for s in cut.samples if s.arm == "a"]) == (True, [0, 1, 2])
    assert [s.round_index for s in cut.discarded] == [3]
    again = Bench(ARMS)
    made = again.campaign(kept=sound_blocks(bench.log.blocks))
    assert made.samples[: 2 * 3] == cut.samples
    assert [s.round_index for s in made.samples if s.arm == "a"] == list(range(6))
    assert (made.cut, made.discarded) == (False, ())
    assert again.order.count("a") == 2 + 3
