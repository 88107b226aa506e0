"""Images reach a real registry as they were written, once; what does not answer like one is this host's trouble."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.adapters.imagelayout import MANIFEST, Layout, Member, Settings, Written
from grader.adapters.registry import Registry
from grader.errors import HostError, UsageError
from tests.engines.engines import Engines


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def image(layout: Layout) -> Written:
    layer = layout.layer([Member("hello", b"hello")])
    return layout.image("example.org/hello:1", [layer], Settings(os="linux", architecture="amd64"))


@contextmanager
def answering(reply: bytes | None) -> Iterator[str]:
    """Be a server that answers each connection with the same bytes, or with nothing at all; yields its URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    if reply is None:
                        over.wait(20)
                    else:
                        connection.recv(65536)
                        connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        thread.join()


@pytest.mark.serial
@pytest.mark.once
def test_what_was_pushed_can_be_asked_for_by_its_name(engines: Engines, layout: Layout, image: Written) -> None:
    url = f"http://{engines.registry}"
    assert Registry(url).push(layout, image, "library/hello:1") == image.manifest.digest
    request = urllib.request.Request(f"{url}/v2/library/hello/manifests/1", headers={"Accept": MANIFEST})
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == layout.path(image.manifest).read_bytes()
    for blob in image.parts:
        with urllib.request.urlopen(f"{url}/v2/library/hello/blobs/{blob.digest}") as answer:
            assert answer.read() == layout.path(blob).read_bytes()


@pytest.mark.serial
@pytest.mark.once
def test_a_name_has_the_digest_of_what_was_pushed_or_none(engines: Engines, layout: Layout, image: Written) -> None:
    registry = Registry(f"http://{engines.registry}")
    assert registry.digest_of("library/named:1") is None
    registry.push(layout, image, "library/named:1")
    assert registry.digest_of("library/named:1") == image.manifest.digest
    assert registry.digest_of("library/named:2") is None


@pytest.mark.serial
@pytest.mark.once
def test_what_is_there_already_is_not_sent_again(engines: Engines, layout: Layout, image: Written) -> None:
    registry = Registry(f"http://{engines.registry}")
    registry.push(layout, image, "library/twice:1")
    for blob in image.parts:
        layout.path(blob).unlink()
    assert registry.push(layout, image, "library/twice:2") == image.manifest.digest


@pytest.mark.serial
@pytest.mark.once
def test_a_manifest_whose_layer_was_damaged_is_refused(engines: Engines, layout: Layout, image: Written) -> None:
    layer = layout.path(image.parts[-1])
    layer.write_bytes(b"x" * layer.stat().st_size)
    with pytest.raises(HostError, match=r"answered PUT .* with 400") as caught:
        Registry(f"http://{engines.registry}").push(layout, image, "library/damaged:1")
    assert caught.value.where == f"http://{engines.registry}"


def test_a_registry_that_asks_for_a_login_is_told_as_such(layout: Layout, image: Written) -> None:
    reply = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with answering(reply) as url, pytest.raises(HostError, match="with 401") as caught:
        Registry(url).push(layout, image, "library/hello:1")
    assert "login" in caught.value.hint
    with answering(reply) as url, pytest.raises(HostError, match="with 401"):
        Registry(url).digest_of("library/hello:1")


@pytest.mark.parametrize("reply", [b"no http at all\r\n\r\n", b"", None], ids=["garbage", "nothing", "silence"])
def test_what_is_no_registry_is_this_hosts_trouble(layout: Layout, image: Written, reply: bytes | None) -> None:
    with answering(reply) as url, pytest.raises(HostError, match="does not answer"):
        Registry(url, timeout_s=0.5).push(layout, image, "library/hello:1")


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "ftp://a:1", "http://", "http://a:1/v2/x"])
def test_an_address_that_is_none_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UsageError, match="no registry's address") as caught:
        Registry(url)
    assert "`http://127.0.0.1:5000`" in caught.value.hint
