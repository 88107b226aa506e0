from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pytest

from grader.errors import HostError
from grader.model.lab import Parameters, StdoutJsonProbe
from grader.model.run import Campaign, Command, Completed, Sample
from grader.testing import FakeHost, FakeNoiseMeter, FakeProgress, completed
from grader.workflow.calibration import CalibratedMeter
from grader.workflow.campaign import TimedArm, campaign_plan, latest, run_campaign, whole_rounds
from tests.samplelab import NOW, right_output, small_lab

PROBE = small_lab().probes["once"]
PARAMETERS = Parameters(rounds=6, warmups=2, seed=3)


class Bench:
    """Runs a campaign of arms whose behaviour is given by arm; `order` is what ran, `saved` what was saved."""

    def __init__(self, behaviour: Mapping[str, Callable[[int], Completed]], *spawn_s: float) -> None:
        self.behaviour = behaviour
        self.noise = FakeNoiseMeter(*spawn_s)
        self.progress = FakeProgress()
        self.order: list[str] = []
        self.saved: list[Sample] = []

    def run(self, command: Command) -> Completed:
        arm = command.argv[0]
        self.order.append(arm)
        return self.behaviour[arm](self.order.count(arm))

    def campaign(self, parameters: Parameters = PARAMETERS, kept: Sequence[Sample] = ()) -> Campaign:
        assert isinstance(PROBE, StdoutJsonProbe)
        arms = [
            TimedArm(name=arm, command=Command(argv=(arm,)), probe=None if arm == "control" else PROBE)
            for arm in self.behaviour
        ]
        noise = CalibratedMeter(self.noise, None, FakeHost().fingerprint(()))
        lab = small_lab(parameters=parameters.model_dump())
        lab = lab.model_copy(update={"timing": lab.timing.model_copy(update={"ratios": ("b/a",)})})
        return run_campaign(
            campaign_plan(lab, [arm.name for arm in arms]),
            arms,
            self.run,
            self.saved.append,
            self.progress,
            noise,
            kept=kept,
            wall=lambda: NOW,
            monotonic=lambda: 5.0,
        )


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
        seen.append((len(bench.order), len(bench.saved)))
        return right(0)

    bench = Bench({"a": watching})
    bench.campaign()
    assert seen == [(1, 0), (2, 0), *((3 + i, i) for i in range(6))]


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


QUIET_S, BUSY_S = 0.0005, 0.005


def test_rounds_under_noise_are_run_again_and_the_first_attempts_do_not_count() -> None:
    bench = Bench({"a": right, "b": right}, QUIET_S, BUSY_S, QUIET_S)
    made = bench.campaign()
    assert bench.order.count("a") == 2 + 5 + 6
    assert [(s.arm, s.round_index) for s in made.samples if s.arm == "a"] == [("a", r) for r in range(6)]
    assert {s.attempt for s in made.samples if s.round_index < 5} == {1}
    assert made.noise == ()
    assert len(bench.saved) == 2 * (5 + 6), "every run is saved, whether it counts or not"
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
    assert len(whole_rounds(bench.saved, ("a", "b"))) == len(made.samples)


def test_kept_rounds_are_not_run_again_whatever_the_host_does_now() -> None:
    kept = Bench({"a": right, "b": right}).campaign().samples[: 2 * 3]
    bench = Bench({"a": right, "b": right}, BUSY_S)
    made = bench.campaign(kept=kept)
    assert made.samples[:6] == kept
    assert min(sample.round_index for sample in bench.saved) == 3
    assert [s.round_index for s in made.samples if s.arm == "a"] == list(range(6))


def test_rounds_that_were_repeated_in_vain_before_it_was_cut_off_leave_their_mark() -> None:
    first = Bench({"a": right, "b": right}, *[QUIET_S, BUSY_S] * 4, QUIET_S).campaign()
    assert {s.attempt for s in first.samples if s.round_index < 5} == {3}
    resumed = Bench({"a": right, "b": right}).campaign(kept=first.samples[: 2 * 5])
    assert [reason.code for reason in resumed.noise] == ["noise.given-up"]


def test_a_campaign_that_was_complete_runs_nothing() -> None:
    kept = Bench({"a": right, "b": right}).campaign().samples
    bench = Bench({"a": right, "b": right})
    assert bench.campaign(kept=kept).samples == kept
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

    whole = Bench(arms()).campaign(AUTO)
    assert 10 < whole.rounds < 40
    orders = [s.arm for s in whole.samples]
    for rounds in (3, 12):
        bench = Bench(arms())
        made = bench.campaign(AUTO, kept=whole.samples[: 2 * rounds])
        assert made.rounds % 5 == 0
        assert [s.arm for s in made.samples][: len(orders)] == orders[: len(made.samples)]


def sample(arm: str, round_index: int, attempt: int, outcome: str = "ok") -> Sample:
    good = outcome == "ok"
    return Sample.model_validate(
        {
            "arm": arm,
            "round_index": round_index,
            "attempt": attempt,
            "outcome": outcome,
            "total_s": 1.0 if good else None,
            "first_output_s": None,
            "exit_code": 0,
            "started_s": 0.0,
        }
    )


def test_rounds_that_were_to_be_run_again_when_it_was_cut_off_do_not_count() -> None:
    first = [sample(arm, r, 0) for r in range(3) for arm in ("a", "b")]
    again = [sample("a", 0, 1), sample("b", 0, 1)]
    assert whole_rounds([*first, *again], ("a", "b")) == again
    assert whole_rounds([*first, *again, sample("b", 1, 1)], ("a", "b")) == again
    following = [sample(arm, 3, 0) for arm in ("a", "b")]
    all_again = [*again, *(sample(arm, r, 1) for r in (1, 2) for arm in ("a", "b"))]
    assert latest([*first, *all_again, *following]) == [*all_again, *following]
