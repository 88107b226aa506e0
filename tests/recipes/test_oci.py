from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import SubmissionError
from grader.recipes.oci import (
    Descriptor,
    Platform,
    as_ctr_prints,
    as_docker_prints,
    find_image,
    listed_size,
    saved_image,
)
from tests.images import Blobs, Json, encoded

LINUX = Platform.parse("linux/amd64")
WASM = Platform.parse("wasi/wasm")


def index_of(*entries: Json) -> bytes:
    return encoded({"manifests": list(entries)})


@pytest.mark.parametrize("name", ["wasi/wasm", "wasi/wasm32", "wasip1/wasm"])
def test_every_name_of_the_wasm_platform_is_taken(name: str) -> None:
    blobs = Blobs()
    image = find_image(index_of(blobs.image(name, [b"layer"])), lambda d: blobs.data[d.digest], WASM)
    assert str(image.platform) == name


def test_content_is_manifest_configuration_and_layers_and_nothing_else() -> None:
    blobs = Blobs()
    manifest = blobs.image("wasi/wasm", [b"one layer", b"another"])
    everything = sum(map(len, blobs.data.values()))
    top = blobs.index([manifest, blobs.attestation(manifest)])
    image = find_image(index_of(top), lambda d: blobs.data[d.digest], WASM)
    assert image.content_size == everything
    assert image.target.digest == top["digest"]
    assert image.manifest.digest == manifest["digest"]


def test_a_layer_that_is_there_twice_is_stored_once() -> None:
    blobs = Blobs()
    manifest = blobs.image("linux/amd64", [b"same", b"same"])
    image = find_image(index_of(manifest), lambda d: blobs.data[d.digest], LINUX)
    assert image.content_size == sum(map(len, blobs.data.values()))
    assert len(image.layers) == 2


def test_of_several_platforms_the_wanted_one_is_taken() -> None:
    blobs = Blobs()
    native, wasm = blobs.image("linux/amd64", [b"elf"]), blobs.image("wasi/wasm", [b"wasm"])
    index = index_of(blobs.index([native, wasm]))
    read = lambda d: blobs.data[d.digest]  # noqa: E731
    assert find_image(index, read, LINUX).manifest.digest == native["digest"]
    assert find_image(index, read, WASM).manifest.digest == wasm["digest"]


def test_the_configuration_names_the_platform_where_the_descriptor_does_not() -> None:
    blobs = Blobs()
    manifest = blobs.image("wasi/wasm", [b"layer"])
    del manifest["platform"]
    assert str(find_image(index_of(manifest), lambda d: blobs.data[d.digest], WASM).platform) == "wasi/wasm"


def test_what_is_for_another_platform_is_named() -> None:
    blobs = Blobs()
    index = index_of(blobs.image("linux/arm64", [b"x"]))
    with pytest.raises(SubmissionError) as caught:
        find_image(index, lambda d: blobs.data[d.digest], WASM)
    assert "no image for wasi/wasm, only for linux/arm64" in str(caught.value)


def test_two_images_for_one_platform_are_not_guessed_between() -> None:
    blobs = Blobs()
    index = index_of(blobs.image("wasi/wasm", [b"a"]), blobs.image("wasip1/wasm", [b"b"]))
    with pytest.raises(SubmissionError, match="2 images for wasi/wasm"):
        find_image(index, lambda d: blobs.data[d.digest], WASM)


def test_documents_that_list_each_other_a_thousand_times_are_read_once() -> None:
    blobs, reads = Blobs(), list[str]()
    manifest = blobs.image("wasi/wasm", [b"x"])
    inner = blobs.index([manifest] * 1000)
    outer = blobs.index([inner] * 1000)

    def read(descriptor: Descriptor) -> bytes:
        reads.append(descriptor.digest)
        return blobs.data[descriptor.digest]

    find_image(index_of(*[outer] * 1000), read, WASM)
    assert len(reads) < 10


def test_indexes_that_nest_without_end_are_refused() -> None:
    blobs = Blobs()
    entry = blobs.image("wasi/wasm", [b"x"])
    for _ in range(9):
        entry = blobs.index([entry])
    with pytest.raises(SubmissionError, match="nested"):
        find_image(index_of(entry), lambda d: blobs.data[d.digest], WASM)


def test_ctr_counts_an_index_alone_where_nothing_in_it_is_for_the_host() -> None:
    blobs = Blobs()
    manifest = blobs.image("wasi/wasm", [b"x" * 1000])
    target = blobs.index([manifest])

    def listed(what: Json) -> int:
        return listed_size(Descriptor.model_validate(what), lambda d: blobs.data[d.digest], LINUX)

    assert listed(target) == target["size"]
    assert listed(manifest) == sum(map(len, blobs.data.values())) - target["size"]


def test_ctr_counts_the_index_and_the_image_for_the_host() -> None:
    blobs = Blobs()
    native = blobs.image("linux/amd64", [b"elf" * 50])
    own = sum(map(len, blobs.data.values()))
    target = blobs.index([blobs.image("linux/arm64", [b"other"]), native])
    assert listed_size(Descriptor.model_validate(target), lambda d: blobs.data[d.digest], LINUX) == own + target["size"]


@pytest.mark.parametrize(
    ("size", "ctr", "docker"),
    [(361, "361.0 B", "361B"), (839_578, "819.9 KiB", "840kB"), (4_698_112, "4.5 MiB", "4.7MB"), (0, "0.0 B", "0B")],
)
def test_sizes_as_the_tools_print_them(size: int, ctr: str, docker: str) -> None:
    assert (as_ctr_prints(size), as_docker_prints(size)) == (ctr, docker)


@pytest.mark.parametrize("text", [b"[]", b'[{"Config":"a","Layers":[]},{"Config":"b","Layers":[]}]', b"{}", b"x"])
def test_a_saved_archive_of_no_or_two_images_is_refused(text: bytes) -> None:
    with pytest.raises(SubmissionError):
        saved_image(text)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    def read(descriptor: Descriptor) -> bytes:
        return data

    for wanted in (LINUX, WASM):
        with pytest.raises(SubmissionError):
            find_image(data, read, wanted)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_json_for_a_manifest_is_refused(document: object) -> None:
    blobs = Blobs()
    entry = blobs.add(encoded(document), "")
    with pytest.raises(SubmissionError):
        find_image(index_of(entry), lambda d: blobs.data[d.digest], LINUX)
