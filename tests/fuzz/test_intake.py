"""Hostile trees, zips and tars by the hundred: a whole copy or one clear refusal, and nothing outside touched."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.adapters.intake import LocalIntake
from grader.adapters.store import DiskStore
from grader.errors import IntakeError
from grader.model.base import digest
from grader.model.submission import IntakeCaps
from grader.workflow.freeze import freeze
from tests.handed_in import contents, lab

CAPS = IntakeCaps(total_bytes=1 << 20, files=40, depth=6, file_bytes=1 << 19, path_bytes=300)

PART = st.one_of(
    st.sampled_from(
        ["a", "A", "b", "main.go", "..", ".", "", ".git", "grader-out", "@report", "C:", "é", "e\u0301", "x" * 256]
    ),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
NAME = st.lists(PART, min_size=1, max_size=8).map("/".join)
TARGET = st.one_of(NAME, st.sampled_from(["/etc/passwd", "../outside/kept", "main.go", "..", ".", "a/../main.go"]))
DATA = st.one_of(st.binary(max_size=200), st.integers(0, 1 << 20).map(bytes))

settings.register_profile("intake", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
bounded = settings(settings.get_profile("intake"), max_examples=150)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file beside the sources that no intake may read or change."""
    made = tmp_path_factory.mktemp("fuzz")
    (made / "outside").mkdir()
    (made / "outside/kept").write_bytes(b"SECRET OF THE HOST")
    return made


def check(source: Path, place: Path) -> None:
    """Freeze; whatever happens the rules hold."""
    cache_dir = place / "cache"
    said, submission = "", None
    try:
        submission = freeze(str(source), lab(), DiskStore(cache_dir), LocalIntake(os.environ), CAPS)
    except IntakeError as refusal:
        said = f"{refusal.where}: {refusal.what}"
    assert "\n" not in said
    if submission is not None:
        held = contents(submission)
        assert {e.path: e.sha256 for e in submission.manifest.entries} == {p: digest(d) for p, d in held.items()}
        assert not any({".git", "grader-out"} & set(Path(path).parts) for path in held)
        assert b"SECRET OF THE HOST" not in b"".join(held.values())
        for path in Path(submission.frozen_dir).rglob("*"):
            assert stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR)
    assert list((cache_dir / "work").iterdir()) == []
    assert sorted(path.name for path in place.iterdir()) == ["cache", "outside", source.name]
    assert (place / "outside/kept").read_bytes() == b"SECRET OF THE HOST"


TAR_MEMBER = st.tuples(
    NAME, st.sampled_from([b"0", b"0", b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"Z"]), TARGET, DATA
)


@given(members=st.lists(TAR_MEMBER, max_size=8), packing=st.sampled_from(["w", "w:gz", "w:xz", "w:bz2"]))
@bounded
def test_any_tar_is_frozen_whole_or_refused(
    place: Path, members: list[tuple[str, bytes, str, bytes]], packing: str
) -> None:
    with tarfile.open(place / "source", packing) as tar:  # type: ignore[call-overload]
        for name, kind, target, data in [("main.go", b"0", "", b"package main\n"), *members]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(data) if kind in (b"0", b"7") else 0
            tar.addfile(info, io.BytesIO(data))
    check(place / "source", place)


ZIP_MEMBER = st.tuples(
    NAME,
    st.sampled_from([0o100644, 0o100755, 0, stat.S_IFLNK | 0o777, stat.S_IFIFO, stat.S_IFDIR | 0o755, stat.S_IFCHR]),
    DATA | TARGET.map(str.encode),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)


@given(members=st.lists(ZIP_MEMBER, max_size=8))
@bounded
def test_any_zip_is_frozen_whole_or_refused(place: Path, members: list[tuple[str, int, bytes, int]]) -> None:
    with zipfile.ZipFile(place / "source", "w") as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name that is there twice
        packed.writestr("main.go", b"package main\n")
        for name, mode, data, method in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.create_system, info.external_attr = name, 3, mode << 16
            packed.writestr(info, data, method)
    check(place / "source", place)


@given(data=st.data(), form=st.sampled_from(["zip", "w", "w:gz", "w:xz", "w:bz2"]))
@bounded
def test_damaged_archives_are_frozen_whole_or_refused(place: Path, data: st.DataObject, form: str) -> None:
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("main.go", b"package main\n" * 50)
            packed.writestr("a/b", b"x" * 300)
    else:
        with tarfile.open(fileobj=buffer, mode=form) as tar:  # type: ignore[call-overload]
            for name in ("main.go", "a/" + "b" * 120):
                info = tarfile.TarInfo(name)
                info.size = 300
                tar.addfile(info, io.BytesIO(b"x" * 300))
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (place / "source").write_bytes(
        damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
    )
    check(place / "source", place)


TREE_NODE = st.tuples(
    st.lists(
        st.one_of(
            st.sampled_from(["a", "A", "b", "main.go", ".git", "grader-out", "@report"]),
            st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=6),
        ).filter(lambda part: part not in (".", "..")),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["file", "file", "file", "folder", "link", "hard", "fifo"]),
    TARGET.filter(lambda target: target and "\0" not in target and len(target) < 1000),
    st.binary(max_size=200),
)


@given(nodes=st.lists(TREE_NODE, max_size=10))
@bounded
def test_any_tree_is_frozen_whole_or_refused(
    place: Path, tmp_path_factory: pytest.TempPathFactory, nodes: list[tuple[list[str], str, str, bytes]]
) -> None:
    room = tmp_path_factory.mktemp("tree")
    (room / "outside").mkdir()
    (room / "outside/kept").write_bytes(b"SECRET OF THE HOST")
    top = room / "source"
    top.mkdir()
    (top / "main.go").write_bytes(b"package main\n")
    for parts, kind, target, data in nodes:
        path = top.joinpath(*parts)
        if os.path.lexists(path) or any(parent.is_symlink() for parent in [*path.parents][: len(parts)]):
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                path.write_bytes(data)
            elif kind == "folder":
                path.mkdir()
            elif kind == "link":
                path.symlink_to(target)
            elif kind == "hard":
                path.hardlink_to(top / "main.go")
            else:
                os.mkfifo(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
    check(top, room)
