"""What is written is an image by the specification: digests, sizes, members; the same input gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from grader.adapters.imagelayout import Layout, Member, Settings, Written
from grader.adapters.ociarchive import OciArchive
from grader.recipes.oci import Descriptor, Platform

NAME = "example.org/sample:1"
SETTINGS = Settings(os="wasi", architecture="wasm", entrypoint=("/app.wasm",), env=("A=1",), labels={"kind": "sample"})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "layout").mkdir()
    return Layout(tmp_path / "layout")


def sample(layout: Layout, folder: Path) -> Written:
    (folder / "file").write_bytes(b"from a file")
    first = layout.layer([Member("app.wasm", b"\0asm", 0o755), Member("etc/conf", folder / "file", 0o644)])
    second = layout.layer([Member("tmp", mode=0o1777), Member("bin/sh", target="/bin/busybox")])
    return layout.image(NAME, [first, second], SETTINGS)


def document(layout: Layout, descriptor: Descriptor) -> dict[str, object]:
    read: dict[str, object] = json.loads(layout.path(descriptor).read_bytes())
    return read


def test_every_blob_has_the_digest_and_size_that_it_is_told_by(layout: Layout, tmp_path: Path) -> None:
    written = sample(layout, tmp_path)
    for blob in (written.manifest, *written.parts):
        data = layout.path(blob).read_bytes()
        assert (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)) == (blob.digest, blob.size)
    assert len({blob.digest for blob in written.parts}) == 3


def test_a_layer_holds_its_members_and_its_diff_id_is_that_of_its_archive(layout: Layout, tmp_path: Path) -> None:
    written = sample(layout, tmp_path)
    config, first, second = written.parts
    plain = [gzip.decompress(layout.path(layer).read_bytes()) for layer in (first, second)]
    rootfs = document(layout, config)["rootfs"]
    assert rootfs == {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in plain]}
    with tarfile.open(fileobj=io.BytesIO(plain[0])) as archive:
        members = {info.name: (info.mode, info.uid, archive.extractfile(info)) for info in archive}
        assert {name: (mode, uid, file.read() if file else b"") for name, (mode, uid, file) in members.items()} == {
            "app.wasm": (0o755, 0, b"\0asm"),
            "etc/conf": (0o644, 0, b"from a file"),
        }
    with tarfile.open(fileobj=io.BytesIO(plain[1])) as archive:
        folder, link = archive.getmembers()
        assert (folder.isdir(), folder.mode, link.issym(), link.linkname) == (True, 0o1777, True, "/bin/busybox")


def test_the_same_members_give_the_same_image(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        digests.add(sample(Layout(tmp_path / name), tmp_path).manifest.digest)
    assert len(digests) == 1


def test_the_archive_is_one_that_we_read(layout: Layout, tmp_path: Path) -> None:
    written = sample(layout, tmp_path)
    layout.archive(tmp_path / "image.tar")
    with OciArchive.open(tmp_path / "image.tar") as archive:
        image = archive.image(Platform.parse("wasi/wasm"), Platform.parse("linux/amd64"))
    assert image.digest == written.manifest.digest
    assert image.config.entrypoint == ("/app.wasm",)


def test_two_images_of_one_layout_are_both_in_its_index(layout: Layout, tmp_path: Path) -> None:
    first = sample(layout, tmp_path)
    other = layout.image("example.org/other:1", [layout.layer([])], SETTINGS)
    index = json.loads((tmp_path / "layout/index.json").read_bytes())
    assert [entry["digest"] for entry in index["manifests"]] == [first.manifest.digest, other.manifest.digest]
