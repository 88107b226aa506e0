from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.judging.cgi import HEADER_LINES, answer_of_run, parse_cgi
from grader.judging.http import BODY_BYTES
from grader.testing import completed


def code(output: bytes) -> str | None:
    reason = parse_cgi("/x", output).reason
    assert reason is None or reason.params["path"] == "/x"
    return reason.code if reason else None


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"\n", b"\r\n"])
def test_lines_end_with_lf_or_crlf_and_a_program_may_mix_them(end: bytes, last: bytes) -> None:
    answer = parse_cgi("/", b"Content-Type: text/html; charset=utf-8" + end + b"X-A:1" + end + last + b"<p>\r\n\n<p>")
    assert (answer.status, answer.content_type, answer.body) == (200, "text/html; charset=utf-8", "<p>\r\n\n<p>")
    assert answer.reason is None


@pytest.mark.parametrize(
    "head", [b"Status: 404 Not Found", b"status:404", b"HTTP/1.1 404 Not Found", b"HTTP/1.0 404", b"HTTP/2 404 "]
)
def test_the_status_is_a_header_or_a_status_line(head: bytes) -> None:
    assert parse_cgi("/", head + b"\nContent-Type: text/plain\n\nno").status == 404


def test_headers_may_stand_in_any_order() -> None:
    lines = [b"Status: 404 Not Found\n", b"X-A: b\n", b"Content-Type: text/plain\n"]
    for head in itertools.permutations(lines):
        answer = parse_cgi("/", b"".join(head) + b"\nno")
        assert (answer.status, answer.content_type, answer.body) == (404, "text/plain", "no")


def test_a_location_without_a_status_is_a_redirection() -> None:
    assert parse_cgi("/", b"Location: http://localhost/elsewhere\n\n").status == 302
    assert parse_cgi("/", b"Status: 201 Created\nLocation: /elsewhere\n\n").status == 201


def test_a_body_is_bytes() -> None:
    body = bytes(range(256))
    assert parse_cgi("/", b"Content-Type: a/b\n\n" + body).body.encode("latin-1") == body


def test_a_missing_type_is_for_the_check_of_the_route() -> None:
    answer = parse_cgi("/", b"X: y\n\n<p>")
    assert (answer.content_type, answer.reason) == (None, None)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"", "cgi.empty"),
        (b"\r\n\n", "cgi.empty"),
        (b"Content-Type: text/html\n<p>", "cgi.no-end"),
        (b"Content-Type: text/html\n", "cgi.no-end"),
        (b"Content-Type: text/html", "cgi.no-end"),
        (b"Content-Type: text/html\n charset=x\n\n", "cgi.folded"),
        (b"Content-Type: text/html\nX: \xc3\xa9\n\n", "cgi.not-ascii"),
        (b"Content-Type: text/html\ncontent-type: text/html\n\n", "cgi.twice"),
        (b"Status: 200\nStatus: 500\n\n", "cgi.twice"),
        (b"HTTP/1.1 200 OK\nStatus: 500\n\n", "cgi.twice"),
        (b"Status: fine\n\n", "cgi.bad-status"),
        (b"Status: 2000\n\n", "cgi.bad-status"),
        (b"two words: x\n\n", "cgi.not-a-header"),
        (b": x\n\n", "cgi.not-a-header"),
        (b"X: \x1b[31m\n\n", "cgi.not-a-header"),
        (b"X: a\rY: b\n\n", "cgi.not-a-header"),
        (b"Content-Type: text/html\nHTTP/1.1 200 OK\n\n", "cgi.not-a-header"),
        (b"X: y\n" * 1_000_000 + b"\n", "cgi.too-many"),
        (b"X" * 1_000_000, "cgi.no-end"),
    ],
)  # fmt: skip
def test_what_is_no_answer_says_why(output: bytes, expected: str) -> None:
    assert code(output) == expected


def test_json_without_a_head_is_no_answer() -> None:
    assert code(b'{"moscow_time": "2025"}\n') == "cgi.no-end"
    assert code(b'{\n  "moscow_time": "2025"\n}\n\n') == "cgi.not-a-header"


@pytest.mark.parametrize("name", [b"X", b"Content-Type", b"Status"])
def test_a_line_of_blanks_is_read_in_one_go(name: bytes) -> None:
    """A program may print a megabyte of them; a reader that tries each again as the value's end does not come back."""
    blanks = b" \t" * 500_000
    answer = parse_cgi("/", name + b":" + blanks + b"204" + blanks + b"\n\n")
    assert (answer.reason, answer.status) == (None, 204 if name == b"Status" else 200)
    assert answer.content_type == ("204" if name == b"Content-Type" else None)
    assert code(name + b":1" + blanks + b"x\n\n") == ("cgi.bad-status" if name == b"Status" else None)


def test_as_many_header_lines_as_allowed_pass() -> None:
    assert code(b"X: y\n" * HEADER_LINES + b"\n") is None


def test_a_longer_body_is_cut_where_its_check_sees_it() -> None:
    assert len(parse_cgi("/", b"X: y\n\n" + b"a" * (2 * BODY_BYTES)).body) == BODY_BYTES + 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outcome": "failed", "exit_code": 2, "stderr": "panic: no\n"}, "cgi.exit"),
        ({"outcome": "failed", "exit_code": None, "signal": 11}, "cgi.signal"),
        ({"outcome": "timeout", "exit_code": None, "reason": {"code": "run.timeout"}}, "run.timeout"),
    ],
)
def test_a_run_that_ended_badly_is_no_answer_whatever_it_printed(changes: dict[str, object], expected: str) -> None:
    answer = answer_of_run("/", completed("Content-Type: text/html\n\n<p>", **changes))
    assert answer.reason is not None
    assert answer.reason.code == expected
    assert answer.body == "<p>"


LINE = st.one_of(
    st.sampled_from([b"", b"\r", b"Content-Type: text/html", b"Status: 200", b"HTTP/1.1 200 OK", b" x", b"X: y\r"]),
    st.binary(max_size=30),
)


@given(st.lists(LINE, max_size=12))
def test_no_output_breaks_the_reader(lines: list[bytes]) -> None:
    output = b"\n".join(lines)
    answer = parse_cgi("/", output)
    if answer.reason is None:
        assert output.endswith(answer.body.encode("latin-1"))
        assert answer.status is not None
