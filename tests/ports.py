"""A port for a server of a test, whatever other tests run at the same time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_port() -> Iterator[int]:
    """Yield a port that is free and that no other test of any process is given meanwhile.

    It lies below those that the kernel gives to clients: one that asks it before the server listens could be connected
    to itself.  A name of an abstract socket is as far known as a port is, and nothing is left of it afterwards.
    """
    for port in range(20_000, 30_000):
        with socket.socket(socket.AF_UNIX) as claim, socket.socket() as trial:
            try:
                claim.bind(f"\0grader-tests/port/{port}")
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            trial.close()
            yield port
            return
    raise AssertionError("no free port")
