"""A manifest that leads out of its folder is none, and every way in which a folder can differ is told."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from grader.adapters.catalogue import load_catalogue
from grader.model.bundle import (
    PARTS,
    Bundle,
    Entry,
    Found,
    Image,
    differences,
    digest_of,
    manifest_bytes,
    with_overrides,
)

SHA = "0" * 64
segments = st.text(string.ascii_letters + string.digits + "_+~%@-", min_size=1, max_size=8)
paths = st.builds(
    lambda part, rest: "/".join((part, *rest)), st.sampled_from(PARTS), st.lists(segments, min_size=2, max_size=2)
)
entries = st.builds(
    Entry, path=paths, size=st.integers(0, 1 << 40), sha256=st.text("0123456789abcdef", min_size=64, max_size=64)
)


def bundle(*files: Entry, images: tuple[Image, ...] = ()) -> Bundle:
    return Bundle(
        schema_="grader/bundle/1", edition="f25", architecture="amd64", release="trixie",
        tools={}, single=(), packages=(), images=images, files=files,
    )  # fmt: skip


bundles = st.lists(entries, max_size=8, unique_by=lambda entry: entry.path).map(
    lambda found: bundle(*sorted(found, key=lambda entry: entry.path))
)


def whole(made: Bundle) -> dict[str, Found]:
    folders = {"/".join(e.path.split("/")[:n]) for e in made.files for n in range(1, e.path.count("/") + 1)}
    files = {e.path: Found(kind="file", size=e.size, sha256=e.sha256) for e in made.files}
    return {**{name: Found(kind="folder") for name in folders}, **files}


@given(bundles)
def test_what_was_written_is_read_again_and_equal_bundles_have_equal_bytes(made: Bundle) -> None:
    data = manifest_bytes(made)
    assert Bundle.model_validate_json(data) == made
    assert manifest_bytes(Bundle.model_validate_json(data)) == data


@given(bundles)
def test_a_folder_that_is_as_its_manifest_says_differs_in_nothing(made: Bundle) -> None:
    assert differences(made, whole(made)) == ()


@given(bundles.filter(lambda made: bool(made.files)), st.data())
def test_every_single_change_is_told_with_its_path(made: Bundle, data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(made.files))
    found = whole(made)
    change = data.draw(st.sampled_from(["missing", "link", "longer", "other", "folder"]))
    changed = {
        "link": Found(kind="link"),
        "folder": Found(kind="folder"),
        "longer": Found(kind="file", size=entry.size + 1),
        "other": Found(kind="file", size=entry.size, sha256="x"),
    }
    found.pop(entry.path)
    if change != "missing":
        found[entry.path] = changed[change]
    (said,) = differences(made, found)
    assert said.startswith(f"`{entry.path}` ")


@given(bundles, bundles.filter(lambda made: bool(made.files)))
def test_two_manifests_have_two_digests(one: Bundle, other: Bundle) -> None:
    assert (digest_of(manifest_bytes(one)) == digest_of(manifest_bytes(other))) == (one == other)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "files/../../etc/passwd", "files/..", "../files/a", "files", "files/", "files//a", "other/a",
     "files/.hidden/a", "files/a\n", "files/./a", "debs/a b", "files/a/..", "bundle.json", ""],
)  # fmt: skip
def test_a_path_that_is_not_plainly_inside_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        Entry(path=path, size=0, sha256=SHA)


def test_a_file_twice_a_wrong_order_and_a_file_below_a_file_are_refused() -> None:
    one, two = (Entry(path=f"files/{name}", size=0, sha256=SHA) for name in "ab")
    for files in ((one, one), (two, one), (one, Entry(path="files/a/b", size=0, sha256=SHA))):
        with pytest.raises(ValidationError):
            bundle(*files)


def test_an_image_without_its_archive_is_refused() -> None:
    with pytest.raises(ValidationError, match="not among the files"):
        bundle(images=(Image(name="a:1", digest=f"sha256:{SHA}", path="images/a.tar"),))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "`files/a` is missing"),
        ({"files/a": Found(kind="file", size=2)}, "`files/a` is half written: 2 of 3 bytes"),
        ({"files/a": Found(kind="special")}, "`files/a` is a device, pipe or socket; a bundle has plain files"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(found: dict[str, Found], said: str) -> None:
    assert differences(bundle(Entry(path="files/a", size=3, sha256=SHA)), found) == (said,)


def test_what_is_there_beside_is_told_whatever_it_is() -> None:
    beside = {"x": Found(kind="file"), "y": Found(kind="folder"), "z": Found(kind="link")}
    assert [line.split()[0] for line in differences(bundle(), beside)] == ["`x`", "`y`", "`z`"]


def test_a_courses_own_release_lies_over_the_catalogue_and_counts_as_single() -> None:
    url = "https://example.org/tinygo0.40.1.tar.gz"
    laid = with_overrides(load_catalogue(), {"tinygo": {"0.40.1": {"amd64": {"url": url, "sha256": SHA}}}})
    assert laid.archive("tinygo", "0.40.1", "amd64").url == url
    assert laid.archive("tinygo", "0.40.1", "amd64").checked == "single"
    assert laid.archive("golang", "1.26.4", "amd64") == load_catalogue().archive("golang", "1.26.4", "amd64")
