"""Start a server that its caller vouches for, on this host's own network."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from grader.adapters.network import connect, sole_use
from grader.adapters.processes import smaps_now
from grader.adapters.serving import NeverServed, ProgramServer
from grader.adapters.spawn import Followed, not_started, start
from grader.ports import Server

_OUTPUT_BYTES = 16 << 20


@contextmanager
def serve_locally(
    program: str, argv: Sequence[str], env: Mapping[str, str], port: int, life_s: float
) -> Iterator[Server]:
    """Start a server, which is told its path as its name; it is ended at the end, or after `life_s` seconds.

    Raises: HostError if the port is somebody else's: their answers would be timed instead.
    """
    line = [program, *argv[1:]]
    with sole_use(port, "give the servers and `--ready` another port"), ExitStack() as stack:
        try:
            started = stack.enter_context(start(line, env, output_bytes=_OUTPUT_BYTES))
        except (OSError, ValueError) as error:
            yield NeverServed(not_started(argv, error))
            return
        followed = stack.enter_context(Followed.let_go(started, life_s))

        def terminate() -> bool:
            followed.tell(signal.SIGTERM)
            return True

        yield ProgramServer(
            followed,
            connect=lambda timeout_s: connect(socket.socket(), port, timeout_s),
            terminate=terminate,
            memory=lambda: smaps_now([started.pid]),
            judged=lambda done, _: done.model_copy(update={"argv": tuple(argv)}),
        )


def ephemeral_ports() -> range:
    """Return the ports that the kernel gives to outgoing connections; it may give one to a client that waits for it.

    Source: ip(7), ip_local_port_range; its default where that cannot be read.
    """
    try:
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        low, high = 32768, 60999
    return range(low, high + 1)
