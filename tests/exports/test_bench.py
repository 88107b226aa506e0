from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.errors import GraderError, UsageError
from grader.exports.bench import BENCH_COLUMNS, bench_csv, bench_json, read_bench
from grader.model.bench import Bench
from grader.stats.benchdiff import compare_benches
from tests.benches import arm, bench, failed_arm, times

RUNS = 12
QUICK, SLOW = times(0.05, RUNS), times(0.08, RUNS)


@pytest.fixture(scope="module")
def result() -> Bench:
    return bench([arm("quick", QUICK), arm("slow", SLOW), failed_arm("gone", good=[0.01, 0.02])])


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_json_reads_back_as_the_same_result(result: Bench) -> None:
    assert read_bench(bench_json(result), "old.json") == result


def test_json_says_which_format_it_is(result: Bench) -> None:
    assert json.loads(bench_json(result))["schema"] == "grader/bench/1"


@example("a\x7f\x9b[2J\u202e")
@given(st.text(min_size=1, max_size=30))
def test_any_name_and_output_survives_and_nothing_acts_on_a_terminal(text: str) -> None:
    given_ = bench([arm("base", QUICK), failed_arm(text + "'", tail=text)])
    data = bench_json(given_)
    assert read_bench(data, "x") == given_
    assert all(char == "\n" or " " <= char <= "~" for char in data.decode())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b'{"schema": "grader/bench/1", "arms": [', "cut off"),
        (b"[1, 2]", "no `schema`"),
        (b'{"results": []}', "no `schema`"),
        (b'{"schema": "grader/grade/1"}', "grader/grade/1"),
        (b'{"schema": 7}', "7"),
        (b'{"schema": "grader/bench/1"}', "arms"),
        (b'{"schema": "grader/bench/1", "seed": NaN}', "nan"),
        (b'{"schema": "grader/bench/1", "seed": 1e300}', "1e+300"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_what_is_no_result_is_refused_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_bench(data, "old.json")
    assert said in refused.value.what
    assert refused.value.where == "old.json"
    assert "--export-json" in refused.value.hint


def test_a_rule_of_ours_is_told_in_its_own_words(result: Bench) -> None:
    document = json.loads(bench_json(result))
    document["arms"][0]["failure"] = document["arms"][2]["failure"]
    with pytest.raises(UsageError) as refused:
        read_bench(json.dumps(document).encode(), "old.json")
    assert refused.value.what.startswith("`arms.0` does not fit: ")
    assert "Value error" not in refused.value.what


def test_a_field_that_breaks_a_rule_is_named(result: Bench) -> None:
    document = json.loads(bench_json(result))
    document["arms"][0]["state"] = "quick"
    with pytest.raises(UsageError, match=r"arms\.0\.state"):
        read_bench(json.dumps(document).encode(), "old.json")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("arms", 0, "samples", 1, "total"), 0.0, "greater than 0"),
        (("arms", 0, "samples", 1, "start"), -1.0, "greater than 0"),
        (("arms", 0, "samples", 1, "total"), None, "no time"),
        (("arms", 0, "n"), RUNS - 1, "quick"),
        (("arms", 1, "name"), "quick", "two arms are called `quick`"),
        (("ratios", 0, "denominator"), "nobody", "`nobody`"),
        (("ratios", 0, "denominator"), "gone", "`gone`"),
        (("ratios", 0, "ratio"), 0, "greater than 0"),
        (("noise", "probes", 0, "spawn_s"), [], "at least 1"),
    ],
)
def test_what_no_comparison_can_have_found_is_refused(
    result: Bench, place: Sequence[str | int], value: object, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        read_bench(json.dumps(changed(json.loads(bench_json(result)), place, value)).encode(), "old.json")


@settings(max_examples=300)
@given(st.data())
def test_a_result_that_somebody_edited_is_compared_or_refused(data: st.DataObject) -> None:
    """Numbers of every size: what passes the reader must not divide by zero further down."""
    base = bench([arm("quick", QUICK), arm("slow", SLOW), failed_arm("gone", good=[0.01])])
    document = json.loads(bench_json(base))
    value: object = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({})
    )
    edited = changed(document, data.draw(st.sampled_from(list(leaves(document)))), value)
    with contextlib.suppress(GraderError):
        other = read_bench(json.dumps(edited).encode(), "x")
        compare_benches(base, other, across_hosts=True)
        compare_benches(other, base, across_hosts=True)


def leaves(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of everything in a document that holds nothing further."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            yield from leaves(inner, (*place, at))
    else:
        yield place


def changed(document: Any, place: Sequence[str | int], value: object) -> Any:
    """Return the document with another value at a place."""
    *path, last = place
    inner = document
    for step in path:
        inner = inner[step]
    inner[last] = value
    return document


def test_csv_holds_every_run_with_its_exact_time(result: Bench) -> None:
    read = [row for row in rows(bench_csv(result)) if row["arm"] == "slow" and row["used"] == "1"]
    assert [float(row["total_s"]) for row in read] == SLOW


def test_csv_tells_what_does_not_count(result: Bench) -> None:
    read = rows(bench_csv(result))
    assert tuple(read[0]) == BENCH_COLUMNS
    assert len(read) == 2 * (RUNS + 1) + 3
    assert {row["used"] for row in read if row["phase"] == "warm-up"} == {"0"}
    bad = [row for row in read if row["outcome"] == "failed"]
    assert [(row["arm"], row["total_s"], row["exit"]) for row in bad] == [("gone", "", "125")]


def test_csv_is_in_the_order_in_which_the_runs_were_made(result: Bench) -> None:
    began = [float(row["at_s"]) for row in rows(bench_csv(result))]
    assert began == sorted(began)


def test_a_name_that_a_spreadsheet_would_run_is_quoted() -> None:
    read = rows(bench_csv(bench([arm("=1+1", QUICK)])))
    assert {row["arm"] for row in read} == {"'=1+1"}
