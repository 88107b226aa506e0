from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.adapters.dockerapi import DockerApi
from grader.adapters.owner import LABEL, fresh_name
from grader.errors import HostError
from tests.engines.engines import Engines
from tests.images import docker_save, tar

INFO = {"ServerVersion": "1", "Driver": "overlay2", "DockerRootDir": "/d", "OSType": "linux"}


def api_of(engines: Engines) -> DockerApi:
    return DockerApi(Path(engines.docker_host.removeprefix("unix://")))


asked: list[str] = []
"""What daemons of these tests were sent, in order."""


@contextmanager
def daemon(folder: Path, talk: Callable[[socket.socket], None]) -> Iterator[DockerApi]:
    """A daemon that says what `talk` sends, whatever it is asked, once."""
    path = folder / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                asked.append(request(connection))
                try:
                    talk(connection)
                except OSError:
                    return  # the caller has had enough

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield DockerApi(path)
        finally:
            thread.join(10)


def request(connection: socket.socket) -> str:
    """Read a whole request: its body comes in a piece of its own."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += connection.recv(1 << 16)
    stated = re.search(rb"Content-Length: (\d+)", said)
    end = said.index(b"\r\n\r\n") + 4 + (int(stated[1]) if stated else 0)
    while len(said) < end:
        said += connection.recv(1 << 16)
    return said.decode()


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_a_daemon_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        DockerApi(tmp_path / "no.sock").info()
    assert "cannot be reached" in caught.value.what
    assert caught.value.hint


def test_a_daemon_that_trickles_without_end_is_left_at_the_deadline(tmp_path: Path) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1\r\n \r\n")
            time.sleep(0.05)

    with daemon(tmp_path, trickle) as api, pytest.raises(HostError, match="did not answer within"):
        api._json("GET", "/info", timeout_s=0.3)


def test_a_daemon_that_says_nothing_is_left_at_the_deadline(tmp_path: Path) -> None:
    waiting = threading.Event()

    def wait(connection: socket.socket) -> None:
        waiting.wait(5)

    with daemon(tmp_path, wait) as api:
        with pytest.raises(HostError, match=r"did not answer within 0\.2 s"):
            api._json("GET", "/info", timeout_s=0.2)
        waiting.set()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (answer(b'{"message":"write /x: no space left on device"}', "500 Oops"), "disk is full"),
        (answer(b'{"message":"driver failed at /var/lib/docker/x"}', "500 Oops"), "refuses: driver failed at …"),
        (answer(b"<html>", "502 Bad Gateway"), "refuses: <html>"),
        (answer(b'{"ServerVersion":1}'), "cannot be read: `ServerVersion` does not fit"),
        (answer(b"not json"), "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "cannot be read"),
        (b"nonsense\r\n\r\n", "cannot be reached"),
        (b"", "cannot be reached"),
    ],
)
def test_whatever_a_broken_daemon_says_is_a_host_error(tmp_path: Path, sent: bytes, said: str) -> None:
    with daemon(tmp_path, lambda connection: connection.sendall(sent)) as api, pytest.raises(HostError) as caught:
        api.info()
    assert said in caught.value.what


@pytest.mark.parametrize(
    ("status", "met"), [("204 No Content", True), ("404 Not Found", False), ("409 Conflict", False)]
)
def test_a_signal_that_meets_no_program_is_told_from_one_that_does(tmp_path: Path, status: str, met: bool) -> None:
    with daemon(tmp_path, lambda connection: connection.sendall(answer(b"", status))) as api:
        assert api.signal("x", "SIGTERM") is met


@pytest.mark.parametrize(
    ("status", "store"),
    [
        ([["Backing Filesystem", "extfs"]], "classic"),
        ([["driver-type", "io.containerd.snapshotter.v1"]], "containerd"),
        (None, "classic"),
    ],
)
def test_the_store_is_told_by_the_driver(tmp_path: Path, status: object, store: str) -> None:
    body = json.dumps(INFO | {"DriverStatus": status}).encode()
    with daemon(tmp_path, lambda connection: connection.sendall(answer(body))) as api:
        assert api.info().store == store


@pytest.mark.parametrize(
    ("stats", "shown"),
    [
        ({"usage": 1000, "stats": {"total_inactive_file": 300, "inactive_file": 1}}, 700),
        ({"usage": 1000, "stats": {"inactive_file": 400}}, 600),
        ({"usage": 1000, "stats": {"inactive_file": 4000}}, 1000),
        ({"usage": 0}, None),
        ({}, None),
    ],
)
def test_memory_is_worked_out_as_docker_stats_does(tmp_path: Path, stats: object, shown: int | None) -> None:
    body = json.dumps({"memory_stats": stats}).encode()
    with daemon(tmp_path, lambda connection: connection.sendall(answer(body))) as api:
        assert api.memory("x") == shown


@pytest.mark.parametrize(
    ("oldest", "used", "daemon_version", "isolated"),
    [("1.12", "1.41", "20.10.24+dfsg1", False), ("1.44", "1.44", "29.0.1", True), ("1.24", "1.41", "28.2.2", True)],
)
def test_each_daemon_is_spoken_to_in_a_version_that_it_takes(
    tmp_path: Path, oldest: str, used: str, daemon_version: str, isolated: bool
) -> None:
    body = json.dumps({"Version": daemon_version, "ApiVersion": "1.99", "MinAPIVersion": oldest}).encode()
    with daemon(tmp_path, lambda connection: connection.sendall(answer(body))) as api:
        api.negotiate()
    assert asked[-1].startswith("GET /version HTTP/1.1\r\n")
    (tmp_path / "docker.sock").unlink()
    with daemon(tmp_path, lambda connection: connection.sendall(answer(b"{}", "201 Created"))):
        api.create_network("made-here", {LABEL: "me"})
    assert asked[-1].startswith(f"POST /v{used}/networks/create HTTP/1.1\r\n")
    assert ("isolated" in asked[-1]) == isolated
    assert ("inhibit_ipv4" in asked[-1]) != isolated


# With a daemon.


@pytest.mark.serial
@pytest.mark.once
def test_an_image_comes_in_gets_a_name_goes_out_and_is_gone(engines: Engines, tmp_path: Path) -> None:
    api = api_of(engines)
    layer = tar({"a": b"x" * 1000})
    docker_save(tmp_path / "in.tar", "linux/amd64", [layer], {"Labels": {LABEL: "me"}}, tags=None)
    image = api.load(tmp_path / "in.tar")
    found = api.image(image)
    assert found is not None
    assert (found.id, found.size, found.labels) == (image, 1000, {LABEL: "me"})
    api.tag(image, "some-name", "1")
    assert [one.tags for one in api.images() if one.id == image] == [("some-name:1",)]
    assert api.disk_usage(image) == 1000
    api.save(image, tmp_path / "out.tar", 1 << 20)
    assert (tmp_path / "out.tar").stat().st_size > 1000
    with pytest.raises(HostError, match="more than 500 bytes"):
        api.save(image, tmp_path / "capped.tar", 500)
    assert not (tmp_path / "capped.tar").exists()
    api.remove_image("some-name:1")
    assert api.image(image) is None
    api.remove_image("some-name:1")


@pytest.mark.serial
@pytest.mark.once
def test_a_network_is_found_by_its_label_and_removed_twice(engines: Engines) -> None:
    api, name = api_of(engines), fresh_name()
    api.create_network(name, {LABEL: "somebody"})
    assert [(one.name, one.labels) for one in api.networks(f"{LABEL}=somebody")] == [(name, {LABEL: "somebody"})]
    api.remove_network(name)
    api.remove_network(name)
    assert api.networks(f"{LABEL}=somebody") == ()


@pytest.mark.serial
@pytest.mark.once
def test_what_is_not_there_is_no_trouble(engines: Engines) -> None:
    api = api_of(engines)
    assert (api.image("no:such"), api.container("no-such"), api.memory("no-such")) == (None, None, None)
    assert api.signal("no-such", "TERM") is False
    api.remove_container("no-such")
    assert api.events("no-such", time.time() - 60, time.time()) == frozenset()


@pytest.mark.serial
@pytest.mark.once
def test_an_image_that_no_mirror_has_cannot_be_pulled(engines: Engines) -> None:
    with pytest.raises(HostError):
        api_of(engines).pull("no-such-image-here:1")


@pytest.mark.serial
@pytest.mark.once
def test_a_stopped_daemon_is_told_by_the_deadline(own_engines: Engines) -> None:
    api = api_of(own_engines)
    assert api.info().store == "classic"
    os.kill(own_engines.pid("dockerd"), signal.SIGSTOP)
    try:
        with pytest.raises(HostError, match="did not answer within 1 s"):
            api._json("GET", "/info", timeout_s=1.0)
    finally:
        os.kill(own_engines.pid("dockerd"), signal.SIGCONT)
    assert api.info().store == "classic"
