from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest

from grader.exports.hyperfine import hyperfine_json
from tests.benches import arm, bench, failed_arm, times, uncounted_arm

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


def test_an_arm_whose_rounds_the_time_limit_cut_off_is_not_in_it() -> None:
    found = results(hyperfine_json(bench([uncounted_arm("slow", 0.3), failed_arm("gone")])))
    assert found == []


def test_times_are_those_that_the_ratio_rests_on() -> None:
    result = bench([arm("quick", QUICK), arm("slow", SLOW)], changes={"clock": "start"})
    assert results(hyperfine_json(result))[0]["times"] == [0.75 * t for t in QUICK]


def test_processor_time_is_averaged() -> None:
    timed = arm("quick", QUICK)
    samples = [s.model_copy(update={"user": 0.01 * i, "system": 0.002}) for i, s in enumerate(timed.samples)]
    (found,) = results(hyperfine_json(bench([timed.model_copy(update={"samples": tuple(samples)})])))
    assert found["user"] == pytest.approx(0.01 * sum(range(1, RUNS + 1)) / RUNS)
    assert found["system"] == pytest.approx(0.002)


@pytest.mark.once
def test_it_has_the_fields_and_types_that_hyperfine_itself_writes(tmp_path: Path) -> None:
    hyperfine = shutil.which("hyperfine")
    if hyperfine is None:
        pytest.skip("needs: hyperfine: there is none on PATH")
    file = tmp_path / "theirs.json"
    options = ["-N", "--runs", "3", "--style", "none", "--export-json", str(file), "--command-name", "quick", "true"]
    subprocess.run([hyperfine, *options], check=True, capture_output=True)
    (theirs,) = results(file.read_bytes())
    timed = arm("quick", QUICK)
    samples = tuple(s.model_copy(update={"user": 0.01, "system": 0.002}) for s in timed.samples)
    (ours,) = results(hyperfine_json(bench([timed.model_copy(update={"samples": samples})])))
    assert ours["command"] == theirs["command"]
    assert {name: type(value) for name, value in ours.items()} == {name: type(value) for name, value in theirs.items()}


def test_what_was_not_read_is_not_made_up() -> None:
    (found,) = results(hyperfine_json(bench([arm("quick", QUICK)])))
    assert found["user"] is None
    assert "memory_usage_byte" not in found, "peaks are read in runs of their own"
