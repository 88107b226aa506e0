from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.ports import own_port

ROOT = Path(__file__).resolve().parents[1]


def test_two_tests_at_once_have_two_ports_and_both_can_be_listened_on() -> None:
    with own_port() as first, own_port() as second:
        assert first != second
        for port in (first, second):
            socket.create_server(("127.0.0.1", port)).close()


def test_another_process_is_given_another_port() -> None:
    other = "from tests.ports import own_port\nwith own_port() as port:\n    print(port)"
    with own_port() as mine:
        its = subprocess.run([sys.executable, "-c", other], cwd=ROOT, capture_output=True, text=True, check=True)
        assert int(its.stdout) != mine
