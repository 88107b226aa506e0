"""How far the ratio of two identical commands is from 1, and how often they are called different.

usage: python benchmarks/ratio_errors.py [--campaigns N] [--splits N]

Replays the recorded series of tests/data/series, each of one command run again and again, as two arms:
- the course's loop and hyperfine: one arm after the other, means (the loop cuts to 10 ms, and has 5 runs),
- grader: shuffled rounds, the Hodges-Lehmann centre of the paired ratios.

Prints the standard deviation of the log ratio for 20 runs per arm (goal: at most 1/2 of hyperfine's, 0.7 of the
loop's), and for whole campaigns of `rounds: auto`, on the series and on made-up hosts, how often each verdict falls
(goal: of equal arms at most 7 % different and at least 80 % without a difference; of arms a fifth apart at least
95 % faster or slower).  The last lines say why an arm has no interval of its own.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from grader.model.bench import ExperimentPlan  # noqa: E402
from grader.stats.experiment import times, used_samples  # noqa: E402
from grader.stats.ratio import RatioEstimate, paired_ratio  # noqa: E402
from grader.stats.verdict import verdict_of  # noqa: E402
from tests.stats.simulated import Host, conduct, series  # noqa: E402
from tests.stats.test_coverage import HOSTS  # noqa: E402

NAMES = ("ctr_quiet", "docker_quiet", "ctr_hogs")
RUNS, LOOP_RUNS = 20, 5


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=400, help="resampled campaigns per series (default: 400)")
    parser.add_argument("--splits", type=int, default=400, help="campaigns per host and true ratio (default: 400)")
    asked = parser.parse_args()
    spreads(asked.campaigns)
    verdicts(asked.splits)
    medians(asked.campaigns)


def spreads(campaigns: int) -> None:
    """Print the standard deviations of the log ratio at true ratio 1."""
    print(f"SD of ln ratio, identical commands, {campaigns} campaigns resampled from each series")
    small, ways = f"loop, {LOOP_RUNS} + {LOOP_RUNS}", f"{RUNS} + {RUNS}"
    row("series", small, f"loop, {ways}", f"hyperfine, {ways}", f"grader, {RUNS} rounds", "of hyperfine", "of the loop")
    row(*["---"] * 7)
    for name in NAMES:
        rows = [seconds for seconds, _ in series(name)]
        rng = random.Random(name)
        logs: dict[str, list[float]] = {"loop5": [], "loop": [], "blocks": [], "rounds": []}
        for _ in range(campaigns):
            start = rng.randrange(len(rows) - 2 * RUNS + 1)
            span = rows[start : start + 2 * RUNS]
            first, second = span[:RUNS], span[RUNS:]
            logs["loop5"].append(math.log(cut(span[:LOOP_RUNS]) / cut(span[LOOP_RUNS : 2 * LOOP_RUNS])))
            logs["loop"].append(math.log(cut(first) / cut(second)))
            logs["blocks"].append(math.log(statistics.fmean(first) / statistics.fmean(second)))
            pairs = [rng.sample(span[i : i + 2], 2) for i in range(0, 2 * RUNS, 2)]
            logs["rounds"].append(math.log(paired_ratio([a for a, _ in pairs], [b for _, b in pairs]).value))
        sd = {way: statistics.pstdev(values) for way, values in logs.items()}
        shown = [f"{sd[way]:.1%}" for way in ("loop5", "loop", "blocks", "rounds")]
        row(name, *shown, f"{sd['rounds'] / sd['blocks']:.2f}", f"{sd['rounds'] / sd['loop5']:.2f}")


def row(*cells: str) -> None:
    """Print one row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def cut(seconds: list[float]) -> float:
    """Return the mean of times cut to hundredths of a second."""
    return statistics.fmean(math.floor(s * 100) / 100 for s in seconds)


def verdicts(splits: int) -> None:
    """Print how often each verdict falls in whole campaigns."""
    print(f"\nVerdicts of `rounds: auto`, {splits} campaigns each")
    row("host", "1.0: different", "1.0: no difference", "1.2: faster or slower", "covered", "rounds", "to ± 5 %")
    row(*["---"] * 7)
    total: Counter[str] = Counter()
    for name, make in HOSTS.items():
        equal = [campaign(make(seed, 1.0), seed) for seed in range(splits)]
        apart = [campaign(make(seed, (1.2, 1 / 1.2)[seed % 2]), seed) for seed in range(splits)]
        said: Counter[str] = Counter(verdict_of(e) for e in equal)
        seen: Counter[str] = Counter(verdict_of(e) for e in apart)
        total.update(said)
        covered = statistics.fmean(e.interval is not None and e.interval.low <= 1 <= e.interval.high for e in equal)
        reached = statistics.fmean(e.half_width is not None and e.half_width <= 0.05 for e in equal)
        shares = (different(said), said["no_difference"], seen["faster"] + seen["slower"])
        rounds = statistics.fmean(e.n for e in equal)
        row(name, *(f"{share / splits:.1%}" for share in shares), f"{covered:.1%}", f"{rounds:.0f}", f"{reached:.0%}")
    both = (different(total), total["no_difference"])
    row(f"all {total.total()}", *(f"{share / total.total():.1%}" for share in both), *["–"] * 4)


def medians(campaigns: int) -> None:
    """Print how often an interval that takes the runs of one arm for independent holds the median of its series."""
    print("\nInterval of one arm's median from 30 runs as if independent, nominal 95 %: holds the series' median in")
    for name in NAMES:
        rows = [seconds for seconds, _ in series(name)]
        rng, middle = random.Random(name), statistics.median(rows)
        starts = [rng.randrange(len(rows) - 60 + 1) for _ in range(campaigns)]
        # Every second run is another arm's.
        intervals = [as_if_independent(rows[start : start + 60 : 2]) for start in starts]
        print(f"- {name}: {statistics.fmean(low <= middle <= high for low, high in intervals):.0%}")


def as_if_independent(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the 10th from either end of 30 values: 95.7 % of such pairs hold the median, were they independent.

    Source: Conover, Practical Nonparametric Statistics, 3rd ed. (1999), section 3.2.
    """
    ordered = sorted(seconds)
    assert len(ordered) == 30
    return ordered[9], ordered[-10]


def different(said: Counter[str]) -> int:
    """Return how many say that the arms differ."""
    return said["faster"] + said["slower"] + said["small_difference"]


def campaign(host: Host, seed: int) -> RatioEstimate:
    """Return the ratio that one campaign of two arms gives."""
    plan = ExperimentPlan(arms=("a", "b"), baseline="a", seed=seed)
    done, _ = conduct(plan, host)
    used = used_samples(plan, done)
    return paired_ratio(times(plan, used, "b"), times(plan, used, "a"))


if __name__ == "__main__":
    main()
