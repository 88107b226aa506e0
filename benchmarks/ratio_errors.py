"""How far the ratio of two identical commands is from 1, and how often they are called different.

usage: python benchmarks/ratio_errors.py [--campaigns N] [--splits N]

Replays the recorded series of tests/data/series, each of one command run again and again, as two arms:
- the course's loop and hyperfine: one arm after the other, means (the loop cuts to 10 ms, and has 5 runs),
- grader: shuffled rounds, the Hodges-Lehmann centre of the paired ratios.

Prints the standard deviation of the log ratio for 20 runs per arm (goal: at most 1/2 of hyperfine's, 0.7 of the
loop's), and for whole campaigns of `rounds: auto`, on the series and on made-up hosts, how often each verdict falls
(goal: of equal arms at most 7 % different and at least 80 % without a difference; of arms a fifth apart at least
95 % faster or slower), and how often hyperfine's `x ± y` of 20 + 20 runs leaves out 1.  The last lines say why an arm
has no interval of its own.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from grader.model.bench import Block, ExperimentPlan  # noqa: E402
from grader.stats.experiment import PROMISED, times, used_samples  # noqa: E402
from grader.stats.othertools import mean_spread, relative_speed  # noqa: E402
from grader.stats.ratio import RatioEstimate, paired_ratio  # noqa: E402
from grader.stats.verdict import verdict_of  # noqa: E402
from tests.stats.hosts import HOSTS, MakeHost, holds  # noqa: E402
from tests.stats.simulated import Host, conduct, series  # noqa: E402

NAMES = ("ctr_quiet", "docker_quiet", "ctr_hogs")
RUNS, LOOP_RUNS = 20, 5


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=400, help="resampled campaigns per series (default: 400)")
    parser.add_argument("--splits", type=int, default=400, help="campaigns per host and true ratio (default: 400)")
    asked = parser.parse_args()
    print_spreads(asked.campaigns)
    print_verdicts(asked.splits)
    print_medians(asked.campaigns)


@dataclass(frozen=True)
class Spreads:
    """Standard deviations of the log ratio at true ratio 1, by way of measuring."""

    series: str
    loop_few: float
    loop: float
    blocks: float
    rounds: float


@dataclass(frozen=True)
class Verdicts:
    """Shares of campaigns on one host; `seen` of those whose true ratio is a fifth off, `covered` of all."""

    host: str
    different: float
    no_difference: float
    seen: float
    covered: float
    rounds: float
    reached: float
    spread_leaves_out_1: float


def spread_rows(campaigns: int) -> list[Spreads]:
    """Resample so many campaigns from each series."""
    return [_spreads(name, campaigns) for name in NAMES]


def _spreads(name: str, campaigns: int) -> Spreads:
    rows = [seconds for seconds, _ in series(name)]
    rng = random.Random(name)
    few, loop, blocks, rounds = [], [], [], []
    for _ in range(campaigns):
        start = rng.randrange(len(rows) - 2 * RUNS + 1)
        span = rows[start : start + 2 * RUNS]
        first, second = span[:RUNS], span[RUNS:]
        few.append(math.log(cut(span[:LOOP_RUNS]) / cut(span[LOOP_RUNS : 2 * LOOP_RUNS])))
        loop.append(math.log(cut(first) / cut(second)))
        blocks.append(math.log(statistics.fmean(first) / statistics.fmean(second)))
        pairs = [rng.sample(span[i : i + 2], 2) for i in range(0, 2 * RUNS, 2)]
        rounds.append(math.log(paired_ratio([a for a, _ in pairs], [b for _, b in pairs]).value))
    return Spreads(name, *(statistics.pstdev(logs) for logs in (few, loop, blocks, rounds)))


def print_spreads(campaigns: int) -> None:
    """Print the standard deviations of the log ratio at true ratio 1."""
    print(f"SD of ln ratio, identical commands, {campaigns} campaigns resampled from each series")
    small, ways = f"loop, {LOOP_RUNS} + {LOOP_RUNS}", f"{RUNS} + {RUNS}"
    row("series", small, f"loop, {ways}", f"hyperfine, {ways}", f"grader, {RUNS} rounds", "of hyperfine", "of the loop")
    row(*["---"] * 7)
    for sd in spread_rows(campaigns):
        shown = [f"{one:.1%}" for one in (sd.loop_few, sd.loop, sd.blocks, sd.rounds)]
        row(sd.series, *shown, f"{sd.rounds / sd.blocks:.2f}", f"{sd.rounds / sd.loop_few:.2f}")


def row(*cells: str) -> None:
    """Print one row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def cut(seconds: list[float]) -> float:
    """Return the mean of times cut to hundredths of a second."""
    return statistics.fmean(math.floor(s * 100) / 100 for s in seconds)


def verdict_rows(splits: int) -> list[Verdicts]:
    """Play so many campaigns of `rounds: auto` with equal arms, and as many with arms a fifth apart, on each host."""
    return [_verdicts(name, make, splits) for name, make in HOSTS.items()]


def _verdicts(name: str, make: MakeHost, splits: int) -> Verdicts:
    truths = [(1.2, 1 / 1.2)[seed % 2] for seed in range(splits)]
    equal = [campaign(make(seed, 1.0), seed) for seed in range(splits)]
    apart = [campaign(make(seed, truth), seed) for seed, truth in enumerate(truths)]
    said, seen = Counter(map(verdict_of, equal)), Counter(map(verdict_of, apart))
    return Verdicts(
        host=name,
        different=(said["faster"] + said["slower"] + said["small_difference"]) / splits,
        no_difference=said["no_difference"] / splits,
        seen=(seen["faster"] + seen["slower"]) / splits,
        covered=statistics.fmean(
            holds(e, truth) for e, truth in zip(equal + apart, [1.0] * splits + truths, strict=True)
        ),
        rounds=statistics.fmean(e.n for e in equal),
        reached=statistics.fmean(e.half_width is not None and e.half_width <= PROMISED for e in equal),
        spread_leaves_out_1=statistics.fmean(leaves_out_1(make(seed, 1.0)) for seed in range(splits)),
    )


def leaves_out_1(host: Host) -> bool:
    """Return whether hyperfine's ratio of two blocks, less or plus its spread, does not reach 1."""
    arms = [
        mean_spread(arm, [s for n in range(RUNS) if (s := host.run(arm, Block(), n).total_s) is not None])
        for arm in ("b", "a")
    ]
    found = relative_speed(*arms)
    assert found.spread is not None
    return abs(found.ratio - 1) > found.spread


def print_verdicts(splits: int) -> None:
    """Print how often each verdict falls in whole campaigns."""
    print(f"\nVerdicts of `rounds: auto`, {splits} campaigns each")
    heads = ("1.0: different", "1.0: no difference", "1.2: seen", "covered", "rounds", "to ± 5 %")
    row("host", *heads, "1.0: different by hyperfine's ±")
    row(*["---"] * 8)
    found = verdict_rows(splits)
    for one in found:
        shares = (one.different, one.no_difference, one.seen, one.covered)
        shown = [f"{share:.1%}" for share in shares]
        row(one.host, *shown, f"{one.rounds:.0f}", f"{one.reached:.0%}", f"{one.spread_leaves_out_1:.0%}")
    both = (
        statistics.fmean(share) for share in zip(*((one.different, one.no_difference) for one in found), strict=True)
    )
    row(f"all {len(found) * splits}", *(f"{share:.1%}" for share in both), *["–"] * 5)


def print_medians(campaigns: int) -> None:
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


def campaign(host: Host, seed: int) -> RatioEstimate:
    """Return the ratio that one campaign of two arms gives."""
    plan = ExperimentPlan(arms=("a", "b"), baseline="a", seed=seed)
    done, _ = conduct(plan, host)
    used = used_samples(plan, done)
    return paired_ratio(times(plan, used, "b"), times(plan, used, "a"))


if __name__ == "__main__":
    main()
