"""The client against servers that do what no server should; each is a thread at the other end of a pair of sockets."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.adapters.httpclient import Connect, ask
from grader.errors import HostError
from grader.judging.http import BODY_BYTES
from grader.model.run import Answer

Talk = Callable[[socket.socket], None]
PATIENCE_S = 0.3
HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def serving(talk: Talk) -> Iterator[Connect]:
    """Yield how to connect to a server that does what `talk` says with whoever has sent a whole head."""
    talks: list[threading.Thread] = []

    def take(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(4096):
                    if b"\r\n\r\n" in data:
                        talk(connection)
                        return
            except OSError:
                pass  # the client hung up, as it should

    def connect(timeout_s: float) -> socket.socket:
        ours, its = socket.socketpair()
        ours.settimeout(timeout_s)
        talks.append(threading.Thread(target=take, args=(its,), daemon=True))
        talks[-1].start()
        return ours

    yield connect
    for thread in talks:
        thread.join()


def answered(talk: Talk, timeout_s: float = 5.0) -> Answer:
    with serving(talk) as connect:
        return ask(connect, "/x", 8080, timeout_s=timeout_s)


def code(talk: Talk, timeout_s: float = 5.0) -> str | None:
    reason = answered(talk, timeout_s).reason
    assert reason is None or reason.params["path"] == "/x"
    return reason.code if reason else None


def sends(data: bytes) -> Talk:
    return lambda connection: connection.sendall(data)


def endless(data: bytes, first: bytes = b"", pause_s: float = 0.0) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(data)
            time.sleep(pause_s)

    return talk


def test_an_answer_is_read_whole() -> None:
    body = "<p>é".encode()
    answer = answered(sends(HEAD + b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    assert (answer.status, answer.content_type, answer.reason) == (200, "text/html", None)
    assert answer.body.encode("latin-1").decode() == "<p>é"
    assert answer.total_s is not None


def test_chunks_are_joined_and_an_interim_answer_is_passed_over() -> None:
    chunks = HEAD + b"Transfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n2\r\n<p\r\n1\r\n>\r\n0\r\n\r\n"
    assert answered(sends(b"HTTP/1.1 100 Continue\r\n\r\n" + chunks)).body == "<p>"


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200\r\n"])
def test_a_body_without_a_length_ends_with_the_connection(head: bytes) -> None:
    answer = answered(sends(head + b"Content-Type: a/b\r\n\r\nall of it"))
    assert (answer.status, answer.body, answer.reason) == (200, "all of it", None)


@pytest.mark.parametrize("length", [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_who_keeps_the_connection_open_is_not_waited_for(length: bytes) -> None:
    """Though we asked for an end of it."""
    body = b"<p>" if b"Length" in length else b"3\r\n<p>\r\n0\r\n\r\n"

    def keeps_open(connection: socket.socket) -> None:
        connection.sendall(HEAD + length + b"Connection: keep-alive\r\n\r\n" + body)
        connection.recv(1)

    assert answered(keeps_open).body == "<p>"


def test_headers_may_stand_in_any_order_and_be_written_in_any_case() -> None:
    lines = [b"CONTENT-LENGTH:3\r\n", b"X-A: b\r\n", b"content-type:a/b\r\n"]
    for head in itertools.permutations(lines):
        answer = answered(sends(HEAD + b"".join(head) + b"\r\n<p>more"))
        assert (answer.content_type, answer.body) == ("a/b", "<p>")


def test_each_request_asks_to_be_the_last_of_its_connection() -> None:
    ours, its = socket.socketpair()
    with its:
        its.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
        ask(lambda timeout_s: ours, "/x", 8080, timeout_s=5)
        asked = its.recv(4096)
    assert asked.startswith(b"GET /x HTTP/1.1\r\nHost: localhost:8080\r\n")
    assert b"\r\nConnection: close\r\n" in asked


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        (sends(b""), "answer.closed"),
        (sends(b"SSH-2.0-x\r\n"), "answer.not-http"),
        (sends(b"HTTP/1.1 abc OK\r\n\r\n"), "answer.not-http"),
        (sends(b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\n"), "answer.not-http"),
        (sends(HEAD + b"X: y\r\n" * 1000 + b"\r\n"), "answer.not-http"),
        (sends(HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n"), "answer.not-http"),
        (sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "answer.chunks"),
        (sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n<p>"), "answer.chunks"),
        (sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n<p>\r\n" + b"9" * 5000 + b"\r\n<"), "answer.chunks"),
        (sends(HEAD + b"Content-Length: 10\r\n\r\nhalf"), "answer.cut"),
        (sends(HEAD + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"), "answer.twice"),
        (endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 500), "answer.too-large"),
    ],
)
def test_what_is_no_answer_says_why(talk: Talk, expected: str) -> None:
    assert code(talk) == expected


@pytest.mark.parametrize(
    "talk",
    [
        lambda connection: connection.recv(1),
        endless(b"H", pause_s=0.01),
        endless(b"X", HEAD + b"X: ", pause_s=0.01),
        endless(b"<", HEAD + b"Content-Length: 5000\r\n\r\n", pause_s=0.01),
    ],
    ids=["silent", "trickled status", "trickled header", "trickled body"],
)
def test_who_keeps_us_waiting_is_left_at_the_deadline(talk: Talk) -> None:
    assert code(talk, PATIENCE_S) == "answer.timeout"


def test_an_endless_body_is_left_at_the_cap() -> None:
    for head in (b"", b"Content-Length: 99999999999\r\n"):
        answer = answered(endless(b"<" * 4096, HEAD + head + b"Content-Type: text/html\r\n\r\n"))
        assert len(answer.body) == BODY_BYTES + 1


def test_nobody_listening_is_told_apart() -> None:
    def refused(timeout_s: float) -> socket.socket:
        raise ConnectionRefusedError("refused")

    answer = ask(refused, "/", 8080, timeout_s=1)
    assert answer.reason is not None
    assert answer.reason.code == "answer.refused"


def test_a_boundary_that_breaks_is_not_the_servers_answer() -> None:
    def broken(timeout_s: float) -> socket.socket:
        raise HostError("no namespace")

    with pytest.raises(HostError):
        ask(broken, "/", 8080, timeout_s=1)


@contextmanager
def quiet_threads() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


PIECE = st.sampled_from(
    [
        HEAD,
        b"\r\n",
        b"\n",
        b"Content-Type: a/b\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: x\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"5\r\n",
        b"HTTP/1.1 100 C\r\n\r\n",
    ]
)


@given(st.lists(st.one_of(PIECE, st.binary(max_size=20)), max_size=8))
def test_nothing_that_a_server_sends_breaks_the_client(pieces: list[bytes]) -> None:
    with quiet_threads():
        answered(sends(b"".join(pieces)))
