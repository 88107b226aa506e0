from __future__ import annotations

import json
import statistics

import pytest

from grader.exports.hyperfine import hyperfine_json
from tests.benches import arm, bench, failed_arm, times

RUNS = 12
QUICK, SLOW = times(0.05, RUNS), times(0.08, RUNS)


def results(data: bytes) -> list[dict[str, object]]:
    document = json.loads(data)
    assert list(document) == ["results"]
    found = document["results"]
    assert isinstance(found, list)
    return found


def test_every_run_that_counts_is_there_under_the_arms_name() -> None:
    quick, slow = results(hyperfine_json(bench([arm("quick", QUICK), arm("slow", SLOW)])))
    assert (quick["command"], quick["times"]) == ("quick", QUICK)
    assert (slow["command"], slow["times"]) == ("slow", SLOW)
    assert slow["exit_codes"] == [0] * RUNS


def test_the_summary_is_of_those_times() -> None:
    (found,) = results(hyperfine_json(bench([arm("slow", SLOW)])))
    assert found["mean"] == pytest.approx(sum(SLOW) / RUNS)
    assert found["stddev"] == pytest.approx(statistics.stdev(SLOW))
    assert found["median"] == sum(sorted(SLOW)[RUNS // 2 - 1 : RUNS // 2 + 1]) / 2
    assert (found["min"], found["max"]) == (min(SLOW), max(SLOW))


def test_one_run_has_no_standard_deviation() -> None:
    (found,) = results(hyperfine_json(bench([arm("slow", SLOW[:1])])))
    assert found["stddev"] is None


def test_an_arm_that_failed_is_not_in_it() -> None:
    found = results(hyperfine_json(bench([arm("quick", QUICK), failed_arm("gone", good=[0.1])])))
    assert [r["command"] for r in found] == ["quick"]


def test_times_are_those_that_the_ratio_rests_on() -> None:
    result = bench([arm("quick", QUICK), arm("slow", SLOW)], changes={"clock": "start"})
    assert results(hyperfine_json(result))[0]["times"] == [0.75 * t for t in QUICK]
