"""An image is pulled by its digest, whatever the registry says, into an archive that names every part."""

from __future__ import annotations

import hashlib
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from grader.adapters.registrypull import archive_name, look_up, pull
from grader.errors import HostError, UsageError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(data: bytes, media_type: str = "application/octet-stream", **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


CONFIG, LAYER = b'{"os":"linux"}', b"a layer" * 1000
IMAGE = json.dumps({"schemaVersion": 2, "config": described(CONFIG), "layers": [described(LAYER)]}).encode()
MANY = json.dumps(
    {"manifests": [described(IMAGE, MANIFEST, platform={"os": "linux", "architecture": "amd64"})]}
).encode()


@contextmanager
def registry(content: dict[str, bytes], token: str = "") -> Iterator[tuple[str, list[str]]]:
    """Serve by path; with a token, only to who fetched it.  Yields the address and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            address = f"http://{self.headers['Host']}"
            if self.path.startswith("/token"):
                self.answer(200, json.dumps({"token": token}).encode())
            elif token and self.headers.get("Authorization") != f"Bearer {token}":
                self.answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{address}/token",service="s",scope="p"'})
            elif self.path in content:
                kind = INDEX if content[self.path] is MANY else MANIFEST
                self.answer(200, content[self.path], {"Content-Type": kind})
            else:
                self.answer(404, b"")

        def answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def content() -> dict[str, bytes]:
    manifests = {f"/v2/library/golang/manifests/{digest(data)}": data for data in (IMAGE, MANY)}
    return manifests | {f"/v2/library/golang/blobs/{digest(data)}": data for data in (CONFIG, LAYER)}


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize("token", ["", "secret"])
@pytest.mark.parametrize("named", [IMAGE, MANY])
def test_an_archive_holds_every_part_for_docker_and_containerd(tmp_path: Path, named: bytes, token: str) -> None:
    with registry(content(), token) as (url, _):
        found = look_up(f"golang:1.21-alpine@{digest(named)}", "amd64", url)
        assert found.size == len(CONFIG) + len(LAYER) + len(IMAGE)
        pull(found, tmp_path / "a.tar", tmp_path / "partial")
    with tarfile.open(tmp_path / "a.tar") as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    assert members[f"blobs/sha256/{digest(LAYER).removeprefix('sha256:')}"] == LAYER
    (entry,) = json.loads(members["index.json"])["manifests"]
    assert entry["digest"] == digest(IMAGE)
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/library/golang:1.21-alpine"
    (docker,) = json.loads(members["manifest.json"])
    assert docker["RepoTags"] == ["golang:1.21-alpine"]
    assert {docker["Config"], *docker["Layers"]} <= set(members)


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    with registry(content()) as (url, _):
        for name in ("a", "b"):
            pull(look_up(f"golang:1@{digest(IMAGE)}", "amd64", url), tmp_path / name, tmp_path / "partial")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_manifest_than_that_of_the_digest_is_refused() -> None:
    wrong = {f"/v2/library/golang/manifests/{digest(IMAGE)}": IMAGE + b" "}
    with registry(wrong) as (url, _), pytest.raises(HostError, match="another manifest"):
        look_up(f"golang:1@{digest(IMAGE)}", "amd64", url)


def test_a_part_that_was_changed_is_refused(tmp_path: Path) -> None:
    wrong = content() | {f"/v2/library/golang/blobs/{digest(LAYER)}": LAYER[:-1] + b"!"}
    with registry(wrong) as (url, _):
        found = look_up(f"golang:1@{digest(IMAGE)}", "amd64", url)
        with pytest.raises(HostError, match=digest(LAYER).removeprefix("sha256:")):
            pull(found, tmp_path / "a.tar", tmp_path / "partial")
    assert not (tmp_path / "a.tar").exists()


def test_an_architecture_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with registry(content()) as (url, _), pytest.raises(UsageError, match="there is `linux/amd64`"):
        look_up(f"golang:1@{digest(MANY)}", "arm64", url)


def test_an_image_that_there_is_not_is_a_clear_message() -> None:
    with registry({}) as (url, _), pytest.raises(HostError, match="answered 404"):
        look_up(f"golang:1@{digest(IMAGE)}", "amd64", url)


def test_the_name_of_an_archive_is_readable_and_changes_with_the_digest() -> None:
    assert archive_name("tinygo/tinygo:0.39.0", f"sha256:{'a' * 64}") == "tinygo-tinygo-0-39-0-aaaaaaaaaaaa.tar"
