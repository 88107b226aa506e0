"""Whole campaigns with known truth: how often the result is right, on made-up hosts and on recorded series."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from dataclasses import dataclass

import pytest

from grader.model.bench import ExperimentPlan
from grader.stats.experiment import MOST_ROUNDS, contaminated, repeated_rounds, times, used_samples
from grader.stats.ratio import paired_ratio
from grader.stats.verdict import FEWEST_ROUNDS, verdict_of
from tests.stats.hosts import HOSTS, MakeHost, holds, truth
from tests.stats.simulated import Host, conduct, series

CAMPAIGNS = 300
DIFFERENT = ("faster", "slower", "small_difference")


@dataclass
class Campaigns:
    """What many campaigns with the same truth came to."""

    verdicts: Counter[str]
    covered: float
    rounds: float
    noisy: float

    def share(self, *verdicts: str) -> float:
        return sum(self.verdicts[v] for v in verdicts) / self.verdicts.total()


def run(make: MakeHost, ratio: float, count: int = CAMPAIGNS) -> Campaigns:
    estimates, noisy = [], 0
    for seed in range(count):
        made, host = ExperimentPlan(arms=("a", "b"), baseline="a", seed=seed), make(seed, ratio)
        done, _ = conduct(made, host)
        used = used_samples(made, done)
        estimates.append(paired_ratio(times(made, used, "b"), times(made, used, "a")))
        noisy += bool(contaminated(made, done, host.known))
    return Campaigns(
        verdicts=Counter(verdict_of(e) for e in estimates),
        covered=statistics.fmean(holds(e, ratio) for e in estimates),
        rounds=statistics.fmean(e.n for e in estimates),
        noisy=noisy / count,
    )


@pytest.mark.parametrize("host", HOSTS)
def test_equal_arms_are_called_different_seldom_and_equal_nearly_always(host: str) -> None:
    """Nominal 5 %, at most 7 %; seven in a hundred of 300 have a standard deviation of 0.015."""
    found = run(HOSTS[host], 1.0)
    assert found.share(*DIFFERENT) <= 0.07
    assert found.share("no_difference") >= 0.80
    # Looking several times costs a little; at least 92 % is what the protocol accepts.
    assert found.covered >= 0.92 - 0.02
    assert FEWEST_ROUNDS <= found.rounds <= MOST_ROUNDS
    assert found.noisy <= 0.05


@pytest.mark.parametrize(("ratio", "verdict"), [(1.2, "slower"), (1 / 1.2, "faster")])
@pytest.mark.parametrize("host", HOSTS)
def test_a_difference_of_a_fifth_is_seen(host: str, ratio: float, verdict: str) -> None:
    found = run(HOSTS[host], ratio, count=150)
    # At least 95 %; one standard deviation of 150 trials is 0.018.
    assert found.share(verdict) >= 0.95 - 0.018
    assert found.covered >= 0.90


def test_two_busy_loops_from_the_start_make_every_campaign_noisy() -> None:
    found = run(lambda seed, ratio: Host(truth=truth(ratio), seed=seed, hogs=((0, 10**6),)), 1.0, count=100)
    assert found.noisy == 1.0
    # The interval allows for the noise all the same: the shuffle meets both arms alike.
    assert found.covered >= 0.88


@pytest.mark.parametrize("rounds", [12, None])
def test_rounds_that_only_a_later_reading_casts_doubt_on_are_run_again_and_every_round_counts(
    rounds: int | None,
) -> None:
    """Without a calibration the first readings are the quietest known until quieter ones come."""
    repeated = 0
    for seed in range(40):
        made = ExperimentPlan(arms=("a", "b"), baseline="a", rounds=rounds, seed=seed)
        host = HOSTS["settles late, unknown"](seed, 1.0)
        done, _ = conduct(made, host)
        timed = {s.round_index for d in done for s in d.samples if s.phase == "timed"}
        assert {arm: set(runs) for arm, runs in used_samples(made, done).items()} == {"a": timed, "b": timed}
        assert timed == set(range(len(timed)))
        assert not contaminated(made, done, host.known)
        first_doubted = next((at for at, d in enumerate(done) if d.block.attempt > 0), len(done))
        repeated += any(d.block.first_round > 0 for d in done[:first_doubted]) and repeated_rounds(done) > 0
    assert repeated >= 20, "doubt came late in too few campaigns to tell anything"


def test_stopping_on_precision_does_not_move_the_centre() -> None:
    """A rule that looked at the difference would stop on lucky ones and push the ratios apart."""
    logs = []
    for seed in range(CAMPAIGNS):
        made = ExperimentPlan(arms=("a", "b"), baseline="a", seed=seed)
        done, _ = conduct(made, Host(truth=truth(1.05), seed=seed))
        used = used_samples(made, done)
        logs.append(math.log(paired_ratio(times(made, used, "b"), times(made, used, "a")).value / 1.05))
    assert abs(statistics.fmean(logs)) < 3 * statistics.stdev(logs) / math.sqrt(CAMPAIGNS)


@pytest.mark.parametrize("name", ["ctr_quiet", "ctr_hogs", "docker_quiet"])
def test_shuffled_rounds_are_steadier_than_blocks_of_the_same_runs(name: str) -> None:
    """Resampled from the recorded series, 20 runs per arm: blocks of one arm after the other drift apart."""
    rows = [seconds for seconds, _ in series(name)]
    rng = random.Random(1)
    blocks, rounds = [], []
    for _ in range(300):
        start = rng.randrange(len(rows))
        span = [rows[(start + i) % len(rows)] for i in range(40)]
        blocks.append(math.log(statistics.fmean(span[:20]) / statistics.fmean(span[20:])))
        pairs = [tuple(rng.sample(span[i : i + 2], 2)) for i in range(0, 40, 2)]
        rounds.append(math.log(paired_ratio([a for a, _ in pairs], [b for _, b in pairs]).value))
    assert statistics.pstdev(rounds) <= statistics.pstdev(blocks) / 2
