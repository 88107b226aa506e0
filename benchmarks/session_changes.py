"""How often two sessions of identical commands are called changed, by their ratio and by their times.

usage: python benchmarks/session_changes.py [--pairs N]

Takes two stretches that do not overlap from one recorded series of tests/data/series, each as a session of two arms in
shuffled rounds, and asks of the change from one to the other
- how often the interval of the ratio's change leaves out 1, and how often it lies beyond 10 % (goal: never),
- how often the interval of one arm's change of time lies beyond 10 %, by the same test: what comparing times would say,
- the largest factor between the medians of one arm.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from grader.model.grade import Interval  # noqa: E402
from grader.stats.shift import shift_interval  # noqa: E402
from grader.stats.verdict import BAND  # noqa: E402
from tests.stats.simulated import series  # noqa: E402

NAMES = ("ctr_quiet", "docker_quiet", "ctr_hogs")
ROUNDS = (10, 20, 40)
EDGE = math.log1p(BAND)


def main() -> None:
    """Print a row per series and number of rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=600, help="pairs of sessions in each row (default: 600)")
    pairs = parser.parse_args().pairs
    print(
        "| series | rounds | ratio: 1 left out | ratio: beyond 10 % | times: beyond 10 % | largest factor of medians |"
    )
    print("|---|---|---|---|---|---|")
    for name in NAMES:
        logs = [math.log(seconds) for seconds, _ in series(name)]
        for rounds in ROUNDS:
            rng = random.Random(f"{name} {rounds}")
            found = [change(logs, rounds, rng) for _ in range(pairs)]
            left_out, ratio_beyond, time_beyond = (sum(f[at] for f in found) / pairs for at in range(3))
            largest = math.exp(max(f[3] for f in found))
            print(
                f"| {name} | {rounds} | {left_out:.1%} | {ratio_beyond:.1%} | {time_beyond:.1%} | {largest:.2f} |",
                flush=True,
            )


def change(logs: list[float], rounds: int, rng: random.Random) -> tuple[bool, bool, bool, float]:
    """Return for two sessions whether 1 is left out, which changes lie beyond the band, and the shift of a median."""
    first = rng.randrange(len(logs) - 4 * rounds + 1)
    second = rng.randrange(first + 2 * rounds, len(logs) - 2 * rounds + 1)
    sessions = [session(logs, start, rounds, rng) for start in rng.sample([first, second], 2)]
    ratios = shift_interval(*([a - b for a, b in one] for one in sessions)).interval
    times = shift_interval(*([a for a, _ in one] for one in sessions)).interval
    medians = [statistics.median(a for a, _ in one) for one in sessions]
    return ratios.low > 0 or ratios.high < 0, beyond(ratios), beyond(times), abs(medians[0] - medians[1])


def beyond(shift: Interval) -> bool:
    """Return whether a change of logarithms lies outside the band in which nothing counts as changed."""
    return shift.low > EDGE or shift.high < -EDGE


def session(logs: list[float], start: int, rounds: int, rng: random.Random) -> list[tuple[float, float]]:
    """Return the log times of both arms of each round, in an order drawn anew."""
    spans = (rng.sample(logs[at : at + 2], 2) for at in range(start, start + 2 * rounds, 2))
    return [(a, b) for a, b in spans]


if __name__ == "__main__":
    main()
