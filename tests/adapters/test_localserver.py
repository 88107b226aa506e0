from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from grader.adapters.localserver import ephemeral_ports, serve_locally
from grader.errors import HostError

SERVER = """
import http.server, os, sys
print(os.getpid(), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def argv(port: int) -> list[str]:
    return [sys.executable, "-I", "-c", SERVER, str(port)]


def test_a_server_is_reached_and_ended_by_sigterm(port: int) -> None:
    with serve_locally(sys.executable, argv(port), {}, port, 60) as server:
        for _ in range(2000):
            if server.ask("/", port, timeout_s=30).status == 200:
                break
            time.sleep(0.01)
        else:
            pytest.fail("it never listened")
        stopped = server.stop(10)
    assert (stopped.how, stopped.completed.signal) == ("terminated", signal.SIGTERM)
    assert not Path(f"/proc/{stopped.completed.stdout.strip()}").exists()


def test_its_life_is_bounded(port: int) -> None:
    with serve_locally(sys.executable, argv(port), {}, port, 0.5) as server:
        for _ in range(2000):
            if server.ended():
                break
            time.sleep(0.01)
        assert server.stop(1).completed.outcome == "timeout"


def test_a_port_on_which_somebody_listens_is_refused(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)), pytest.raises(HostError) as caught:
        serve_locally(sys.executable, argv(port), {}, port, 60).__enter__()
    assert "is taken" in str(caught.value)


def test_a_port_that_another_grader_is_about_to_listen_on_is_refused(port: int) -> None:
    with serve_locally("/bin/sleep", ["sleep", "60"], {}, port, 60):
        with pytest.raises(HostError) as caught:
            serve_locally(sys.executable, argv(port), {}, port, 60).__enter__()
        assert f"port {port} is in use by another `grader`" in str(caught.value)
    with serve_locally("/bin/sleep", ["sleep", "60"], {}, port, 60):
        pass  # It is anybody's again.


def test_a_stranger_that_listened_meanwhile_may_have_answered_and_is_told(port: int) -> None:
    with socket.socket() as stranger:
        serving = serve_locally("/bin/sleep", ["sleep", "60"], {}, port, 60)
        server = serving.__enter__()
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        server.ask("/", port, timeout_s=0.1)
        with pytest.raises(HostError) as caught:
            serving.__exit__(None, None, None)
    assert f"something else listens on port {port}" in str(caught.value)
    assert "`--ready` another port" in caught.value.hint


def test_a_program_that_is_not_there_never_serves(port: int) -> None:
    with serve_locally("/no/such/program", ["name"], {}, port, 60) as server:
        refused = server.ask("/", port, timeout_s=1.0).reason
        assert refused is not None
        assert refused.code == "answer.refused"
        stopped = server.stop(1)
    assert (stopped.completed.outcome, stopped.completed.argv) == ("not-started", ("name",))


def test_the_kernel_gives_clients_a_port_of_that_range() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockname()[1] in ephemeral_ports()
