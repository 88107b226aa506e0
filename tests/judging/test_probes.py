from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader.judging.probes import VALID, WallClock, check_run, judge_probe
from grader.model.base import canonical_json
from grader.model.lab import JsonCheck, StdoutJsonProbe
from grader.model.run import Completed

PROBE = StdoutJsonProbe(
    metric="cli_output",
    env={"MODE": "once"},
    checks=(
        JsonCheck(key="timestamp", within_s=2),
        JsonCheck(key="moscow_time", offset="+03:00", same_instant_as="timestamp"),
    ),
    arms={"native": ("process",)},
)
NOW = 1_764_272_795
"""2025-11-27 19:46:35 UTC, so 22:46:35 in Moscow."""
CLOCK = WallClock(before=NOW + 0.4, after=NOW + 0.5)


def printed(text: str, **changes: object) -> Completed:
    run = Completed(
        argv=("/p",), outcome="ok", exit_code=0, stdout=text, stderr="", first_output_s=0.001, total_s=0.002
    )
    return run.model_copy(update=changes)


def code(text: str, clock: WallClock = CLOCK, **changes: object) -> str | None:
    reason = check_run(PROBE, printed(text, **changes), clock)
    return reason.code if reason else None


def clock_output(timestamp: object = NOW, moscow: object = "2025-11-27 22:46:35 MSK", **more: object) -> str:
    return json.dumps({"moscow_time": moscow, "timestamp": timestamp, **more})


def test_the_right_instant_passes_with_a_value_that_is_the_same_on_every_run() -> None:
    result = judge_probe("once", PROBE, "native", "process", printed(clock_output()), CLOCK)
    assert (result.state, result.value, result.reason) == ("passed", VALID, None)


@pytest.mark.parametrize("label", ["", " MSK", "+03:00", " UTC+0300", " +03:00", " +03"])
def test_a_zone_may_be_named_or_left_out(label: str) -> None:
    assert code(clock_output(moscow="2025-11-27 22:46:35" + label)) is None


@pytest.mark.parametrize(
    "label", [" +0900", "+00:00", " EST-05:00", "-03:00", " UTC", " GMT", "Z", " utc", " MSK+03:30", " +03:00 or so"]
)
def test_a_zone_that_names_another_offset_is_another_instant(label: str) -> None:
    assert code(clock_output(moscow="2025-11-27 22:46:35" + label)) == "probe.other-instant"


@pytest.mark.parametrize("label", ["Z", " UTC", " GMT", "-00:00", ""])
def test_universal_time_may_call_itself_so(label: str) -> None:
    check = JsonCheck(key="utc", offset="+00:00", same_instant_as="timestamp")
    text = json.dumps({"utc": "2025-11-27 19:46:35" + label, "timestamp": NOW})
    assert check_run(PROBE.model_copy(update={"checks": (check,)}), printed(text), CLOCK) is None


def test_more_keys_than_asked_for_do_no_harm() -> None:
    assert code(clock_output(runtime="wasm")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "probe.empty"),
        ("Server starting on :8080", "probe.not-json"),
        (clock_output() + "\nbye", "probe.not-json"),
        ('{"timestamp": NaN}', "probe.not-json"),
        ('{"timestamp": 1, "timestamp": 2}', "probe.not-json"),
        ("[" * 100_000, "probe.not-json"),
        ('{"timestamp": ' + "9" * 5000 + "}", "probe.not-json"),
        ("\xff\xfe", "probe.not-json"),
        ("[1]", "probe.not-object"),
        ("{}", "probe.key-missing"),
        ('{"Timestamp": 1}', "probe.key-missing"),
        (clock_output(timestamp=str(NOW)), "probe.wrong-value"),
        (clock_output(timestamp=True), "probe.wrong-value"),
        (clock_output(timestamp=NOW + 0.5), "probe.wrong-value"),
        (clock_output(timestamp=NOW - 3600), "probe.not-now"),
        (clock_output(timestamp=10**30), "probe.not-now"),
        (clock_output(moscow="2025-11-27 19:46:35 UTC"), "probe.other-instant"),
        (clock_output(moscow="2025-11-27 22:46:36 MSK"), "probe.other-instant"),
        (clock_output(moscow="2025-11-27 22:46:35; rm"), "probe.other-instant"),
        (clock_output(moscow=None), "probe.wrong-value"),
    ],
)
def test_wrong_output_is_named(text: str, expected: str) -> None:
    assert code(text) == expected


def test_the_message_names_key_found_and_expected() -> None:
    reason = check_run(PROBE, printed(clock_output(moscow="2025-11-27 19:46:35 UTC")), CLOCK)
    assert reason is not None
    assert reason.params == {
        "key": "moscow_time",
        "found": "2025-11-27 19:46:35 UTC",
        "expected": "2025-11-27 22:46:35",
        "offset": "+03:00",
        "other": "timestamp",
    }


@given(st.floats(-10, 10))
def test_fresh_means_at_most_the_tolerance_before_the_run_or_after_it(shift: float) -> None:
    clock = WallClock(before=NOW + shift, after=NOW + shift + 0.25)
    fresh = -2.25 <= shift <= 2
    assert (code(clock_output(), clock) is None) == fresh


@given(st.integers(0, 4_000_000_000))
def test_moscow_time_is_three_hours_ahead_at_any_instant(timestamp: int) -> None:
    moscow = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=timestamp, hours=3)
    clock = WallClock(before=timestamp, after=timestamp)
    text = clock_output(timestamp, moscow.strftime("%Y-%m-%d %H:%M:%S"))
    assert code(text, clock) is None
    assert code(clock_output(timestamp, f"{moscow + timedelta(hours=-3):%Y-%m-%d %H:%M:%S}"), clock) is not None


def test_a_run_that_failed_does_not_count_whatever_it_printed() -> None:
    stale = {"outcome": "failed", "exit_code": 3, "stderr": "first\nlast words\x1b[31m\n"}
    reason = check_run(PROBE, printed(clock_output(), **stale), CLOCK)
    assert reason is not None
    assert (reason.code, reason.params["exit"]) == ("probe.exit", 3)
    assert str(reason.params["said"]).startswith("last words")
    assert "\x1b" not in str(reason.params["said"])
    assert code(clock_output(), outcome="failed", exit_code=None, signal=11) == "probe.signal"


def test_the_line_that_names_a_panic_is_quoted_rather_than_the_end_of_its_trace() -> None:
    trace = "starting\npanic: no clock\n\ngoroutine 1 [running]:\nmain.main()\n\t/w/main.go:9 +0x47\n"
    reason = check_run(PROBE, printed("", outcome="failed", exit_code=2, stderr=trace), CLOCK)
    assert reason is not None
    assert reason.params == {"exit": 2, "said": "panic: no clock"}


@given(st.text(st.characters(codec=None, categories=None)))
@example("\ud800")
def test_any_output_is_judged_and_never_raises(text: str) -> None:
    latin = text.encode("utf-8", "surrogatepass").decode("latin-1")
    for said in (latin, json.dumps({"timestamp": NOW, "moscow_time": text}), json.dumps({text: 1})):
        canonical_json(judge_probe("once", PROBE, "native", "process", printed(said), CLOCK))
