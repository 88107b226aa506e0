from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.judging.http import BODY_BYTES, judge_answer
from grader.judging.probes import WallClock
from grader.model.base import Message
from grader.model.lab import HttpGet, JsonCheck
from grader.model.run import Answer
from grader.render.catalogue import words

NOW = 1_764_272_795
CLOCK = WallClock(before=NOW, after=NOW + 0.5)
PAGE = HttpGet(path="/", type="text/html")
TIME = HttpGet(
    path="/api/time",
    type="application/json",
    checks=(
        JsonCheck(key="timestamp", within_s=2),
        JsonCheck(key="local", offset="+03:00", same_instant_as="timestamp"),
    ),
)
RIGHT = {"timestamp": NOW, "local": "2025-11-27 22:46:35 MSK"}


def why(get: HttpGet, body: str, content_type: str | None = None, status: int = 200) -> Message | None:
    answer = Answer(path=get.path, status=status, content_type=content_type or get.type, body=body)
    return judge_answer(get, answer, CLOCK).reason


def code(get: HttpGet, body: str, content_type: str | None = None, status: int = 200) -> str | None:
    reason = why(get, body, content_type, status)
    return reason.code if reason else None


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=utf-8", "Text/HTML ;charset=x"])
def test_a_page_is_right_whatever_follows_its_media_type(content_type: str) -> None:
    assert code(PAGE, "\n <!DOCTYPE html><p>", content_type) is None


def test_a_page_may_begin_with_a_byte_order_mark() -> None:
    assert code(PAGE, "\xef\xbb\xbf<p>") is None


@pytest.mark.parametrize(
    ("body", "expected"), [("", "answer.empty"), (" \n", "answer.empty"), ("hello <p>", "answer.not-html")]
)
def test_what_is_no_page(body: str, expected: str) -> None:
    assert code(PAGE, body) == expected


def test_status_and_type_come_before_the_body() -> None:
    assert code(PAGE, "", status=404) == "answer.status"
    assert code(PAGE, "", "text/plain") == "answer.type"
    bare = Answer(path="/", status=200, content_type=None, body="<p>")
    assert judge_answer(PAGE, bare, CLOCK).reason == Message(
        code="answer.no-type", params={"path": "/", "expected": "text/html"}
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps(RIGHT), None),
        (json.dumps(RIGHT | {"timestamp": NOW - 60}), "answer.not-now"),
        (json.dumps(RIGHT | {"local": "2025-11-27 19:46:35"}), "answer.other-instant"),
        (json.dumps(RIGHT | {"timestamp": "now"}), "answer.wrong-value"),
        (json.dumps({"timestamp": NOW}), "answer.key-missing"),
        ("[1]", "answer.not-object"),
        ("<p>", "answer.not-json"),
        ("", "answer.empty"),
    ],
)
def test_json_of_a_route_is_checked_as_a_programs_output_is(body: str, expected: str | None) -> None:
    assert code(TIME, body) == expected


def test_a_reason_names_its_route_in_words() -> None:
    reason = why(TIME, json.dumps(RIGHT | {"timestamp": NOW - 60}))
    assert reason is not None
    assert "/api/time" in words(reason)


def test_a_body_above_the_cap_is_not_judged() -> None:
    assert code(PAGE, "<" * (BODY_BYTES + 1)) == "answer.too-large"
    assert code(PAGE, "<" * BODY_BYTES) is None


def test_an_answer_that_nobody_could_read_keeps_its_reason() -> None:
    closed = Answer(path="/", status=None, content_type=None, body="", reason=Message(code="answer.closed"))
    assert judge_answer(PAGE, closed, CLOCK) == closed


@given(st.integers(0, 999), st.text(max_size=20), st.binary(max_size=200), st.booleans())
def test_no_answer_breaks_the_judge(status: int, content_type: str, body: bytes, typed: bool) -> None:
    for get in (PAGE, TIME):
        said = get.type if typed else content_type
        answer = Answer(path="/", status=status, content_type=said, body=body.decode("latin-1"))
        judged = judge_answer(get, answer, CLOCK)
        assert judged.model_copy(update={"reason": None}) == answer
