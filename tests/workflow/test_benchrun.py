from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from grader.errors import HostError, StillRunningError
from grader.judging.expected import Expectation, Freshness
from grader.model.run import Completed
from grader.ports import Clocked
from grader.testing import FakeClock, FakeServer, FakeStopwatch, clocked, completed, http_answer
from grader.workflow.benchrun import CommandArm, Ran, RunCheck, ServerArm, Url
from grader.workflow.waits import STANDARD, Waits

NOW = 1_700_000_000.0


def ran(run: Clocked | OSError, expected: Expectation | None = None, *, first_byte: bool = False) -> Ran:
    check = RunCheck(expected or Expectation(), first_byte=first_byte)
    return CommandArm("prog", FakeStopwatch(run), check).run(5.0)


def test_a_good_run_has_its_times() -> None:
    good = ran(clocked("out", total_s=0.25, first_output_s=0.125, user_s=0.5))
    assert (good.outcome, good.lasted_s, good.first_output_s, good.user_s) == ("ok", 0.25, 0.125, 0.5)


@pytest.mark.parametrize(
    ("run", "outcome", "code", "exit_code", "tail"),
    [
        (FileNotFoundError(2, "No such file or directory"), "not-started", "run.not-started", None, ""),
        (clocked("half", exit_code=125, stderr=b"no image\n"), "failed", "bench.exit", 125, "no image"),
        (clocked("half", exit_code=1), "failed", "bench.exit-silent", 1, "half"),
        (clocked(exit_code=None, signal=9), "failed", "probe.signal", None, ""),
        (clocked("some", exit_code=None, timed_out=True), "timeout", "run.timeout", None, "some"),
    ],
)
def test_a_run_that_ends_badly_keeps_code_reason_and_tail(
    run: Clocked | OSError, outcome: str, code: str, exit_code: int | None, tail: str
) -> None:
    bad = ran(run)
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.code, bad.exit_code, bad.tail) == (outcome, code, exit_code, tail)
    assert (bad.first_output_s, bad.user_s) == (None, None)


@pytest.mark.parametrize(("timeout_s", "told"), [(0.0005, 0.0005), (60 / 14, 4.286), (3.24e6, 3.24e6)])
def test_a_limit_that_was_met_is_told_with_four_digits(timeout_s: float, told: float) -> None:
    run = clocked("some", exit_code=None, timed_out=True)
    bad = CommandArm("prog", FakeStopwatch(run), RunCheck(Expectation())).run(timeout_s)
    assert bad.reason is not None
    assert bad.reason.params["seconds"] == told


def test_wrong_output_is_shown_rather_than_what_stands_beside_it() -> None:
    bad = ran(clocked("wrong", stderr=b"a warning"), Expectation(regex="right"))
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.code, bad.tail) == ("wrong-output", "bench.no-match", "wrong")


def test_a_first_byte_that_is_to_be_timed_must_come() -> None:
    assert ran(clocked("x"), first_byte=True).outcome == "ok"
    bad = ran(clocked(""), first_byte=True)
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.code) == ("wrong-output", "bench.no-output")


def test_freshness_is_measured_at_the_first_byte() -> None:
    """A program may go on for long after it said what time it is."""
    stamp = json.dumps({"now": 1_700_000_001})
    fresh = Expectation(fresh=Freshness(key="now", within_s=0.5))
    assert ran(clocked(stamp, first_output_s=1.2, total_s=30.0), fresh).outcome == "ok"
    assert ran(clocked(stamp, first_output_s=3.0, total_s=30.0), fresh).outcome == "wrong-output"


def test_later_runs_print_the_keys_of_the_first() -> None:
    watch = FakeStopwatch(clocked('{"a": 1}'), clocked('{"a": 2}'), clocked('{"error": 1}'))
    arm = CommandArm("prog", watch, RunCheck(Expectation(json_=True)))
    assert [arm.run(5.0).outcome for _ in range(3)] == ["ok", "ok", "wrong-output"]


def server_arm(server: FakeServer, expected: Expectation | None = None, waits: Waits = STANDARD) -> ServerArm:
    @contextmanager
    def serve(life_s: float) -> Iterator[FakeServer]:
        yield server
        server.stop(0)

    return ServerArm(serve, Url(port=8080, path="/now"), expected or Expectation(), FakeClock(NOW), waits=waits)


def test_a_server_is_timed_to_its_first_valid_answer_and_stopped() -> None:
    server = FakeServer({"/now": http_answer("hello")}, refusals=3, end=completed(total_s=2.0))
    good = server_arm(server).run(5.0)
    assert (good.outcome, good.lasted_s, server.asked) == ("ok", 2.0, ["/now"])
    assert good.first_output_s is not None
    assert server.stops > 0


@pytest.mark.parametrize(("end", "code"), [(completed(exit_code=0), 0), (completed(exit_code=None, signal=15), 143)])
def test_a_server_that_was_told_to_end_tells_how_as_in_a_shell(end: Completed, code: int) -> None:
    assert server_arm(FakeServer({"/now": http_answer("hello")}, end=end)).run(5.0).exit_code == code


def test_an_answer_counts_only_if_it_is_what_was_expected() -> None:
    impatient = Waits(patience_s=0.0)
    server = FakeServer({"/now": http_answer("starting")})
    bad = server_arm(server, Expectation(regex="ready"), impatient).run(30.0)
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.code, bad.tail) == ("wrong-output", "bench.no-match", "starting")
    bad = server_arm(FakeServer(), waits=impatient).run(30.0)
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.code) == ("wrong-output", "answer.status")


def test_an_answer_is_fresh_if_it_tells_when_it_came() -> None:
    fresh = Expectation(fresh=Freshness(key="now", within_s=0.5))
    for moment, outcome in ((NOW, "ok"), (NOW - 1, "wrong-output")):
        server = FakeServer({"/now": http_answer(json.dumps({"now": moment}))})
        assert server_arm(server, fresh, Waits(patience_s=0.0)).run(30.0).outcome == outcome


def test_later_answers_have_the_keys_of_the_first() -> None:
    server = FakeServer()
    arm = server_arm(server, Expectation(json_=True), Waits(patience_s=0.0))
    outcomes = []
    for body in ('{"a": 1}', '{"a": 2}', '{"error": 1}'):
        server.answers, server.stops = {"/now": http_answer(body)}, 0
        outcomes.append(arm.run(30.0).outcome)
    assert outcomes == ["ok", "ok", "wrong-output"]


def test_a_server_that_goes_on_whatever_we_do_ends_the_comparison() -> None:
    @contextmanager
    def unkillable(life_s: float) -> Iterator[FakeServer]:
        yield FakeServer({"/": http_answer("hello")})
        raise StillRunningError("process 7 goes on")

    with pytest.raises(StillRunningError):
        ServerArm(unkillable, Url(port=8080, path="/"), Expectation(), FakeClock()).run(5.0)


def test_a_server_that_never_listens_is_waited_for_no_longer_than_allowed() -> None:
    bad = server_arm(FakeServer(refusals=None)).run(0.05)
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.code, bad.reason.params["seconds"]) == ("timeout", "server.no-answer", 0.05)


def test_a_server_that_ends_by_itself_is_told_with_its_last_words() -> None:
    end = completed(outcome="failed", exit_code=3, stderr="address in use\n")
    bad = server_arm(FakeServer(dies_after=0, end=end)).run(5.0)
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.code, bad.exit_code, bad.tail) == ("failed", "server.exited", 3, "address in use")


def test_a_port_that_is_taken_is_no_time() -> None:
    @contextmanager
    def taken(life_s: float) -> Iterator[FakeServer]:
        raise HostError("port 8080 is taken")
        yield

    bad = ServerArm(taken, Url(port=8080, path="/"), Expectation(), FakeClock()).run(5.0)
    assert bad.reason is not None
    assert (bad.outcome, bad.reason.params["detail"]) == ("not-started", "port 8080 is taken")
