"""CGI programs: one run a route, the first wrong answer ends it, and the checks are those of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import HostError
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.run import Completed
from grader.testing import completed
from tests.samplelab import NOW, engine, right_output, serving_lab
from tests.workflow.test_measure import Desk, facts

PAGE = "Content-Type: text/html; charset=utf-8\n\n<p>"
Program = Callable[[str], Completed]


def says(time: str, page: str = PAGE) -> Program:
    return lambda path: completed(time if path == "/api/time" else page)


def json_answer(body: str, end: str = "\n", status: str = "") -> str:
    return f"{status}Content-Type: application/json{end}{end}{body}"


RIGHT = says(json_answer(right_output()))


class Rig:
    """One desk and the CGI programs of both subjects."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, serving_lab())

    def fact(self, native: Program, subject: str = "native", wasm: Program = RIGHT) -> Fact:
        self.fake = engine(cgi={"process": native, "wasmtime": wasm})
        self.measured = self.desk.measure(self.fake)
        arm = {"native": "process", "wasm": "wasmtime"}[subject]
        return facts(self.measured)[f"{subject}.wagi_output@{arm}"]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.mark.parametrize("subject", ["native", "wasm"])
def test_both_routes_of_both_subjects_are_asked(rig: Rig, subject: str) -> None:
    fact = rig.fact(RIGHT, subject)
    assert (fact.state, fact.value) == ("measured", "valid")
    meta = json.loads(rig.measured.step_files()[f"probe-wagi-{subject}-{fact.arm}/meta.json"])
    assert [(answer["path"], answer["status"]) for answer in meta["answers"]] == [("/", 200), ("/api/time", 200)]


@pytest.mark.parametrize(
    "output",
    [
        json_answer(right_output(), "\r\n"),
        json_answer(right_output(), status="Status: 200 OK\n"),
        json_answer(right_output(), "\r\n", status="HTTP/1.1 200 OK\r\n"),
        json_answer(right_output() + "\n"),
    ],
)
def test_every_form_of_a_right_answer_is_right(rig: Rig, output: str) -> None:
    assert rig.fact(says(output)).state == "measured"


@pytest.mark.parametrize(
    ("program", "expected", "path"),
    [
        (says(json_answer("{}")), "answer.key-missing", "/api/time"),
        (says(json_answer("moscow")), "answer.not-json", "/api/time"),
        (says(json_answer(right_output(NOW - 60))), "answer.not-now", "/api/time"),
        (says(json_answer(right_output(), status="Status: 500 Broken\n")), "answer.status", "/api/time"),
        (says(right_output()), "cgi.no-end", "/api/time"),
        (says(PAGE), "answer.type", "/api/time"),
        (says(json_answer(right_output()), json_answer("{}")), "answer.type", "/"),
        (says(json_answer(right_output()), ""), "cgi.empty", "/"),
        (lambda path: completed(PAGE, outcome="failed", exit_code=1, stderr="panic: no"), "cgi.exit", "/"),
    ],
)
def test_a_wrong_answer_is_the_students_failure_and_the_route_is_named(
    rig: Rig, program: Program, expected: str, path: str
) -> None:
    fact = rig.fact(program)
    assert fact.reason is not None
    assert (fact.state, fact.reason.code, fact.reason.params["path"]) == ("failed", expected, path)


def test_what_is_wrong_on_the_command_line_is_wrong_on_the_route(rig: Rig) -> None:
    """The same reason, for the same words, with the route in it."""
    local = json.loads(right_output()) | {"local": "2025-11-27 19:46:35"}
    fact = rig.fact(says(json_answer(json.dumps(local))))
    once = engine(runs={"process": lambda: completed(json.dumps(local))})
    told = facts(rig.desk.measure(once, use_cache=False))["native.cli_output@process"].reason
    assert fact.reason is not None
    assert told is not None
    assert fact.reason.code.partition(".")[2] == told.code.partition(".")[2] == "other-instant"
    assert fact.reason.params == {**told.params, "path": "/api/time"}


def test_the_first_wrong_answer_is_the_last_run(rig: Rig) -> None:
    asked: list[str] = []

    def program(path: str) -> Completed:
        asked.append(path)
        return completed("")

    rig.fact(program)
    assert asked == ["/"]


def test_a_second_time_nothing_is_run(rig: Rig) -> None:
    assert rig.fact(RIGHT) == rig.fact(lambda path: pytest.fail("run again"))


def test_a_limit_is_told_and_tried_again(rig: Rig) -> None:
    limit = {"code": "run.timeout", "params": {"seconds": 60}}
    fact = rig.fact(lambda path: completed("", outcome="timeout", exit_code=None, reason=limit))
    assert fact.reason is not None
    assert fact.reason.code == "run.timeout"
    assert rig.fact(RIGHT).state == "measured"


def test_a_boundary_that_breaks_is_our_fault_and_is_tried_again(rig: Rig) -> None:
    def broken(path: str) -> Completed:
        raise HostError("no namespaces")

    fact = rig.fact(broken)
    assert (fact.state, fact.reason) == (
        "not_run",
        Message(code="infra.run-broke", params={"detail": "no namespaces"}),
    )
    assert rig.fact(RIGHT).state == "measured"
