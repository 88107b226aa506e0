from __future__ import annotations

from grader.model.run import Sample
from grader.stats.plan import complete_rounds


def run(arm: str, round_index: int, *, good: bool = True) -> Sample:
    return Sample(
        arm=arm,
        round_index=round_index,
        outcome="ok" if good else "failed",
        total_s=1.0 if good else None,
        first_output_s=None,
        exit_code=0 if good else 1,
        started_s=0.0,
    )


def test_a_round_is_complete_once_every_arm_that_is_still_in_has_run() -> None:
    two = [run(arm, r) for r in range(2) for arm in "ab"]
    assert complete_rounds([], "ab") == 0
    assert complete_rounds(two, "ab") == 2
    assert complete_rounds(two[:3], "ab") == 1
    assert complete_rounds([*two[2:]], "ab") == 0, "from the first on"
    assert complete_rounds([*two, run("a", 1)], "ab") == 1, "each arm once"


def test_an_arm_is_out_after_its_first_bad_run() -> None:
    out = [run("a", 0), run("b", 0, good=False), run("a", 1)]
    assert complete_rounds(out, "ab") == 2
    assert complete_rounds([*out, run("b", 2), run("a", 2)], "ab") == 2
