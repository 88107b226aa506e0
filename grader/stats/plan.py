"""How far a campaign got."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.run import Sample


def complete_rounds(samples: Sequence[Sample], arms: Sequence[str]) -> int:
    """Return how many rounds, from the first on, have exactly one sample of every arm that was still in.

    An arm is out after its first bad run, which may have been a warm-up: that is recorded in the round that followed.
    """
    out: set[str] = set()
    done = 0
    while here := [sample for sample in samples if sample.round_index == done]:
        ran = [sample.arm for sample in here]
        if len(ran) != len(set(ran)) or set(ran) != set(arms) - out:
            break
        out |= {sample.arm for sample in here if sample.outcome != "ok"}
        done += 1
    return done
