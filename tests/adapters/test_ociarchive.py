from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from grader.adapters.ociarchive import OciArchive
from grader.errors import SubmissionError
from grader.model.base import Message
from grader.recipes.oci import Platform
from tests.images import Blobs, docker_save, encoded, tar, zipped

LINUX = Platform.parse("linux/amd64")
WASM = Platform.parse("wasi/wasm")
MODULE = b"\0asm\1\0\0\0" * 500
LAYER = tar({"main.wasm": MODULE})


def sizes(path: Path, wanted: Platform) -> dict[str, int]:
    with OciArchive.open(path) as archive:
        image = archive.image(wanted, LINUX)
        return {"unpacked": archive.unpacked(image)} | {str(size.notion): size.size_bytes for size in image.sizes}


def extracted(path: Path, name: str, target: Path, wanted: Platform = WASM, cap: int = 1 << 20) -> bytes | str:
    with OciArchive.open(path) as archive:
        problem = archive.extract(archive.image(wanted, LINUX), name, target, cap)
    assert (problem is None) == target.exists()
    return target.read_bytes() if problem is None else problem.code


def test_every_size_of_a_plain_layout_is_exact(tmp_path: Path) -> None:
    blobs = Blobs()
    path = blobs.layout(tmp_path / "a.tar", [blobs.image("wasi/wasm", [zipped(LAYER)])])
    content = sum(map(len, blobs.data.values()))
    assert sizes(path, WASM) == {
        "content": content,
        "ctr_ls": content,
        "oci_archive": path.stat().st_size,
        "unpacked": len(MODULE),
    }


def test_an_attestation_counts_for_nothing_and_the_index_only_for_ctr(tmp_path: Path) -> None:
    blobs = Blobs()
    manifest = blobs.image("wasi/wasm", [zipped(LAYER)])
    content = sum(map(len, blobs.data.values()))
    target = blobs.index([manifest, blobs.attestation(manifest)])
    found = sizes(blobs.layout(tmp_path / "a.tar", [target]), WASM)
    assert (found["content"], found["ctr_ls"]) == (content, target["size"])


@pytest.mark.parametrize("layers", [[LAYER], [LAYER, tar({"more": b"y" * 99})], [LAYER, LAYER]])
def test_a_docker_save_archive_is_counted_as_it_lies(tmp_path: Path, layers: list[bytes]) -> None:
    path = tmp_path / "a.tar"
    config = docker_save(path, "linux/amd64", layers)
    stored = len(config) + sum(len(layer) for layer in dict.fromkeys(layers))
    files = sum(len(MODULE) if layer is LAYER else 99 for layer in layers)
    assert sizes(path, LINUX) == {"content": stored, "unpacked": files}
    with OciArchive.open(path) as archive:
        assert archive.image(LINUX, LINUX).digest == f"sha256:{hashlib.sha256(config).hexdigest()}"


def test_the_identity_of_a_layout_is_its_manifest(tmp_path: Path) -> None:
    blobs = Blobs()
    manifest = blobs.image("wasi/wasm32", [LAYER], {"Entrypoint": ["/main.wasm"], "Volumes": {"/data": {}}})
    path = blobs.layout(tmp_path / "a.tar", [blobs.index([manifest])])
    with OciArchive.open(path) as archive:
        image = archive.image(WASM, LINUX)
    assert image.digest == manifest["digest"]
    assert (image.config.entrypoint, image.config.volumes) == (("/main.wasm",), ("/data",))


def test_a_file_comes_from_the_last_layer_that_has_it(tmp_path: Path) -> None:
    blobs = Blobs()
    layers = [zipped(tar({"./app/main": b"old"})), tar({"app/main": b"new"}), tar({"other": b""})]
    path = blobs.layout(tmp_path / "a.tar", [blobs.image("wasi/wasm", layers)])
    assert extracted(path, "/app/main", tmp_path / "out") == b"new"


@pytest.mark.parametrize(
    "upper",
    [
        {"app/.wh.main": b""},
        {".wh.app": b""},
        {"app/.wh..wh..opq": b""},
        {"app/main": ("link", "/etc/shadow")},
        {"app": ("link", "/elsewhere")},
    ],
)
def test_a_file_that_a_later_layer_hides_is_not_there(tmp_path: Path, upper: dict[str, bytes]) -> None:
    blobs = Blobs()
    path = blobs.layout(tmp_path / "a.tar", [blobs.image("wasi/wasm", [tar({"app/main": b"x"}), tar(upper)])])
    assert extracted(path, "/app/main", tmp_path / "out") == "image.no-file"


def test_a_file_above_the_cap_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs()
    path = blobs.layout(tmp_path / "a.tar", [blobs.image("wasi/wasm", [LAYER])])
    assert extracted(path, "main.wasm", tmp_path / "out", cap=len(MODULE) - 1) == "image.no-file"
    assert extracted(path, "main.wasm", tmp_path / "out", cap=len(MODULE)) == MODULE


def test_a_layer_that_is_not_what_its_digest_says_is_refused(tmp_path: Path) -> None:
    blobs = Blobs()
    entry = blobs.image("wasi/wasm", [LAYER])
    layer = f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
    blobs.data[layer] = tar({"main.wasm": MODULE[:-1] + b"!"})
    with pytest.raises(SubmissionError, match="digest"):
        sizes(blobs.layout(tmp_path / "a.tar", [entry]), WASM)


def test_a_manifest_whose_size_is_stated_wrong_is_refused(tmp_path: Path) -> None:
    blobs = Blobs()
    entry = blobs.image("wasi/wasm", [LAYER]) | {"size": 5}
    with pytest.raises(SubmissionError, match="digest"):
        sizes(blobs.layout(tmp_path / "a.tar", [entry]), WASM)


def test_an_archive_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    blobs = Blobs()
    entry = blobs.image("wasi/wasm", [LAYER])
    del blobs.data[f"sha256:{hashlib.sha256(LAYER).hexdigest()}"]
    with pytest.raises(SubmissionError, match="lacks a part"):
        sizes(blobs.layout(tmp_path / "a.tar", [entry]), WASM)


def test_links_in_a_circle_are_no_layer(tmp_path: Path) -> None:
    config = encoded({"os": "linux", "architecture": "amd64"})
    names = {"Config": "c.json", "Layers": ["a/layer.tar"]}
    path = tmp_path / "a.tar"
    path.write_bytes(
        tar(
            {
                "a/layer.tar": ("link", "../b"),
                "b": ("link", "a/layer.tar"),
                "c.json": config,
                "manifest.json": encoded([names]),
            }
        )
    )
    with pytest.raises(SubmissionError, match="lacks a part"):
        sizes(path, LINUX)


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, tar({"readme": b"x"}), tar({"index.json": b"{}"})])
def test_what_is_no_image_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(SubmissionError):
        sizes(path, LINUX)


def test_a_layer_cut_off_in_its_compressed_data_is_refused(tmp_path: Path) -> None:
    blobs = Blobs()
    whole = zipped(LAYER)
    path = blobs.layout(tmp_path / "a.tar", [blobs.image("wasi/wasm", [whole[: len(whole) // 2]])])
    with pytest.raises(SubmissionError, match="layer"):
        sizes(path, WASM)


def test_the_reason_for_a_missing_file_names_it(tmp_path: Path) -> None:
    blobs = Blobs()
    path = blobs.layout(tmp_path / "a.tar", [blobs.image("wasi/wasm", [LAYER])])
    with OciArchive.open(path) as archive:
        problem = archive.extract(archive.image(WASM, LINUX), "/nothing", tmp_path / "out", 10)
    assert problem == Message(code="image.no-file", params={"file": "/nothing"})
