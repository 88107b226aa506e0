"""The order of arms in each round, from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence


def plan_rounds(arms: Sequence[str], rounds: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Return the order of arms for each round; equal arguments give an equal plan.

    Each round holds every arm once, so a drift of the host meets all arms alike; blocks of one arm do not cancel it.
    """
    rng = random.Random(seed)
    return tuple(tuple(rng.sample(arms, k=len(arms))) for _ in range(rounds))
