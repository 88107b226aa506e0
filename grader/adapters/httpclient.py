"""One GET over a connection that a hostile server holds the other end of: it ends by a deadline and within caps."""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from typing import cast

from grader.judging.http import BODY_BYTES, unreadable
from grader.judging.probes import shown
from grader.model.base import Message, Scalar
from grader.model.run import Answer

Connect = Callable[[float], socket.socket]
"""Returns a new connection within so many seconds.  Raises: OSError as `socket.connect` does; HostError."""

STREAM_BYTES = BODY_BYTES + (256 << 10)
"""All that is read of one connection: the body, and the head that `http.client` takes (100 lines) with room for more.

Without it a server that sends one interim answer after the other is read until the deadline.
"""


class _TooMuchError(OSError):
    """The stream's cap is reached."""


class _Stream(io.RawIOBase):
    """A connection to read until a deadline on `time.monotonic` or up to a number of bytes."""

    def __init__(self, connection: socket.socket, deadline: float, cap: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._left = cap

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))[: self._left]
        if not view:
            raise _TooMuchError("too much")
        # A timeout of the socket is one of each read: a byte now and then would keep us here for good.
        self._connection.settimeout(_left(self._deadline))
        count = self._connection.recv_into(view)
        self._left -= count
        return count

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """Stand in for the socket that `HTTPResponse` wants."""
        return io.BufferedReader(self, 8 << 10)


def ask(connect: Connect, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
    """Do what `ports.Server.ask` promises, over a new connection."""
    began, deadline = time.perf_counter(), time.monotonic() + timeout_s
    head = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: lab-grader\r\nAccept: */*\r\n"
    try:
        with _connected(connect, min(timeout_s, connect_s or timeout_s)) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode("ascii", "replace"))
            answer = _read(path, _Stream(connection, deadline, STREAM_BYTES))
    except TimeoutError:
        return _nothing("answer.timeout", path, seconds=timeout_s)
    except ConnectionRefusedError:
        return _nothing("answer.refused", path, port=port)
    except _TooMuchError:
        return _nothing("answer.too-large", path, bytes=STREAM_BYTES)
    except OSError:
        return _nothing("answer.closed", path)
    except http.client.IncompleteRead:
        return _nothing("answer.chunks", path)
    except (http.client.HTTPException, ValueError) as error:
        return _nothing("answer.not-http", path, found=shown(f"{type(error).__name__} {error}"))
    return answer.model_copy(update={"total_s": time.perf_counter() - began})


def _connected(connect: Connect, timeout_s: float) -> socket.socket:
    """Raises: ConnectionRefusedError also where nobody says a word; else as `connect`."""
    try:
        return connect(timeout_s)
    except TimeoutError as error:
        raise ConnectionRefusedError("nobody answered") from error


def _read(path: str, stream: _Stream) -> Answer:
    """Read one answer to the end of its body.

    Raises: HTTPException or ValueError for what is no HTTP; OSError for what came of the connection.
    """
    response = http.client.HTTPResponse(cast(socket.socket, stream), method="GET")
    response.begin()
    body = response.read(BODY_BYTES + 1)
    types = response.headers.get_all("Content-Type") or []
    reason: Message | None = None
    if len(types) > 1:
        reason = Message(code="answer.twice", params={"path": path, "header": "Content-Type"})
    elif response.length and len(body) <= BODY_BYTES:
        reason = Message(code="answer.cut", params={"path": path, "missing": response.length})
    return Answer(
        path=path,
        status=response.status,
        content_type=types[0] if types else None,
        body=body.decode("latin-1"),
        reason=reason,
    )


def _nothing(code: str, path: str, **params: Scalar) -> Answer:
    return unreadable(path, Message(code=code, params={"path": path, **params}))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left
