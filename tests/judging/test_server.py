from __future__ import annotations

import pytest

from grader.judging.server import printed_word, spread, unexpected_failure, why_no_answer
from grader.model.base import Message
from grader.model.run import Answer, MemoryReading
from grader.testing import completed

GO = "2025/11/27 22:46:35 Server starting on :8080\nfatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1\n"
TINYGO = "2025/11/27 22:46:35 Server starting on :8080\n2025/11/27 22:46:35 Netdev not set\n"
WORDS = ("Netdev not set", "all goroutines are asleep")
REFUSED = Message(code="answer.refused", params={"path": "/", "port": 8080})
LIMIT = Message(code="run.memory-limit", params={"bytes": 1})


def wrong(reason: Message, status: int | None = None) -> Answer:
    return Answer(path="/", status=status, content_type=None, body="", reason=reason)


def reading(size: int, notion: str = "cgroup") -> MemoryReading:
    return MemoryReading.model_validate({"notion": notion, "size_bytes": size, "method": "read"})


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        ("", TINYGO, "Netdev not set"),
        (TINYGO, "", "Netdev not set"),
        ("", GO, "all goroutines are asleep"),
        ("Netdev", " not set", None),
        ("", "panic: out of luck\n", None),
    ],
)
def test_both_compilers_words_are_known_on_either_stream(stdout: str, stderr: str, expected: str | None) -> None:
    assert printed_word(WORDS, completed(stdout, stderr=stderr)) == expected


def test_another_failure_names_what_was_expected_and_what_was_said() -> None:
    done = completed("", stderr="starting\npanic: out of luck\n\ngoroutine 1\n", outcome="failed", exit_code=2)
    assert unexpected_failure(WORDS, done) == Message(
        code="server.other-failure",
        params={"expected": "Netdev not set, all goroutines are asleep", "said": "panic: out of luck"},
    )


def test_who_says_nothing_on_stderr_is_quoted_from_stdout() -> None:
    assert unexpected_failure(WORDS, completed("bye\n")).params["said"] == "bye"


def test_a_limit_tells_more_than_any_words() -> None:
    done = completed("", outcome="failed", exit_code=2, stderr="panic: x\n", reason=LIMIT)
    assert unexpected_failure(WORDS, done) == LIMIT
    assert why_no_answer(wrong(REFUSED), done, ended=True, waited_s=20) == LIMIT


@pytest.mark.parametrize(
    ("answer", "changes", "ended", "expected"),
    [
        (wrong(Message(code="answer.status", params={"path": "/"}), 500), {}, True, "answer.status"),
        (wrong(REFUSED), {"outcome": "failed", "exit_code": 1}, True, "server.exited"),
        (wrong(REFUSED), {}, True, "server.exited"),
        (wrong(REFUSED), {"outcome": "failed", "exit_code": None, "signal": 11}, True, "server.killed"),
        (wrong(REFUSED), {"outcome": "failed", "exit_code": None, "signal": 15}, False, "server.no-answer"),
        (wrong(Message(code="answer.timeout", params={"path": "/"})), {}, False, "answer.timeout"),
    ],
    ids=["what it answered", "exit 1", "exit 0", "its own crash", "our SIGTERM", "its silence"],
)
def test_the_reason_that_tells_most_is_given(
    answer: Answer, changes: dict[str, object], ended: bool, expected: str
) -> None:
    reason = why_no_answer(answer, completed("", **changes), ended=ended, waited_s=20)
    assert (reason.code, reason.params["path"]) == (expected, "/")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outcome": "failed", "exit_code": 1}, "server.exited-later"),
        ({"outcome": "failed", "exit_code": None, "signal": 11}, "server.killed-later"),
    ],
)
def test_a_server_that_dies_among_many_requests_is_told_how_far_it_came(
    changes: dict[str, object], expected: str
) -> None:
    done = completed("", **changes)
    reason = why_no_answer(wrong(REFUSED), done, ended=True, waited_s=20, asked=300, requests=1000)
    assert (reason.code, reason.params["answers"], reason.params["requests"]) == (expected, 300, 1000)


def test_an_exit_with_0_is_told_as_one() -> None:
    assert why_no_answer(wrong(REFUSED), completed(), ended=True, waited_s=20).params["exit"] == 0


def test_spread_is_that_of_the_notion_that_moves_most() -> None:
    assert spread([(reading(100), reading(1000, "smaps")), (reading(90), reading(1000, "smaps"))]) == 0.1
    assert spread([(reading(100), reading(800, "smaps")), (reading(100), reading(1000, "smaps"))]) == 0.2


def test_nothing_read_does_not_move() -> None:
    assert spread([(), ()]) == 0.0
    assert spread([(reading(0),), (reading(0),)]) == 0.0
