from __future__ import annotations

import itertools

import pytest

from grader.model.bench import Block, BlockDone, Calibration, NoiseReading
from grader.model.run import Phase
from grader.stats.noise import (
    calibrated,
    calmest_pressure,
    doubts_about_block,
    doubts_about_reading,
    quiet_spawn,
)
from tests.stats.simulated import CALIBRATION, QUIET_S, Host, series


def reading(
    spawn_s: float = QUIET_S, *, pressure: float | None = None, foreign_load: float | None = None
) -> NoiseReading:
    return NoiseReading(at_s=0, spawn_s=(spawn_s,) * 20, pressure=pressure, foreign_load=foreign_load)


def block(closing: NoiseReading, *, phase: Phase = "timed", arm: str = "a", run_s: float = 1.0) -> BlockDone:
    host = Host(truth={arm: run_s}, seed=1, load_sd=0, noise_sd=0)
    sample = host.run(arm, Block(phase=phase), 0)
    return BlockDone(block=Block(phase=phase, orders=((arm,),)), samples=(sample,), reading=closing)


A = frozenset("a")


def codes(found: tuple[object, ...]) -> list[str]:
    return [str(getattr(one, "code", one)) for one in found]


def test_the_median_of_the_probe_decides_and_not_one_slow_start() -> None:
    one_slow = NoiseReading(at_s=0, spawn_s=(QUIET_S,) * 19 + (50 * QUIET_S,))
    assert doubts_about_reading(one_slow, QUIET_S) == ()
    assert codes(doubts_about_reading(reading(2.1 * QUIET_S), QUIET_S)) == ["noise.spawn"]
    assert doubts_about_reading(reading(1.9 * QUIET_S), QUIET_S) == ()


def test_a_median_that_stays_and_a_tail_that_leaps_are_noise_and_two_slow_starts_of_twenty_are_not() -> None:
    """What was read while eight tasks shared two CPUs: 0.77 ms, and 3.9 ms for the slowest tenth."""
    tail = NoiseReading(at_s=0, spawn_s=(1.8 * QUIET_S,) * 17 + (9 * QUIET_S,) * 3)
    assert codes(doubts_about_reading(tail, QUIET_S)) == ["noise.spawn-tail"]
    two = NoiseReading(at_s=0, spawn_s=(1.8 * QUIET_S,) * 18 + (9 * QUIET_S,) * 2)
    assert doubts_about_reading(two, QUIET_S) == ()


def test_two_busy_loops_seen_while_we_pause_are_noise_and_one_of_two_cpus_is_not() -> None:
    assert codes(doubts_about_reading(reading(foreign_load=0.97), QUIET_S)) == ["noise.foreign-load"]
    assert doubts_about_reading(reading(foreign_load=0.5), QUIET_S) == ()
    assert doubts_about_reading(reading(foreign_load=None), QUIET_S) == ()


def test_a_block_is_doubted_for_the_reading_before_it_the_one_after_it_and_the_pressure_between() -> None:
    bad = reading(9 * QUIET_S)
    assert codes(doubts_about_block(bad, block(reading()), QUIET_S, {})) == ["noise.spawn"]
    assert codes(doubts_about_block(None, block(bad), QUIET_S, {})) == ["noise.spawn"]
    pressed = block(reading(pressure=0.62))
    assert codes(doubts_about_block(reading(), pressed, QUIET_S, {A: 0.30})) == ["noise.pressure"]
    # The same pressure in every block is our own: an arm of many processes waits for itself.
    assert doubts_about_block(reading(), pressed, QUIET_S, {A: 0.60}) == ()
    assert doubts_about_block(reading(), pressed, QUIET_S, {}) == ()


def test_load_that_was_there_from_the_start_is_seen_against_the_stored_calibration_only() -> None:
    loaded = [reading(8 * QUIET_S) for _ in range(5)]
    assert doubts_about_reading(loaded[-1], quiet_spawn(loaded, CALIBRATION))
    assert not doubts_about_reading(loaded[-1], quiet_spawn(loaded, None))


def test_the_quietest_reading_of_the_campaign_counts_where_it_is_quieter_than_the_calibration() -> None:
    assert quiet_spawn([reading(0.3e-3), reading(0.9e-3)], CALIBRATION) == 0.3e-3
    assert quiet_spawn([reading(0.9e-3)], CALIBRATION) == QUIET_S


def test_the_calmest_pressure_is_of_timed_blocks_with_runs_of_the_same_arms() -> None:
    done = [
        block(reading(pressure=0.01), phase="warm-up"),
        BlockDone(block=Block(pause_s=1), samples=(), reading=reading(pressure=0.0)),
        block(reading(pressure=0.4)),
        block(reading(pressure=0.3)),
        block(reading(pressure=0.35)),
        block(reading(pressure=None)),
        block(reading(pressure=0.05), arm="b"),
    ]
    assert calmest_pressure(done) == {A: 0.3, frozenset("b"): 0.05}
    assert calmest_pressure(done[:2]) == {}


def test_runs_that_are_over_at_once_have_no_pressure_to_speak_of() -> None:
    short = block(reading(pressure=0.9), run_s=0.05)
    assert calmest_pressure([short]) == {}
    assert doubts_about_block(reading(), short, QUIET_S, {A: 0.1}) == ()


def test_a_calibration_is_the_quietest_reading_ever_and_one_under_load_teaches_nothing() -> None:
    first = calibrated(None, [reading(0.5e-3, foreign_load=0.02), reading(0.2e-3, foreign_load=0.9)])
    assert first == Calibration(spawn_s=0.5e-3, readings=1)
    assert calibrated(first, [reading(0.45e-3), reading(0.6e-3)]) == Calibration(spawn_s=0.45e-3, readings=3)
    assert calibrated(None, [reading(foreign_load=1.0)]) is None
    assert calibrated(first, [reading(foreign_load=1.0)]) == first


@pytest.mark.parametrize("name", ["ctr_quiet", "ctr_hogs", "docker_quiet"])
def test_in_recorded_series_the_pressure_tells_slow_blocks_from_normal_ones(name: str) -> None:
    """A block of ten runs that is doubted was slow, and one far slower than the rest is doubted."""
    rows = series(name)
    blocks = [rows[i : i + 10] for i in range(0, len(rows) - 9, 10)]
    shares = [sum(p for _, p in b) / sum(s for s, _ in b) for b in blocks]
    times = [sorted(s for s, _ in b)[5] for b in blocks]
    calm = min(shares)
    for share, seconds in zip(shares, times, strict=True):
        doubted = bool(doubts_about_block(reading(), block(reading(pressure=share)), QUIET_S, {A: calm}))
        if doubted:
            assert seconds > 1.3 * min(times)
        if seconds > 1.8 * min(times):  # loaded throughout; blocks that were half loaded lie between
            assert doubted


def test_probes_of_a_quiet_host_are_hardly_ever_doubted_and_those_under_load_nearly_always() -> None:
    """By the starts alone.  Quiet ones are spread as recorded; under load most pass and a third wait for a slice."""
    host = Host(truth={"a": 1.0}, seed=6)

    def doubted(*, busy: bool) -> int:
        campaigns = 0
        for _ in range(200):
            probes = [NoiseReading(at_s=0, spawn_s=tuple(host.spawn_s(busy) for _ in range(20))) for _ in range(9)]
            quiet_s = quiet_spawn(probes, CALIBRATION)
            campaigns += sum(bool(doubts_about_reading(r, quiet_s)) for r in probes) > (4 if busy else 0)
        return campaigns

    assert doubted(busy=False) == 0
    assert doubted(busy=True) >= 195


def test_the_limits_are_where_the_recorded_loads_are_told_apart() -> None:
    quiet, loaded = 1.0, 8.4
    assert all(not doubts_about_reading(reading(f * QUIET_S), QUIET_S) for f in (0.5, quiet, 1.5))
    assert all(doubts_about_reading(reading(f * QUIET_S), QUIET_S) for f in (2.5, loaded, 100))
    for own, others in itertools.product((0.2, 0.5), (0.0, 0.34)):
        doubts = doubts_about_block(reading(), block(reading(pressure=own + others)), QUIET_S, {A: own})
        assert bool(doubts) is (others > 0)
