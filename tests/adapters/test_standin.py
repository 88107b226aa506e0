"""The stand-in for the lab's Go image: what goes into it, and which Go and busybox it is not made of."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from grader.adapters.imagelayout import Layout, Written
from grader.adapters.standin import LABEL, write_go_image
from grader.errors import HostError

TREE = {
    "VERSION": "go1.21.13\ntime 2024-08-01\n",
    "bin/go": "program",
    "src/fmt/print.go": "package fmt",
    "src/fmt/print_test.go": "package fmt",
    "src/testing/testing.go": "package testing",
    "src/encoding/testdata/a.json": "{}",
    "src/go/doc/doc.go": "package doc",
    "test/a.go": "package test",
    "api/go1.txt": "",
    "__init__.py": "",
    "__pycache__/x.pyc": "",
}


@pytest.fixture
def go_root(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        path = tmp_path / "go" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (tmp_path / "go/bin/go").chmod(0o755)
    return tmp_path / "go"


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    """A program that lists commands as busybox does."""
    return program(tmp_path, "printf 'bin/busybox\\nbin/sh\\nusr/bin/env\\n'")


def program(folder: Path, text: str) -> Path:
    path = folder / "busybox"
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return path


def write(folder: Path, go_root: Path, busybox: Path) -> tuple[Layout, Written]:
    (folder / "layout").mkdir()
    layout = Layout(folder / "layout")
    return layout, write_go_image(layout, go_root=go_root, busybox=busybox, architecture="amd64")


def test_the_toolchain_goes_in_without_what_no_build_reads(tmp_path: Path, go_root: Path, busybox: Path) -> None:
    layout, written = write(tmp_path, go_root, busybox)
    with tarfile.open(layout.path(written.parts[2])) as archive:
        files = {info.name.removeprefix("usr/local/go/"): info.mode for info in archive if info.isfile()}
    kept = {"VERSION", "bin/go", "src/fmt/print.go", "src/testing/testing.go", "src/go/doc/doc.go"}
    assert files == {name: 0o755 if name == "bin/go" else 0o644 for name in kept}


def test_every_command_of_busybox_is_a_link_to_it(tmp_path: Path, go_root: Path, busybox: Path) -> None:
    layout, written = write(tmp_path, go_root, busybox)
    with tarfile.open(layout.path(written.parts[1])) as archive:
        links = {info.name: info.linkname for info in archive if info.issym()}
        assert archive.getmember("bin/busybox").isfile()
    assert links == {"bin/sh": "/bin/busybox", "usr/bin/env": "/bin/busybox"}


def test_it_says_what_it_stands_in_for_and_which_go_it_has(tmp_path: Path, go_root: Path, busybox: Path) -> None:
    layout, written = write(tmp_path, go_root, busybox)
    config = json.loads(layout.path(written.parts[0]).read_bytes())["config"]
    assert config["Labels"] == {LABEL: "golang:1.21-alpine"}
    assert {"GOLANG_VERSION=1.21.13", "GOTOOLCHAIN=local"} <= set(config["Env"])


@pytest.mark.parametrize(
    ("version", "what"), [("go1.22.1\n", "this is 1.22.1"), ("go1.210\n", "1.210"), (None, "VERSION")]
)
def test_another_go_is_refused(tmp_path: Path, go_root: Path, busybox: Path, version: str | None, what: str) -> None:
    (go_root / "VERSION").unlink()
    if version:
        (go_root / "VERSION").write_text(version, "utf-8")
    with pytest.raises(HostError, match=what):
        write(tmp_path, go_root, busybox)


def test_a_busybox_that_needs_libraries_is_refused(tmp_path: Path, go_root: Path) -> None:
    """Debian's `busybox` is such a one; so is the shell of every distribution that tests run on."""
    with pytest.raises(HostError, match="needs libraries") as caught:
        write(tmp_path, go_root, Path("/bin/sh"))
    assert caught.value.hint == "install busybox-static"


@pytest.mark.parametrize("text", ["exit 1", "echo bin/ls", "kill -9 $$"])
def test_what_is_no_busybox_with_a_shell_is_refused(tmp_path: Path, go_root: Path, text: str) -> None:
    with pytest.raises(HostError) as caught:
        write(tmp_path, go_root, program(tmp_path, text))
    assert caught.value.hint == "install busybox-static"
