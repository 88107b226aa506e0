"""Freezing: one identity for one content, the right root and report, and nothing half whatever happens."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.adapters.store import DiskStore
from grader.errors import IntakeError
from grader.model.base import digest
from grader.model.submission import EVIDENCE_BYTES, Manifest, ManifestEntry
from grader.workflow.freeze import choose_root, evidence_files, report_bytes, safe_name
from grader.workflow.plan import source_dir, source_key
from tests.handed_in import SMALL, contents, folder, frozen, lab, refused, repository, state, tar_of, zip_of

REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = lab().steps["native"].first_of[0]
REPO_LAYOUT = {"labs/lab12/main.go": b"package main\n", "labs/submission12.md": b"# report\n", "README.md": b"x"}


def test_folder_archive_and_commit_are_one_submission(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12")
    sources: list[Path | str] = [made, f"git:{made}@HEAD", zip_of(folder(tmp_path / "b"), tmp_path / "a.zip", "lab12")]
    sources.append(tar_of(tmp_path / "b", tmp_path / "a.tar.gz"))
    all_frozen = [frozen(source, tmp_path / "cache") for source in sources]
    assert len({submission.manifest.sha256() for submission in all_frozen}) == 1
    assert len({submission.frozen_dir for submission in all_frozen}) == 1


def test_the_manifest_is_sorted_and_says_what_the_copy_holds(tmp_path: Path) -> None:
    submission = frozen(folder(tmp_path / "lab12"), tmp_path / "cache")
    assert [(e.path, e.size, e.sha256, e.executable) for e in submission.manifest.entries] == [
        (path, len(SMALL[path]), digest(SMALL[path]), path == "notes/run.sh") for path in sorted(SMALL)
    ]
    assert contents(submission) == SMALL
    assert submission.id == f"lab12-{submission.manifest.sha256()[:8]}"
    assert str(tmp_path) not in submission.model_copy(update={"frozen_dir": ""}).model_dump_json()


def test_each_change_is_another_submission(tmp_path: Path) -> None:
    made = folder(tmp_path / "lab12")
    ids = [frozen(made, tmp_path / "cache").id]
    (made / "main.go").write_bytes(b"package other\n")
    ids.append(frozen(made, tmp_path / "cache").id)
    (made / "main.go").chmod(0o755)
    ids.append(frozen(made, tmp_path / "cache").id)
    (made / "main.go").rename(made / "Main.go")
    ids.append(frozen(made, tmp_path / "cache").id)
    assert len(set(ids)) == 4


def test_a_newline_in_a_name_cannot_stand_for_a_second_file() -> None:
    one = ManifestEntry(path="a", size=1, sha256="11")
    two = ManifestEntry(path="b", size=2, sha256="22")
    forged = ManifestEntry(path="a\n22 2 - b", size=1, sha256="11")
    assert Manifest(entries=(forged,)).sha256() != Manifest(entries=(one, two)).sha256()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("lab12", "lab12"),
        ("my lab (final)", "my-lab-final"),
        ("../..", "submission"),
        ("", "submission"),
        ("Иванов", "submission"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a/b\\c:d", "a-b-c-d"),
        ("x" * 100, "x" * 64),
        ("CON", "CON"),
    ],
)
def test_names_become_plain_folder_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_name_becomes_a_plain_folder_name(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", safe_name(name))


def test_dot_is_named_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder(tmp_path / "my-lab"))
    assert frozen(".", tmp_path / "cache").id.startswith("my-lab-")
    monkeypatch.chdir(tmp_path / "my-lab/notes")
    assert frozen("..", tmp_path / "cache").id.startswith("my-lab-")


# --- root


def entries(*paths: str) -> list[ManifestEntry]:
    return [ManifestEntry(path=path, size=0, sha256="") for path in paths]


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        (["main.go"], "."),
        (["labs/lab12/main.go"], "labs/lab12"),
        (["main.go", "labs/lab12/main.go"], "."),
        (["main.go", "labs/lab12/main.go", "labs/lab12/Dockerfile"], "labs/lab12"),
        (["other/main.go", "labs/lab11/main.go"], None),
        ([], None),
    ],
)
def test_the_root_is_where_most_of_the_labs_files_are(paths: list[str], root: str | None) -> None:
    assert choose_root(entries(*paths), lab()) == root


def test_a_folder_without_any_known_input_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    error = refused(folder(tmp_path / "x", {"README.md": b"", "labs/lab11/main.go": b""}), tmp_path / "cache")
    assert error.exit_code == 2
    for words in ("no known input", "`main.go`", "`labs/lab12`", "`labs/submission12.md`"):
        assert words in error.what


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    assert "no known input" in refused(tmp_path / "x", tmp_path / "cache").what


def test_a_report_alone_is_a_known_input(tmp_path: Path) -> None:
    submission = frozen(folder(tmp_path / "x", {"labs/submission12.md": b"# r\n"}), tmp_path / "cache")
    assert (submission.root, submission.report_path) == (".", "labs/submission12.md")


@pytest.mark.parametrize("source", ["no-such", "", "git:no-such@HEAD", "no\nsuch"])
def test_what_is_not_there_is_refused(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(refused(source, tmp_path / "cache"), IntakeError)


# --- report


def test_the_report_is_looked_for_where_the_lab_says_in_order(tmp_path: Path) -> None:
    files = {**REPO_LAYOUT, "labs/lab12/submission12.md": b"second", "submission12.md": b"later"}
    made = folder(tmp_path / "course", files)
    for expected in ("labs/submission12.md", "labs/lab12/submission12.md", "submission12.md"):
        submission = frozen(made, tmp_path / "cache")
        assert submission.report_path == expected
        assert report_bytes(submission) == files[expected]
        (made / expected).unlink()
    without = frozen(made, tmp_path / "cache")
    assert (without.report_path, report_bytes(without)) == (None, None)


def test_files_of_output_are_those_beside_the_report_that_the_lab_names(tmp_path: Path) -> None:
    patterned = lab().model_copy(update={"inputs": lab().inputs.model_copy(update={"evidence": ("lab12/*.txt",)})})
    large = b"x" * (EVIDENCE_BYTES + 1)
    made = folder(
        tmp_path / "course",
        {
            **REPO_LAYOUT,
            "labs/lab12/out/runs.txt": b"0.5 s",
            "labs/lab12/out/large.txt": large,
            "labs/lab12/notes.md": b"x",
            "lab12/other.txt": b"x",
        },
    )
    assert evidence_files(frozen(made, tmp_path / "cache"), patterned) == {"lab12/out/runs.txt": b"0.5 s"}
    (made / "labs/submission12.md").unlink()
    assert evidence_files(frozen(made, tmp_path / "cache"), patterned) == {}


def test_the_labs_own_folder_has_its_report_beside_it(tmp_path: Path) -> None:
    made = folder(tmp_path / "course", REPO_LAYOUT)
    submission = frozen(made / "labs/lab12", tmp_path / "cache")
    assert submission.report_path == "@report"
    assert report_bytes(submission) == b"# report\n"
    assert contents(submission) == {"main.go": b"package main\n"}
    entry = submission.manifest.find("@report")
    assert entry is not None
    assert (entry.size, entry.sha256) == (9, digest(b"# report\n"))


def test_what_lies_beside_a_repository_is_not_its_report(tmp_path: Path) -> None:
    made = folder(tmp_path / "course", {"labs/lab12/main.go": b"package main\n"})
    (tmp_path / "submission12.md").write_text("another student's")
    assert frozen(made, tmp_path / "cache").report_path is None


def test_a_link_beside_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    made = folder(tmp_path / "labs/lab12", {"main.go": b"package main\n"})
    (tmp_path / "labs/submission12.md").symlink_to(tmp_path / "secret")
    assert "a link, not a plain file" in refused(made, tmp_path / "cache").what


def test_a_chosen_report_inside_keeps_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder(tmp_path / "lab12", {**SMALL, "notes/mine.md": b"mine"})
    monkeypatch.chdir(made / "notes")
    for report in ("mine.md", "../notes/mine.md", str(made / "notes/mine.md")):
        submission = frozen(made, tmp_path / "cache", report=report)
        assert (submission.report_path, report_bytes(submission)) == ("notes/mine.md", b"mine")
        assert submission.manifest.find("@report") is None


def test_a_chosen_report_outside_enters_beside_the_tree(tmp_path: Path) -> None:
    made = folder(tmp_path / "lab12")
    (tmp_path / "mine.md").write_bytes(b"\xef\xbb\xbf mine\r\n")
    submission = frozen(made, tmp_path / "cache", report=str(tmp_path / "mine.md"))
    assert (submission.report_path, report_bytes(submission)) == ("@report", b"\xef\xbb\xbf mine\r\n")
    assert contents(submission) == SMALL
    assert submission.id != frozen(made, tmp_path / "cache").id


def test_a_chosen_report_in_the_output_folder_counts_as_outside(tmp_path: Path) -> None:
    made = folder(tmp_path / "lab12", {**SMALL, "grader-out/x/report.md": b"filled"})
    submission = frozen(made, tmp_path / "cache", report=str(made / "grader-out/x/report.md"))
    assert (submission.report_path, report_bytes(submission)) == ("@report", b"filled")


def test_a_chosen_report_may_be_named_inside_an_archive_or_a_commit(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12", {**SMALL, "notes/mine.md": b"mine"})
    for source in (zip_of(made, tmp_path / "x.zip"), f"git:{made}@HEAD"):
        assert frozen(source, tmp_path / "cache", report="notes/mine.md").report_path == "notes/mine.md"


@pytest.mark.parametrize("kind", ["missing", "folder", "link"])
def test_a_chosen_report_that_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    made = folder(tmp_path / "lab12")
    report = tmp_path / "mine.md"
    if kind == "folder":
        report.mkdir()
    elif kind == "link":
        report.symlink_to("/etc/passwd")
    error = refused(made, tmp_path / "cache", report=str(report))
    assert (error.exit_code, error.where) == (2, str(report))


def test_a_chosen_report_does_not_make_any_folder_a_submission(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("# r\n")
    made = folder(tmp_path / "photos", {"a.jpg": b""})
    assert "no known input" in refused(made, tmp_path / "cache", report=str(tmp_path / "mine.md")).what


# --- the key of facts


def test_the_key_of_facts_is_the_same_wherever_the_root_lies(tmp_path: Path) -> None:
    made = folder(tmp_path / "course", REPO_LAYOUT)
    whole, part = frozen(made, tmp_path / "cache"), frozen(made / "labs/lab12", tmp_path / "cache")
    assert source_key(whole, NATIVE) == source_key(part, NATIVE)
    assert sorted(path.name for path in source_dir(whole).iterdir()) == ["main.go"]


# --- a damaged copy


@pytest.mark.parametrize(
    "damage", ["changed", "grown", "gone", "new", "mode", "link", "folder link", "manifest", "report"]
)
def test_a_damaged_copy_is_never_used_and_made_anew_from_the_source(tmp_path: Path, damage: str) -> None:
    made = folder(tmp_path / "labs/lab12")
    (tmp_path / "labs/submission12.md").write_bytes(b"outside")
    submission = frozen(made, tmp_path / "cache")
    top = Path(submission.frozen_dir)
    if damage == "changed":
        (top / "main.go").write_bytes(SMALL["main.go"].upper())
    elif damage == "grown":
        (top / "main.go").write_bytes(SMALL["main.go"] + b" ")
    elif damage == "gone":
        (top / "main.go").unlink()
    elif damage == "new":
        (top / "extra").write_bytes(b"")
    elif damage == "mode":
        (top / "main.go").chmod(0o755)
    elif damage == "link":
        (top / "main.go").rename(tmp_path / "aside")
        (top / "main.go").symlink_to(tmp_path / "aside")
    elif damage == "folder link":
        (top / "extra").symlink_to(made)
    elif damage == "manifest":
        (top.parent / "manifest.json").write_bytes(b"{}")
    else:
        (top.parent / "report").write_bytes(b"other")
    again = frozen(made, tmp_path / "cache")
    assert again == submission
    assert contents(again) == SMALL
    assert report_bytes(again) == b"outside"


# --- others at the same time, and death

FREEZE = """
import os, sys
from pathlib import Path
from grader.adapters.intake import LocalIntake
from grader.adapters.labfile import load_lab
from grader.adapters.store import DiskStore
from grader.workflow.freeze import freeze
lab = load_lab("lab12-f25").lab
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    frozen = freeze(sys.argv[1], lab, DiskStore(Path(sys.argv[2])), LocalIntake(os.environ))
print(frozen.id)
"""


def start(source: Path, cache_dir: Path, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FREEZE, str(source), str(cache_dir), str(times)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path]), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def many_files(place: Path) -> Path:
    return folder(place, {**SMALL, **{f"data/{number}": bytes([number]) * 20_000 for number in range(100)}})


def test_four_processes_freeze_the_same_thing_at_once(tmp_path: Path) -> None:
    made = many_files(tmp_path / "lab12")
    running = [start(made, tmp_path / "cache", 3) for _ in range(4)]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4, ended
    assert len({out for out, _ in ended}) == 1
    submission = frozen(made, tmp_path / "cache")
    assert ended[0][0].split() == ["ready", submission.id]
    assert len(contents(submission)) == 104
    assert list((tmp_path / "cache/work").iterdir()) == []
    assert [use.entries for use in DiskStore(tmp_path / "cache").info()] == [1]


def test_after_a_kill_at_any_moment_the_next_run_succeeds(tmp_path: Path) -> None:
    made = many_files(tmp_path / "lab12")
    before = state(made)
    rng = random.Random(11)
    left_something = 0
    for number in range(200):
        if number >= 12 and left_something:
            break
        process = start(made, tmp_path / "cache", 1)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left_something += any((tmp_path / "cache").glob("work/*"))
        for copy in (tmp_path / "cache").glob("frozen/*/*.dir/content"):
            assert len(list((copy / "tree/data").iterdir())) == 100
        if rng.random() < 0.5:
            assert len(contents(frozen(made, tmp_path / "cache"))) == 104
            assert list((tmp_path / "cache/work").iterdir()) == []
            shutil.rmtree(tmp_path / "cache")
    assert left_something > 0, "no kill hit a freezing: the test proves nothing"
    assert state(made) == before
