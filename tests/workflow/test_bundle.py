"""What a bundle is to hold is decided before anything is fetched, and an incompatible or vague wish is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grader.adapters.catalogue import load_catalogue, load_rules
from grader.adapters.packages import load_distribution
from grader.errors import HostError, UsageError
from grader.model.bundle import Bundle, Entry, Image, Item
from grader.workflow.bundle import create, files_of, image_names, not_held, plan

SHA = "0" * 64
F25 = {
    "golang_version": "1.21.13",
    "tinygo_version": "0.39.0",
    "wasm_tools_list": [{"name": "wasmtime", "version": "47.0.3"}],
}


class MemoryDepot:
    """A depot that notes what is done, in order; `cut` is the path at which the network goes away."""

    def __init__(self, cut: str = "") -> None:
        self.cut = cut
        self.done: list[str] = []
        self.made: Bundle | None = None

    def packages(self, names: Sequence[str]) -> tuple[Item, ...]:
        return tuple(Item(path=f"debs/{name}.deb", size=10, sha256=SHA) for name in names)

    def image(self, name: str) -> tuple[Image, Item]:
        short, _, digest = name.partition("@")
        return Image(name=short, digest=digest, path="images/i.tar"), Item(path="images/i.tar", size=5, sha256=None)

    def present(self) -> int:
        return 7

    def require_room(self, needed: int) -> None:
        self.done.append(f"room {needed}")

    def fetch(self, item: Item) -> None:
        if item.path == self.cut:
            raise HostError("cannot fetch it")
        self.done.append(item.path)

    def sign(self) -> tuple[str, ...]:
        return ("debs/Packages",)

    def wheels(self) -> tuple[str, ...]:
        return ("wheels/a.whl",)

    def entry(self, path: str) -> Entry:
        return Entry(path=path, size=1, sha256=SHA)

    def keep_only(self, paths: Sequence[str]) -> None:
        self.done.append(f"keep {len(paths)}")

    def finish(self, bundle: Bundle) -> str:
        self.made = bundle
        return "sha256:made"


def made(depot: MemoryDepot) -> str:
    versions, files = files_of(load_catalogue(), load_rules(), F25, "amd64")
    planned = plan(depot, versions, files, load_distribution("trixie"), [f"golang:1@sha256:{SHA}"])
    return create(depot, planned, edition="f25", architecture="amd64", release="trixie", tell=lambda *said: None)


def test_a_bundle_names_files_packages_images_and_wheels() -> None:
    depot = MemoryDepot()
    assert made(depot) == "sha256:made"
    assert depot.made is not None
    paths = [entry.path for entry in depot.made.files]
    assert "files/go.dev/dl/go1.21.13.linux-amd64.tar.gz" in paths
    assert {"debs/docker.io.deb", "debs/Packages", "images/i.tar", "wheels/a.whl"} <= set(paths)
    assert depot.made.tools == {"golang": "1.21.13", "tinygo": "0.39.0", "wasmtime": "47.0.3"}
    assert depot.made.single == ("tinygo 0.39.0",)


def test_room_is_asked_for_before_anything_is_fetched_and_what_is_there_counts() -> None:
    depot = MemoryDepot()
    versions, files = files_of(load_catalogue(), load_rules(), F25, "amd64")
    planned = plan(depot, versions, files, load_distribution("trixie"), [])
    assert depot.done == []
    made(depot)
    known = planned.known_bytes + 5  # of the image
    assert depot.done[0] == f"room {known - 7}"


def test_a_cut_leaves_no_manifest() -> None:
    depot = MemoryDepot(cut="debs/docker.io.deb")
    with pytest.raises(HostError):
        made(depot)
    assert depot.made is None
    assert not any(line.startswith("keep") for line in depot.done)


def test_sizes_that_nobody_published_are_counted() -> None:
    versions, files = files_of(load_catalogue(), load_rules(), F25, "amd64")
    planned = plan(MemoryDepot(), versions, files, load_distribution("trixie"), [])
    assert planned.unknown == sum(file.size is None for _, file in files)


def test_a_set_that_does_not_work_together_is_refused_with_its_text() -> None:
    with pytest.raises(UsageError, match=r"versions-tinygo-go-0\.39: found golang 1\.26\.4, tinygo 0\.39\.0"):
        files_of(load_catalogue(), load_rules(), F25 | {"golang_version": "1.26.4"}, "amd64")


@pytest.mark.parametrize("name", ["golang", "golang:1.21-alpine", "golang@sha256:12", f"-x@sha256:{SHA}", 7])
def test_an_image_without_its_digest_is_refused(name: object) -> None:
    with pytest.raises(UsageError, match=r".") as caught:
        image_names({"lab_bundle_images": [name]})
    assert caught.value.where == "lab_bundle_images"


def test_a_host_that_is_to_get_another_version_than_the_bundle_holds_is_named() -> None:
    held = {"golang": "1.21.13", "tinygo": "0.39.0"}
    hosts: dict[str, dict[str, object]] = {
        "same": {"golang_version": "1.21.13"},
        "other": {"golang_version": "1.26.4", "spin_version": "3.4.0"},
        "number": {"golang_version": 1.26},
    }
    said = not_held(load_catalogue(), held, hosts)
    assert [line.partition(":")[0] for line in said] == ["other", "number"]
    assert "golang 1.26.4 (it holds 1.21.13), spin 3.4.0 (it holds none)" in said[0]
    assert "is no text" in said[1]


def test_images_are_none_unless_named() -> None:
    assert image_names({}) == ()
    assert image_names({"lab_bundle_images": [f"golang:1@sha256:{SHA}"]}) == (f"golang:1@sha256:{SHA}",)
