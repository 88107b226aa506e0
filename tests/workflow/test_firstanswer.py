"""The wait for a first valid answer; all waits are the fake clock's."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from grader.adapters.clock import SystemClock
from grader.judging.probes import WallClock
from grader.model.base import Message
from grader.model.run import Answer
from grader.testing import FakeClock, FakeServer, http_answer, no_answer
from grader.workflow.firstanswer import First, first_answer
from grader.workflow.waits import Waits

WAITS = Waits(patience_s=0.05)


class Timed(FakeServer):
    """A server that was started when this clock said so; to ask it takes a tenth of a second of it."""

    def __init__(self, clock: FakeClock, answers: dict[str, Answer | str], **options: int | None) -> None:
        super().__init__(answers, **options)  # type: ignore[arg-type]
        self.clock, self.began_ns = clock, clock.ticks_ns()
        self.calm: list[bool] = []

    def started_ns(self) -> int:
        return self.began_ns

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        self.clock.sleep(0.1)
        self.calm.append(self.clock.calm)
        return super().ask(path, port, timeout_s=timeout_s, connect_s=connect_s)


def is_ready(answer: Answer, came: WallClock) -> Answer:
    """Want the word `ready`."""
    if answer.reason is None and answer.body != "ready":
        return answer.model_copy(update={"reason": Message(code="probe.empty", params={"found": answer.body})})
    return answer


def wait_for(server: FakeServer, clock: FakeClock, judge: Callable[[Answer, WallClock], Answer] = is_ready) -> First:
    return first_answer(server, "/", 8080, judge, within_s=20.0, pause_s=0.5, waits=WAITS, clock=clock)


def test_the_time_goes_from_the_spawn_to_the_answer_however_often_it_was_refused_before() -> None:
    clock = FakeClock()
    first = wait_for(Timed(clock, {"/": http_answer("ready")}, refusals=3), clock)
    assert first.answer.reason is None
    assert first.seconds == pytest.approx(4 * 0.1 + 3 * 0.5)


def test_to_look_into_an_answer_takes_no_time_of_the_servers() -> None:
    clock = FakeClock()

    def judge(answer: Answer, came: WallClock) -> Answer:
        clock.sleep(5.0)
        return is_ready(answer, came)

    assert wait_for(Timed(clock, {"/": http_answer("ready")}), clock, judge).seconds == pytest.approx(0.1)


def test_our_own_garbage_is_not_collected_meanwhile() -> None:
    clock = FakeClock()
    server = Timed(clock, {"/": http_answer("ready")}, refusals=2)
    wait_for(server, clock)
    assert (server.calm, clock.calm) == ([True] * 3, False)
    assert gc.isenabled()
    with SystemClock().undisturbed():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_answer_is_judged_by_when_it_came() -> None:
    clock, seen = FakeClock(wall_s=7.0), []

    def judge(answer: Answer, came: WallClock) -> Answer:
        seen.append(came)
        return is_ready(answer, came)

    wait_for(Timed(clock, {"/": http_answer("ready")}), clock, judge)
    assert seen == [WallClock(before=7.0, after=7.0)]


def why(server: FakeServer, clock: FakeClock) -> tuple[str, object]:
    answer = wait_for(server, clock).answer
    assert answer.reason is not None
    return answer.reason.code, answer.status


def test_one_that_never_listens_is_waited_for_no_longer_than_allowed() -> None:
    clock = FakeClock()
    assert why(Timed(clock, {}, refusals=None), clock) == ("answer.refused", None)
    assert clock.monotonic() == pytest.approx(1 + 20, abs=0.6)


class Closes(Timed):
    """Answers wrongly so often, and then takes no connection any more; it has `ended` or lives on."""

    def __init__(self, clock: FakeClock, answers: int, answer: Answer | str, *, ended: bool) -> None:
        super().__init__(clock, {"/": answer})
        self.left, self.gone = answers, ended

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        if self.left == 0:
            self.clock.sleep(0.1)
            return no_answer(path, "answer.refused")
        came = super().ask(path, port, timeout_s=timeout_s, connect_s=connect_s)
        self.left -= 1
        return came

    def ended(self) -> bool:
        return self.gone and self.left == 0


@pytest.mark.parametrize("ended", [False, True])
def test_a_wrong_answer_tells_more_than_refusals_after_it_and_than_the_servers_end(ended: bool) -> None:
    clock = FakeClock()
    assert why(Closes(clock, 1, http_answer("starting"), ended=ended), clock) == ("probe.empty", 200)


def test_the_end_of_a_server_tells_more_than_that_it_hung_up() -> None:
    clock = FakeClock()
    assert why(Closes(clock, 1, "answer.closed", ended=True), clock) == ("answer.refused", None)
    clock = FakeClock()
    assert why(Closes(clock, 1, "answer.closed", ended=False), clock) == ("answer.closed", None)


def test_a_wrong_answer_is_given_some_patience_and_no_more() -> None:
    clock = FakeClock()
    server = Timed(clock, {"/": http_answer("starting")})
    assert why(server, clock) == ("probe.empty", 200)
    assert len(server.asked) == 2
