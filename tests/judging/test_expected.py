from __future__ import annotations

import bisect
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.judging.expected import (
    Expectation,
    Freshness,
    Printed,
    check_exit,
    check_printed,
    printed_keys,
    tail_of,
)

AT = 1_700_000_000.5


def why(expected: Expectation, data: bytes, *, keys: tuple[str, ...] | None = None, cut: bool = False) -> str | None:
    reason = check_printed(expected, Printed(data=data, at=AT, cut=cut), keys)
    return None if reason is None else reason.code


@pytest.mark.parametrize("data", [b"", b"anything", b"\xff"])
def test_without_an_expectation_any_output_counts(data: bytes) -> None:
    assert why(Expectation(), data, cut=True) is None


@pytest.mark.parametrize(
    "expected", [Expectation(json_=True), Expectation(regex="."), Expectation(fresh=Freshness(key="t"))]
)
@pytest.mark.parametrize("data", [b"", b"\n \n"])
def test_empty_output_is_bad_where_output_decides(expected: Expectation, data: bytes) -> None:
    assert why(expected, data) == "probe.empty"


@pytest.mark.parametrize("data", [b'{"a": 1}', b"[1]\n", b'"word"', b" 7 "])
def test_any_json_value_is_json_with_or_without_a_final_newline(data: bytes) -> None:
    assert why(Expectation(json_=True), data) is None


@pytest.mark.parametrize("data", [b"{", b"word", b'{"a": 1} {"a": 1}', b'{"a": "\xff"}', b"[" * 100_000])
def test_what_is_no_json_is_bad(data: bytes) -> None:
    assert why(Expectation(json_=True), data) == "probe.not-json"


def test_an_object_has_the_keys_of_the_first_run() -> None:
    expected = Expectation(json_=True)
    keys = printed_keys(expected, Printed(data=b'{"b": 1, "a": 2}', at=AT))
    assert why(expected, b'{"a": 0, "b": {"c": 1}}', keys=keys) is None
    assert why(expected, b'{"error": "no"}', keys=keys) == "bench.other-keys"
    assert why(expected, b"[]", keys=keys) == "bench.other-keys"


def test_a_regular_expression_is_searched_for_line_by_line_in_whatever_bytes() -> None:
    assert why(Expectation(regex=r"^ok \d+$"), b"\xff\xfe\nok 12\n") is None
    assert why(Expectation(regex=r"^ok \d+$"), b"not ok 12") == "bench.no-match"


def test_output_that_was_cut_is_not_judged_by_its_end() -> None:
    assert why(Expectation(regex="x"), b"x", cut=True) == "run.output-limit"


@pytest.mark.parametrize(
    "value",
    [AT, AT - 1.9, int(AT), AT * 1000, str(int(AT)), "2023-11-14T22:13:20Z", "2023-11-15T01:13:21.5+03:00"],
)
def test_a_time_close_to_the_first_byte_is_fresh(value: object) -> None:
    assert why(Expectation(fresh=Freshness(key="t")), json.dumps({"t": value}).encode()) is None


@pytest.mark.parametrize("value", [AT - 2.1, AT + 2.1, 0, "2023-11-14T22:13:10Z", (AT - 10) * 1000])
def test_another_time_is_stale(value: object) -> None:
    assert why(Expectation(fresh=Freshness(key="t")), json.dumps({"t": value}).encode()) == "probe.not-now"


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, [], "soon", "2023-11-14T22:13:20", "nan", "1e999", float("nan"), float("inf")),
        *(10**400, -(10**400), "9" * 400, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_moment_is_bad(value: object) -> None:
    code = why(Expectation(fresh=Freshness(key="t")), json.dumps({"t": value}).encode())
    assert code in ("probe.wrong-value", "probe.not-now")


def test_freshness_needs_an_object_with_the_key() -> None:
    expected = Expectation(fresh=Freshness(key="t"))
    assert why(expected, b"[1]") == "probe.not-object"
    assert why(expected, b'{"time": 1}') == "probe.key-missing"


@pytest.mark.parametrize("outer", [b'{"t": %b}', b"[%b]"])
def test_a_value_as_deep_as_can_be_read_may_be_deeper_than_can_be_shown(outer: bytes) -> None:
    expected = Expectation(fresh=Freshness(key="t"))

    def code(deep: int) -> str | None:
        return why(expected, outer % (b"[" * deep + b"]" * deep))

    # How deep that is differs between versions of Python, and with what called us.
    edge = bisect.bisect_left(range(200_000), True, key=lambda deep: code(deep) == "probe.not-json")
    codes = {code(deep) for deep in range(max(1, edge - 100), edge + 100)}
    assert codes == {"probe.not-json", "probe.wrong-value" if outer.startswith(b"{") else "probe.not-object"}


@given(st.binary(max_size=200))
def test_no_output_breaks_a_check(data: bytes) -> None:
    for expected in (Expectation(json_=True, regex="a"), Expectation(fresh=Freshness(key="t", within_s=1))):
        reason = check_printed(expected, Printed(data=data, at=AT), ("a",))
        assert reason is None or reason.code


def test_an_exit_code_is_what_was_expected_or_a_reason_with_the_last_line() -> None:
    assert check_exit(Expectation(), 0, None, b"a warning\n") is None
    assert check_exit(Expectation(exit=3), 3, None, b"") is None
    reason = check_exit(Expectation(), 125, None, b"first\nno such image\n\n")
    assert reason is not None
    assert (reason.code, reason.params["exit"], reason.params["said"]) == ("bench.exit", 125, "no such image")
    silent = check_exit(Expectation(exit=3), 0, None, b"")
    assert silent is not None
    assert silent.code == "bench.exit-silent"
    killed = check_exit(Expectation(), None, 9, b"")
    assert killed is not None
    assert killed.params["signal"] == 9


def test_a_tail_is_the_end_of_the_first_stream_that_says_anything() -> None:
    assert tail_of(b" \n", b"a\nb\n") == "a\nb"
    assert tail_of(b"x" * 5000 + b"end", b"other").endswith("xend")
    assert len(tail_of(b"x" * 5000)) == 1000
    assert tail_of(b"\n".join(b"%d" % n for n in range(50))).splitlines()[0] == "40"
    assert tail_of(b"\xff") == "\ufffd"
    assert tail_of(b"", b"") == ""
