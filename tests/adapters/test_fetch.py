"""A file is there whole and with its digest, or not at all; after a cut only the rest is fetched."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from grader.adapters import fetch as module
from grader.adapters.fetch import fetch, file_sha256
from grader.errors import HostError

DATA = bytes(range(256)) * 400
SHA256 = hashlib.sha256(DATA).hexdigest()


@contextmanager
def server(*, cut: int = 0, ranges: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Serve DATA; the first `cut` answers end after a third of what they announced.  Yields the ranges asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.headers.get("Range", "")
            asked.append(said)
            start = int(said.removeprefix("bytes=").rstrip("-")) if said and ranges else 0
            body = DATA[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 3] if len(asked) <= cut else body)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/file", asked
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_after_a_cut_only_the_rest_is_asked_for(tmp_path: Path) -> None:
    with server(cut=1) as (url, asked):
        fetch(url, tmp_path / "file", tmp_path / "partial", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA
    assert asked == ["", f"bytes={len(DATA) // 3}-"]


def test_what_an_earlier_run_left_is_gone_on_with(tmp_path: Path) -> None:
    with server(cut=3) as (url, asked), pytest.raises(HostError, match="cannot fetch it"):
        fetch(url, tmp_path / "file", tmp_path / "partial", sha256=SHA256)
    assert not (tmp_path / "file").exists()
    kept = (tmp_path / "partial" / SHA256).stat().st_size
    assert 0 < kept < len(DATA)
    with server() as (url, asked):
        assert fetch(url, tmp_path / "file", tmp_path / "partial", sha256=SHA256) == len(DATA) - kept
    assert asked == [f"bytes={kept}-"]


def test_a_server_that_does_no_parts_is_asked_for_the_whole(tmp_path: Path) -> None:
    with server(cut=1, ranges=False) as (url, _):
        fetch(url, tmp_path / "file", tmp_path / "partial", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_wrong_beginning_from_before_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / SHA256).write_bytes(b"x" * 100)
    with server() as (url, asked):
        fetch(url, tmp_path / "file", tmp_path / "partial", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA
    assert asked == ["bytes=100-", ""]


def test_another_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with server() as (url, _), pytest.raises(HostError, match=f"sha256 {SHA256}"):
        fetch(url, tmp_path / "file", tmp_path / "partial", sha256="0" * 64)
    assert not (tmp_path / "file").exists()
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_file_that_is_right_is_not_fetched_again_and_a_wrong_one_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    with server() as (url, asked):
        assert fetch(url, tmp_path / "file", tmp_path / "partial", sha256=SHA256) == 0
        assert asked == []
        (tmp_path / "file").write_bytes(DATA[:-1])
        fetch(url, tmp_path / "file", tmp_path / "partial", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_local_mirror_and_its_lack_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(DATA)
    assert fetch((tmp_path / "there").as_uri(), tmp_path / "file", tmp_path / "p", sha256=SHA256) == len(DATA)
    with pytest.raises(HostError, match="No such file"):
        fetch((tmp_path / "not").as_uri(), tmp_path / "other", tmp_path / "p", sha256=SHA256)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs: /dev/full")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / SHA256).symlink_to("/dev/full")
    with server() as (url, _), pytest.raises(HostError, match="the disk is full"):
        fetch(url, tmp_path / "file", tmp_path / "p", sha256=SHA256)


def test_a_link_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    (tmp_path / "link").symlink_to("file")
    assert file_sha256(tmp_path / "file") == SHA256
    assert file_sha256(tmp_path / "link") is None
