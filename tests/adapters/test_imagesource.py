from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from grader.adapters.containerfile import host_platform
from grader.adapters.imagesource import ImageSources, Unfit, copy_image
from grader.adapters.ociarchive import OciArchive
from grader.errors import SubmissionError, UsageError
from grader.model.run import Artifact
from grader.recipes.oci import Platform
from tests.images import Blobs, docker_save, tar, zipped

HERE, WASM = host_platform(), Platform.parse("wasi/wasm")
LAYERS = [zipped(tar({"app": b"one"})), zipped(tar({"more": b"two"}))]


def layout(path: Path, *platforms: str) -> Path:
    """Write an archive with an index of these platforms and an attestation, which has a name."""
    blobs = Blobs()
    images = [blobs.image(platform, LAYERS, {"Entrypoint": ["/app"]}) for platform in platforms]
    index = blobs.index([*images, blobs.attestation(images[0])])
    return blobs.layout(path, [index | {"annotations": {"io.containerd.image.name": "docker.io/library/theirs:1"}}])


def names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def document(path: Path, name: str) -> Any:
    with OciArchive.open(path) as archive:
        return json.loads(archive.document(name))


@pytest.mark.parametrize("wanted", [HERE, WASM])
def test_a_copy_is_the_image_of_one_platform_with_its_digest_and_without_its_name(
    tmp_path: Path, wanted: Platform
) -> None:
    source = layout(tmp_path / "theirs.tar", str(HERE), "wasi/wasm")
    before = source.read_bytes()
    with OciArchive.open(source) as archive:
        theirs = archive.image(wanted, HERE)
    copy = copy_image(source, wanted, tmp_path / "copy.tar")
    with OciArchive.open(Path(copy.path)) as archive:
        ours = archive.image(wanted, HERE)
    assert (ours.digest, ours.platform, ours.layers) == (theirs.digest, theirs.platform, theirs.layers)
    assert copy.sha256 == theirs.digest.removeprefix("sha256:")
    assert b"theirs" not in Path(copy.path).read_bytes()
    assert len([name for name in names(Path(copy.path)) if name.startswith("blobs/")]) == 4
    assert source.read_bytes() == before


def test_a_copy_of_a_layout_can_be_loaded_by_a_docker_that_knows_no_layouts(tmp_path: Path) -> None:
    copy = copy_image(layout(tmp_path / "theirs.tar", str(HERE)), HERE, tmp_path / "copy.tar")
    (saved,) = document(Path(copy.path), "manifest.json")
    assert saved["RepoTags"] is None
    assert {saved["Config"], *saved["Layers"]} <= set(names(Path(copy.path)))
    assert len(saved["Layers"]) == 2


def test_a_copy_of_what_docker_saved_keeps_no_name_of_it_nor_of_its_members(tmp_path: Path) -> None:
    plain = tar({"app": b"one"})
    docker_save(tmp_path / "theirs.tar", str(HERE), [plain, plain], {"Entrypoint": ["/app"]}, tags=("theirs:1",))
    with OciArchive.open(tmp_path / "theirs.tar") as archive:
        theirs = archive.image(HERE, HERE)
    copy = Path(copy_image(tmp_path / "theirs.tar", HERE, tmp_path / "copy.tar").path)
    with OciArchive.open(copy) as archive:
        ours = archive.image(HERE, HERE)
    assert (ours.form, ours.digest, len(ours.layers)) == ("docker-save", theirs.digest, 2)
    assert set(names(copy)) == {f"{theirs.digest.removeprefix('sha256:')}.json", *ours.layers, "manifest.json"}
    assert b"theirs:1" not in copy.read_bytes()


def test_an_image_whose_volume_would_be_a_mount_option_is_not_copied(tmp_path: Path) -> None:
    blobs = Blobs()
    image = blobs.image(str(HERE), LAYERS, {"Volumes": {"/x,type=bind,src=/": {}}})
    with pytest.raises(SubmissionError, match="volume"):
        copy_image(blobs.layout(tmp_path / "theirs.tar", [image]), HERE, tmp_path / "copy.tar")


def sources(tmp_path: Path) -> ImageSources:
    (tmp_path / "work").mkdir()
    return ImageSources(None, None, "default", tmp_path / "work")


def test_an_archive_is_copied_once_for_all_arms_of_a_platform(tmp_path: Path) -> None:
    archive = layout(tmp_path / "both.tar", str(HERE), "wasi/wasm")
    found = sources(tmp_path)
    first, again, other = (found.take(str(archive), wanted) for wanted in (HERE, HERE, WASM))
    assert first is again
    assert isinstance(other, Artifact)
    assert len(list((tmp_path / "work").iterdir())) == 2


def test_an_archive_for_another_platform_is_there_and_says_what_it_is_for(tmp_path: Path) -> None:
    archive = layout(tmp_path / "wasm.tar", "wasi/wasm")
    found = sources(tmp_path).take(str(archive), HERE)
    assert isinstance(found, Unfit)
    assert "only for wasi/wasm" in found.why


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("./gone.tar", "no file of that name"),
        ("UPPER case!", "no image can have it"),
        ("gone:1", "build or pull it first"),
        (".", "it is a folder"),
    ],
)
def test_a_name_that_nobody_knows_is_refused_with_where_it_was_looked_for(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        sources(tmp_path).take(name, HERE)
    assert f"no image `{name}`" in caught.value.what
    assert hint in caught.value.hint
