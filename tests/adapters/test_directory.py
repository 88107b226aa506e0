"""A directory as a submission: what enters, what is refused, and that it may change meanwhile."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from grader.errors import IntakeError
from grader.model.submission import IntakeCaps
from tests.handed_in import SMALL, contents, folder, frozen, refused, state
from tests.meanwhile import meanwhile


def test_the_copy_is_byte_equal_and_the_original_untouched(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    (handed_in / "link.go").symlink_to("main.go")
    before = state(handed_in)
    submission = frozen(handed_in, tmp_path / "cache")
    assert contents(submission) == {**SMALL, "link.go": SMALL["main.go"]}
    assert state(handed_in) == before


def test_the_copy_holds_plain_files_with_plain_modes_whatever_the_umask(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    (handed_in / "main.go").chmod(0o4600)
    old = os.umask(0o077)
    try:
        submission = frozen(handed_in, tmp_path / "cache")
    finally:
        os.umask(old)
    top = Path(submission.frozen_dir)
    assert {str(p.relative_to(top)): p.lstat().st_mode for p in [top, *top.rglob("*")]} == {
        ".": 0o40755,
        "notes": 0o40755,
        "notes/run.sh": 0o100755,
        "main.go": 0o100644,
        "Dockerfile": 0o100644,
        "submission12.md": 0o100644,
    }


def test_git_and_grader_out_never_enter_at_any_level(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    plain = frozen(handed_in, tmp_path / "cache")
    for path in (".git/config", "notes/.git/hooks/post-checkout", "grader-out/x/grade.json", "notes/grader-out"):
        (handed_in / path).parent.mkdir(parents=True, exist_ok=True)
        (handed_in / path).write_text("not content")
    (handed_in / ".git/secret").symlink_to("/etc/shadow")
    (handed_in / ".gitignore").write_text("")
    (handed_in / ".gitignore").unlink()
    assert frozen(handed_in, tmp_path / "cache").manifest == plain.manifest


def test_the_copies_that_filling_in_place_keeps_never_enter(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    plain = frozen(handed_in, tmp_path / "cache")
    for path in ("submission12.md.bak", "submission12.md.bak1", "notes/other.md.bak12"):
        (handed_in / path).write_text("an older report")
    assert frozen(handed_in, tmp_path / "cache").manifest == plain.manifest
    (handed_in / "main.go.bak").write_text("the student's own")
    assert frozen(handed_in, tmp_path / "cache").manifest != plain.manifest


def link_out(place: Path) -> None:
    (place / "x").symlink_to("../secret")


def link_absolute(place: Path) -> None:
    (place / "x").symlink_to(place / "main.go")


def link_out_and_back(place: Path) -> None:
    (place / "x").symlink_to(f"../{place.name}/main.go")


def link_out_through_a_folder_link(place: Path) -> None:
    (place / "notes/up").symlink_to("..")
    (place / "x").symlink_to("notes/up/../secret")


def link_to_proc(place: Path) -> None:
    (place / "x").symlink_to("/proc/self/environ")


def a_fifo(place: Path) -> None:
    os.mkfifo(place / "x")


def a_socket(place: Path) -> None:
    here = Path.cwd()
    os.chdir(place)  # a socket's path may have 108 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("x")
    finally:
        os.chdir(here)


def a_device(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs: root: a device")
    os.mknod(place / "x", 0o20666, os.makedev(1, 5))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (link_out, "points out of the submission: `../secret`"),
        (link_absolute, "points out"),
        (link_out_and_back, "points out"),
        (link_out_through_a_folder_link, "points out"),
        (link_to_proc, "points out"),
        (a_fifo, "a fifo, not a plain file"),
        (a_socket, "a socket, not a plain file"),
        (a_device, "a character device, not a plain file"),
    ],
)
def test_what_is_no_file_of_the_submission_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    (tmp_path / "secret").write_text("of the host")
    handed_in = folder(tmp_path / "lab12")
    make(handed_in)
    error = refused(handed_in, tmp_path / "cache")
    assert isinstance(error, IntakeError)
    assert error.where == "x"
    assert words in error.what


def test_links_inside_become_copies_also_by_way_of_other_links(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    (handed_in / "notes/a").symlink_to("../b")
    (handed_in / "b").symlink_to("sub/run.sh")
    (handed_in / "sub").symlink_to("notes")
    submission = frozen(handed_in, tmp_path / "cache")
    assert contents(submission)["notes/a"] == SMALL["notes/run.sh"]
    entry = submission.manifest.find("notes/a")
    assert entry is not None
    assert entry.executable
    assert [(m.code, m.params["path"]) for m in submission.messages] == [("intake.link-to-folder", "sub")]


@pytest.mark.parametrize("target", ["nowhere", "main.go/below", "x", ".git/config", "grader-out/report.md"])
def test_a_link_to_nothing_is_left_out_with_a_note(tmp_path: Path, target: str) -> None:
    handed_in = folder(tmp_path / "lab12")
    (handed_in / "x").symlink_to(target)
    submission = frozen(handed_in, tmp_path / "cache")
    assert [message.code for message in submission.messages] == ["intake.link-dangling"]
    assert submission.manifest.find("x") is None


@pytest.mark.parametrize(
    "name", ["line\nbreak", "\u202egnp.exe", "tab\t", "a\\b", "C:x", "-rf", " ", "é", "日本語", "*", "x" * 255]
)
def test_unusual_names_are_allowed(tmp_path: Path, name: str) -> None:
    handed_in = folder(tmp_path / "lab12", {**SMALL, name: b"x"})
    assert contents(frozen(handed_in, tmp_path / "cache"))[name] == b"x"


def test_unusual_names_are_escaped_in_messages(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    os.mkfifo(handed_in / "a\n\u202e\x1b[2Jz")
    assert refused(handed_in, tmp_path / "cache").where == r"a\n\u202e\x1b[2Jz"


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    (Path(os.fsdecode(bytes(handed_in) + b"/caf\xe9"))).write_text("")
    error = refused(handed_in, tmp_path / "cache")
    assert "not UTF-8" in error.what
    assert error.where == r"caf\udce9"


def test_one_name_may_not_be_a_file_and_a_folder_where_case_does_not_count(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12", {**SMALL, "Notes": b"file"})
    assert "a file and a folder" in refused(handed_in, tmp_path / "cache").what
    both = folder(tmp_path / "both", {**SMALL, "MAIN.go": b"other"})
    assert frozen(both, tmp_path / "cache").manifest.find("MAIN.go") is not None


def test_the_reserved_name_is_refused(tmp_path: Path) -> None:
    assert "reserved" in refused(folder(tmp_path / "x", {**SMALL, "@report": b""}), tmp_path / "cache").what


CAPS = [
    (IntakeCaps(files=4), "more than 4 files"),
    (IntakeCaps(depth=1), "nested deeper than 1"),
    (IntakeCaps(file_bytes=12), "the file has more than 12 bytes"),
    (IntakeCaps(total_bytes=20), "the submission has more than 20 bytes"),
    (IntakeCaps(path_bytes=11), "longer than"),
]


@pytest.mark.parametrize(("caps", "words"), CAPS, ids=[words for _, words in CAPS])
def test_each_cap_is_kept(tmp_path: Path, caps: IntakeCaps, words: str) -> None:
    assert words in refused(folder(tmp_path / "lab12"), tmp_path / "cache", caps).what


def test_what_lies_exactly_at_the_caps_is_taken(tmp_path: Path) -> None:
    total = sum(map(len, SMALL.values()))
    caps = IntakeCaps(files=5, depth=2, file_bytes=14, total_bytes=total, path_bytes=15)
    assert frozen(folder(tmp_path / "lab12"), tmp_path / "cache", caps).manifest.find("main.go") is not None


def test_links_count_what_they_copy(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12", {"main.go": bytes(1000)})
    for number in range(10):
        (handed_in / f"link{number}").symlink_to("main.go")
    assert "more than 5000 bytes" in refused(handed_in, tmp_path / "cache", IntakeCaps(total_bytes=5000)).what


def test_a_large_sparse_file_counts_with_its_holes(tmp_path: Path) -> None:
    handed_in = folder(tmp_path / "lab12")
    with (handed_in / "main.wasm").open("wb") as file:
        file.truncate(200 << 20)
    assert refused(handed_in, tmp_path / "cache", IntakeCaps(file_bytes=100 << 20)).where == "main.wasm"
    entry = frozen(handed_in, tmp_path / "cache").manifest.find("main.wasm")
    assert entry is not None
    assert entry.size == 200 << 20


def test_an_unreadable_file_is_refused_by_name(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("needs: user: root reads everything")
    handed_in = folder(tmp_path / "lab12")
    (handed_in / "main.go").chmod(0)
    assert refused(handed_in, tmp_path / "cache").where == "main.go"


def test_a_link_that_became_a_file_before_it_was_read_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The swap of the race below at its rarest moment: between looking at the link and asking where it leads."""
    handed_in = folder(tmp_path / "lab12")
    link = handed_in / "link"
    link.symlink_to("main.go")
    ask = os.readlink

    def swapped(name: str, *, dir_fd: int | None = None) -> str:
        link.unlink()
        link.write_bytes(b"a file")
        return ask(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", swapped)
    error = refused(handed_in, tmp_path / "cache")
    assert (error.where, error.what) == ("link", "it changed while it was being read")


def swapping(place: Path, other: Path) -> AbstractContextManager[None]:
    """Swap the two names as fast as can be while the body runs."""

    def swap(over: threading.Event) -> None:
        aside = place.with_name("aside")
        while not over.is_set():
            place.rename(aside)
            other.rename(place)
            place.rename(other)
            aside.rename(place)

    return meanwhile(swap)


def _race(tmp_path: Path, name: str) -> list[str]:
    """Freeze again and again while `name` is swapped for a link to a secret; return how each try ended."""
    secret = folder(tmp_path / "secret", {"run.sh": b"SECRET"})
    handed_in = folder(tmp_path / "lab12")
    outside = tmp_path / "link"
    outside.symlink_to(secret / "run.sh" if name.endswith(".sh") else secret)
    ended = []
    with swapping(handed_in / name, outside):
        for _ in range(150):
            try:
                held = contents(frozen(handed_in, tmp_path / "cache"))
            except IntakeError as error:
                ended.append(error.what.partition(":")[0])
            else:
                ended.append("frozen")
                assert b"SECRET" not in held.values()
    return ended


@pytest.mark.parametrize("name", ["notes/run.sh", "notes"])
def test_a_name_swapped_for_a_link_never_lets_anything_in(tmp_path: Path, name: str) -> None:
    ended = _race(tmp_path, name)
    allowed = {"frozen", "the link points out of the submission", "it changed while it was being read"}
    assert set(ended) <= allowed
    assert list((tmp_path / "cache/work").iterdir()) == []
