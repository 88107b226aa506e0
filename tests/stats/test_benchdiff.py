"""What changed between two sessions: never noise, and never the host."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.model.base import Message
from grader.model.bench import Bench, BenchNoise, NoiseReading
from grader.model.benchdiff import BenchDiff
from grader.model.host import Tool
from grader.stats.benchdiff import DRIFT, compare_benches
from tests.benches import HOST, arm, bench, failed_arm, times, uncounted_arm

ROUNDS = 20
SERIES = Path(__file__).parents[1] / "data/series"


def session(quick_s: float = 0.05, slow_s: float = 0.08, *, seed: int = 1, rounds: int = ROUNDS) -> Bench:
    quick, slow = (arm(n, times(s, rounds, seed=seed)) for n, s in (("quick", quick_s), ("slow", slow_s)))
    return bench([quick, slow], baseline="quick")


def noisy(result: Bench) -> Bench:
    reasons = (Message(code="noise.foreign-load", params={"percent": 90}),)
    return result.model_copy(update={"noise": result.noise.model_copy(update={"state": "noisy", "reasons": reasons})})


def recorded(name: str) -> list[float]:
    with (SERIES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [float(row["run_ms"]) / 1000 for row in csv.DictReader(file)]


def ratio_change(diff: BenchDiff) -> str:
    (one,) = diff.ratios
    return one.change


def test_the_same_session_twice_has_no_change() -> None:
    diff = compare_benches(session(), session())
    assert not diff.changed
    assert ratio_change(diff) == "no_change"


def test_a_slower_arm_is_a_change_of_its_ratio_and_its_factor_is_right() -> None:
    diff = compare_benches(session(), session(slow_s=0.08 * 1.5, seed=2))
    (one,) = diff.ratios
    assert diff.changed
    assert one.change == "slower"
    assert one.shift is not None
    assert one.shift.low < 1.5 < one.shift.high
    assert one.old.value == pytest.approx(1.6, rel=0.05)
    assert one.new.value == pytest.approx(2.4, rel=0.05)


def test_a_faster_arm_is_told_by_a_factor_above_one() -> None:
    diff = compare_benches(session(), session(slow_s=0.04, seed=2))
    (one,) = diff.ratios
    assert one.change == "faster"
    assert float(str(one.reason.params["factor"])) == pytest.approx(2, rel=0.1)


def test_a_host_that_became_slower_changes_no_ratio_and_no_arm() -> None:
    diff = compare_benches(session(), session(0.05 * 1.8, 0.08 * 1.8, seed=2))
    assert not diff.changed
    assert ratio_change(diff) == "no_change"
    assert [d.change for d in diff.arms] == ["not_resolved", "not_resolved"]
    assert {d.reason.code for d in diff.arms} == {"bench-diff.arm-drift"}


def test_what_is_far_beyond_any_drift_is_told_of_an_arm_too() -> None:
    diff = compare_benches(session(), session(slow_s=0.8, seed=2))
    assert [(d.name, d.change) for d in diff.arms] == [("quick", "not_resolved"), ("slow", "slower")]
    assert compare_benches(session(slow_s=0.8, seed=2), session()).arms[1].change == "faster"


def test_a_host_whose_empty_programs_start_slower_may_have_slowed_the_arms_as_much() -> None:
    heavy = BenchNoise(state="quiet", probes=(NoiseReading(at_s=0, spawn_s=(0.005,)),))
    later = session(0.05 * 4, 0.08 * 4, seed=2).model_copy(update={"noise": heavy})
    diff = compare_benches(session(), later)
    assert {d.change for d in diff.arms} == {"not_resolved"}
    assert [note.code for note in diff.notes] == ["bench-diff.spawn"]


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_noisy_session_resolves_no_change(which: str) -> None:
    old, new = session(), session(slow_s=0.8, seed=2)
    diff = compare_benches(noisy(old), new) if which == "old" else compare_benches(old, noisy(new))
    assert not diff.changed
    assert ratio_change(diff) == "not_resolved"
    assert {d.reason.code for d in diff.arms} == {"bench-diff.noisy"}


def test_too_few_rounds_resolve_nothing() -> None:
    diff = compare_benches(session(rounds=5), session(slow_s=0.8))
    assert not diff.changed
    assert diff.ratios[0].reason.code == "bench-diff.too-few"
    assert diff.ratios[0].old.low is None


def test_a_small_shift_is_not_called_a_change() -> None:
    """Its interval leaves 1 out and reaches over the band: of identical commands one in twenty does the first."""
    diff = compare_benches(session(rounds=40), session(slow_s=0.08 * 1.1, seed=2, rounds=40))
    (one,) = diff.ratios
    assert one.shift is not None
    assert one.shift.low > 1
    assert one.change == "not_resolved"
    assert not diff.changed


def test_another_host_is_refused_and_named() -> None:
    other = session().model_copy(update={"host": HOST.model_copy(update={"kernel": "6.12", "cpus": 4})})
    with pytest.raises(UsageError, match=r"kernel `6\.1` and `6\.12`, cpus `2` and `4`") as refused:
        compare_benches(session(), other)
    assert "--across-hosts" in refused.value.hint


def test_across_hosts_only_ratios_are_compared_and_the_difference_is_told() -> None:
    other = session(0.5, 0.8).model_copy(update={"host": HOST.model_copy(update={"cpus": 4})})
    diff = compare_benches(session(), other, across_hosts=True)
    assert not diff.same_host
    assert {d.change for d in diff.arms} == {"not_compared"}
    assert [d.shift for d in diff.arms] == [None, None]
    assert ratio_change(diff) == "no_change"
    assert "bench-diff.host-cpus" in [note.code for note in diff.notes]


def test_another_version_of_a_tool_is_told_and_no_other_host() -> None:
    def with_tool(version: str, sha256: str) -> Bench:
        tools = (Tool(name="wasmtime", version=version, sha256=sha256), Tool(name="same", version="1", sha256="s"))
        return session().model_copy(update={"host": HOST.model_copy(update={"tools": tools})})

    diff = compare_benches(with_tool("49.0.4", "a" * 64), with_tool("50.0.1", "b" * 64))
    assert diff.same_host
    assert [note.params for note in diff.notes] == [{"tool": "wasmtime", "old": "49.0.4", "new": "50.0.1"}]


def test_two_programs_of_one_name_that_are_both_as_before_are_no_change() -> None:
    tools = tuple(Tool(name="main", version="", sha256=letter * 64) for letter in "ab")
    old, new = (
        session().model_copy(update={"host": HOST.model_copy(update={"tools": order})})
        for order in (tools, tools[::-1])
    )
    assert compare_benches(old, new).notes == ()
    newer = (*tools[:1], Tool(name="main", version="", sha256="c" * 64))
    rebuilt = session().model_copy(update={"host": HOST.model_copy(update={"tools": newer})})
    assert [n.params for n in compare_benches(old, rebuilt).notes] == [
        {"tool": "main", "old": "b" * 12, "new": "c" * 12}
    ]


@pytest.mark.parametrize("change", [{"clock": "start"}, {"conditions": "file-cold"}])
def test_other_clocks_and_states_are_never_compared(change: dict[str, object]) -> None:
    other = bench([arm("quick", times(0.05, 8))], changes=change)
    with pytest.raises(UsageError, match="did not time the same thing"):
        compare_benches(bench([arm("quick", times(0.05, 8))]), other, across_hosts=True)


def test_arms_that_came_went_failed_and_recovered_are_told() -> None:
    base = arm("base", times(0.05, 12))
    old = bench([base, failed_arm("lame"), failed_arm("dead"), arm("well", times(0.06, 12)), arm("old", [0.05] * 12)])
    new = bench([base, arm("lame", times(0.06, 12)), failed_arm("dead"), failed_arm("well"), arm("new", [0.05] * 12)])
    diff = compare_benches(old, new)
    changes = {d.name: d.change for d in diff.arms}
    assert (changes["lame"], changes["dead"], changes["well"]) == ("works_now", "still_fails", "fails_now")
    assert (diff.appeared, diff.gone) == (("new",), ("old",))
    assert diff.changed
    assert [d.old for d in diff.arms if d.name == "lame"] == [None]


def test_arms_without_one_whole_round_are_not_resolved_and_have_no_ratio() -> None:
    cut_off = bench([uncounted_arm("a", 0.1), uncounted_arm("b", 0.2), failed_arm("gone")])
    whole = bench([arm("a", times(0.1, 12)), arm("b", times(0.2, 12)), failed_arm("gone")])
    diff = compare_benches(cut_off, whole)
    assert diff.ratios == ()
    assert [d.change for d in diff.arms] == ["not_resolved", "not_resolved", "still_fails"]


def test_another_command_under_the_same_name_is_marked() -> None:
    old = bench([arm("a", times(0.05, 8), argv=("./v1",)), arm("b", times(0.05, 8))])
    new = bench([arm("a", times(0.05, 8), argv=("./v2",)), arm("b", times(0.05, 8))])
    assert [d.other_command for d in compare_benches(old, new).arms] == [True, False]


def test_another_baseline_does_not_matter() -> None:
    quick, slow = arm("quick", times(0.05, ROUNDS)), arm("slow", times(0.08, ROUNDS))
    diff = compare_benches(bench([quick, slow], baseline="slow"), bench([quick, slow], baseline="quick"))
    (one,) = diff.ratios
    assert (one.numerator, one.denominator) == ("slow", "quick")
    assert one.old.value == pytest.approx(one.new.value)


@pytest.mark.parametrize("name", ["ctr_quiet", "ctr_hogs", "docker_quiet"])
def test_identical_commands_in_two_stretches_of_a_recorded_series_are_never_called_changed(name: str) -> None:
    """The true change is none; a rank-sum test of the arms' own times calls a quarter and more of these changed."""
    series = recorded(name)
    rng = random.Random(12)
    called = 0
    for _ in range(60):
        first = rng.randrange(len(series) - 4 * ROUNDS + 1)
        second = rng.randrange(first + 2 * ROUNDS, len(series) - 2 * ROUNDS + 1)
        called += compare_benches(_stretch(series, first, rng), _stretch(series, second, rng)).changed
    assert called == 0


def _stretch(series: list[float], first: int, rng: random.Random) -> Bench:
    pairs = [rng.sample(series[at : at + 2], 2) for at in range(first, first + 2 * ROUNDS, 2)]
    return bench([arm("a", [a for a, _ in pairs]), arm("b", [b for _, b in pairs])])


def test_the_drift_is_what_recorded_series_show_and_some() -> None:
    """Medians of 10 runs of one command, wherever they are taken from a series, differ by less."""
    apart = 1.0
    for name in ("ctr_quiet", "ctr_hogs", "docker_quiet"):
        series = recorded(name)
        middles = [sorted(series[at : at + 10])[5] for at in range(len(series) - 10)]
        apart = max(apart, max(middles) / min(middles))
    assert 1.5 < apart < DRIFT
