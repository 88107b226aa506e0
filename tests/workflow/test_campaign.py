from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from grader.errors import HostError
from grader.model.lab import Parameters, StdoutJsonProbe
from grader.model.run import Campaign, Command, Completed, Sample
from grader.stats.plan import plan_rounds
from grader.testing import FakeProgress, completed
from grader.workflow.campaign import TimedArm, run_campaign
from tests.samplelab import NOW, right_output, small_lab

PROBE = small_lab().probes["once"]
PARAMETERS = Parameters(rounds=6, warmups=2, seed=3)


class Bench:
    """Runs a campaign of arms whose behaviour is given by arm; `order` is what ran, `saved` what was saved."""

    def __init__(self, behaviour: Mapping[str, Callable[[int], Completed]]) -> None:
        self.behaviour = behaviour
        self.order: list[str] = []
        self.saved: list[Sample] = []

    def run(self, command: Command) -> Completed:
        arm = command.argv[0]
        self.order.append(arm)
        return self.behaviour[arm](self.order.count(arm))

    def campaign(self, parameters: Parameters = PARAMETERS) -> Campaign:
        assert isinstance(PROBE, StdoutJsonProbe)
        arms = [
            TimedArm(name=arm, command=Command(argv=(arm,)), probe=None if arm == "control" else PROBE)
            for arm in self.behaviour
        ]
        return run_campaign(
            arms, parameters, self.run, self.saved.append, FakeProgress(), wall=lambda: NOW, monotonic=lambda: 5.0
        )


def right(_: int) -> Completed:
    return completed(right_output())


def control(_: int) -> Completed:
    return completed("anything")


def test_rounds_run_in_the_order_of_the_seed_after_discarded_warm_ups() -> None:
    bench = Bench({"a": right, "b": right, "control": control})
    made = bench.campaign()
    timed = bench.order[2 * 3 :]
    assert tuple(timed) == sum(plan_rounds(("a", "b", "control"), 6, 3), ())
    assert [s.arm for s in made.samples] == timed
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
