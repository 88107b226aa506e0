"""The shipped fakes keep to what the ports promise, so that a test against them means something."""

from __future__ import annotations

import pytest

from grader.errors import TimeLimitError
from grader.model.run import Answer, Command
from grader.ports import Engine, HostLock, Runner, Server
from grader.testing import FakeEngine, FakeLock, FakeRunner, FakeServer, completed, http_answer


def ask(server: Server, path: str) -> Answer:
    return server.ask(path, 8080, timeout_s=5)


def code(answer: Answer) -> str | None:
    return answer.reason.code if answer.reason is not None else None


def test_fakes_have_the_shape_of_their_ports() -> None:
    engine: Engine = FakeEngine({}, {})
    runner: Runner = FakeRunner(lambda _: completed())
    lock: HostLock = FakeLock()
    assert engine.name
    assert runner.status().works
    with lock.shared(1), lock.exclusive():
        pass


def test_server_answers_by_path_and_knows_what_was_asked() -> None:
    server = FakeServer({"/": http_answer("hello")})
    assert ask(server, "/").body == "hello"
    assert (ask(server, "/other").path, ask(server, "/other").status) == ("/other", 404)
    assert server.asked == ["/", "/other", "/other"]
    assert (server.stop(1).how, server.ended()) == ("terminated", True)
    assert server.stop(0) == server.stop(1)


def test_server_refuses_as_often_as_told_then_answers() -> None:
    server = FakeServer({"/": http_answer("hello")}, refusals=2)
    assert [code(ask(server, "/")) for _ in range(3)] == ["answer.refused", "answer.refused", None]


def test_server_that_never_listens_refuses_for_ever() -> None:
    server = FakeServer(refusals=None)
    assert {code(ask(server, "/")) for _ in range(5)} == {"answer.refused"}
    assert not server.ended()


def test_server_that_dies_has_ended_by_itself() -> None:
    server = FakeServer({"/": http_answer("hello")}, dies_after=1)
    assert ask(server, "/").body == "hello"
    assert server.ended()
    assert code(ask(server, "/")) == "answer.refused"
    assert server.stop(1).how == "by-itself"


def test_engine_stops_its_server_at_the_end_of_the_block() -> None:
    server = FakeServer()
    engine = FakeEngine({}, {}, servers={"process": lambda: server})
    with engine.serve(Command(argv=("/process",)), 8080):
        assert not server.ended()
    assert server.ended()
    assert engine.served == ["process"]


def test_busy_lock_ends_a_wait_that_has_a_limit() -> None:
    lock = FakeLock(busy=True)
    with pytest.raises(TimeLimitError), lock.exclusive(1):
        pytest.fail("held a lock that is busy")
    assert lock.events == []
