"""The shipped fakes keep to what the ports promise, so that a test against them means something."""

from __future__ import annotations

import pytest

from grader.errors import TimeLimitError
from grader.model.run import Command
from grader.ports import Engine, HostLock, Runner, Server
from grader.testing import FakeEngine, FakeLock, FakeRunner, FakeServer, completed, http_answer


def ask(server: Server, path: str) -> str:
    with server.connect(5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        with connection.makefile("rb") as said:
            return said.read().decode()


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
    assert ask(server, "/").endswith("hello")
    assert "404" in ask(server, "/other")
    assert server.asked == ["/", "/other"]
    assert (server.stop(1).how, server.ended()) == ("terminated", True)
    assert server.stop(0) == server.stop(1)


def test_server_refuses_as_often_as_told_then_answers() -> None:
    server = FakeServer({"/": http_answer("hello")}, refusals=2)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            server.connect(1)
    assert ask(server, "/").endswith("hello")


def test_server_that_never_listens_refuses_for_ever() -> None:
    server = FakeServer(refusals=None)
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            server.connect(1)
    assert not server.ended()


def test_server_that_dies_has_ended_by_itself() -> None:
    server = FakeServer({"/": http_answer("hello")}, dies_after=1)
    assert ask(server, "/").endswith("hello")
    assert server.ended()
    with pytest.raises(ConnectionRefusedError):
        server.connect(1)
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
