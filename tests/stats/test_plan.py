from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from grader.stats.plan import plan_rounds


@given(st.lists(st.text(min_size=1), unique=True, max_size=6), st.integers(0, 20), st.integers())
def test_every_round_holds_every_arm_once_and_the_seed_decides(arms: list[str], rounds: int, seed: int) -> None:
    plan = plan_rounds(arms, rounds, seed)
    assert [Counter(order) for order in plan] == [Counter(arms)] * rounds
    assert plan_rounds(arms, rounds, seed) == plan


def test_each_arm_comes_first_about_equally_often() -> None:
    first = Counter(order[0] for order in plan_rounds(("a", "b", "c"), 3000, seed=7))
    # 1000 expected, standard deviation 26: five of them.
    assert all(abs(count - 1000) < 130 for count in first.values())
    assert len(first) == 3


def test_another_seed_gives_another_order() -> None:
    assert plan_rounds("abcd", 10, 1) != plan_rounds("abcd", 10, 2)
