"""A commit as a submission: read by plumbing, with nothing of the repository run."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.adapters.git import GitSpec, parse_spec
from grader.errors import IntakeError
from grader.model.submission import IntakeCaps
from tests.handed_in import SMALL, contents, folder, frozen, git, refused, repository, state


@pytest.mark.parametrize(
    ("source", "spec"),
    [
        ("git:.@HEAD", GitSpec(".", "HEAD", "")),
        ("git:/a/b@refs/pull/1/head:labs/lab12", GitSpec("/a/b", "refs/pull/1/head", "labs/lab12")),
        ("git:https://user@example.org/a.git@main:labs/", GitSpec("https://user@example.org/a.git", "main", "labs")),
        ("git:git@example.org:a/b@v1:./x//y", GitSpec("git@example.org:a/b", "v1", "x/y")),
        ("git:C:/x@main:.", GitSpec("C:/x", "main", "")),
    ],
)
def test_the_form_is_split_at_the_last_at_and_the_next_colon(source: str, spec: GitSpec) -> None:
    assert parse_spec(source) == spec


@pytest.mark.parametrize(
    "source",
    ["git:", "git:.", "git:@main", "git:.@", "git:.@:x", "git:-x@main", "git:.@-x", "git:.@main:../x", "git:.@m:a/.."],
)
def test_another_form_is_refused(source: str) -> None:
    with pytest.raises(IntakeError):
        parse_spec(source)


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_a_spec_or_refused(text: str) -> None:
    try:
        spec = parse_spec("git:" + text)
    except IntakeError:
        return
    assert spec.repository
    assert spec.ref
    assert "@" not in spec.ref + spec.path
    assert not spec.ref.startswith("-")


def test_a_commit_is_the_same_submission_as_its_folder(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12")
    before = state(made)
    plain, committed = frozen(made, tmp_path / "cache"), frozen(f"git:{made}@main", tmp_path / "cache")
    assert committed.manifest == plain.manifest
    assert committed.id == plain.id
    assert committed.source == "git:" + git("rev-parse", "HEAD", cwd=made)
    assert state(made) == before


def test_a_bare_repository_and_a_path_in_it(tmp_path: Path) -> None:
    files = {"labs/lab12/main.go": b"package main\n", "labs/submission12.md": b"# r\n", "other/x": b"x"}
    made = repository(tmp_path / "course", files)
    git("clone", "-q", "--bare", made, tmp_path / "bare.git", cwd=tmp_path)
    whole = frozen(f"git:{tmp_path}/bare.git@HEAD", tmp_path / "cache")
    assert (whole.root, whole.report_path, whole.id[:5]) == ("labs/lab12", "labs/submission12.md", "bare-")
    part = frozen(f"git:{tmp_path}/bare.git@HEAD:labs/lab12", tmp_path / "cache")
    assert [entry.path for entry in part.manifest.entries] == ["@report", "main.go"]
    assert part.report_path == "@report"


def test_an_older_commit_is_read_not_the_work_tree(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12")
    (made / "main.go").write_bytes(b"changed\n")
    git("commit", "-q", "-a", "-m", "second", cwd=made)
    (made / "main.go").write_bytes(b"not committed\n")
    assert contents(frozen(f"git:{made}@HEAD~1", tmp_path / "cache"))["main.go"] == SMALL["main.go"]
    assert contents(frozen(f"git:{made}@HEAD", tmp_path / "cache"))["main.go"] == b"changed\n"


def test_links_and_modes_are_read_as_committed(tmp_path: Path) -> None:
    made = folder(tmp_path / "lab12")
    (made / "soft").symlink_to("notes/run.sh")
    repository(made)
    submission = frozen(f"git:{made}@HEAD", tmp_path / "cache")
    entry = submission.manifest.find("soft")
    assert entry is not None
    assert entry.executable
    assert submission.manifest == frozen(made, tmp_path / "cache").manifest


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "notes/../../secret"])
def test_a_link_out_of_the_tree_is_refused(tmp_path: Path, target: str) -> None:
    made = folder(tmp_path / "lab12")
    (made / "x").symlink_to(target)
    repository(made)
    error = refused(f"git:{made}@HEAD", tmp_path / "cache")
    assert (error.where, "points out" in error.what) == ("x", True)


def test_a_submodule_is_left_out_with_a_note(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12")
    commit = git("rev-parse", "HEAD", cwd=made)
    git("update-index", "--add", "--cacheinfo", f"160000,{commit},module", cwd=made)
    git("commit", "-q", "-m", "module", cwd=made)
    submission = frozen(f"git:{made}@HEAD", tmp_path / "cache")
    assert [message.code for message in submission.messages] == ["intake.submodule"]
    assert contents(submission) == SMALL


@pytest.mark.parametrize(("name", "words"), [("..", "holds `..`"), (".git", ""), ("a\\b", ""), ("x\ny", "")])
def test_a_tree_may_hold_hostile_names(tmp_path: Path, name: str, words: str) -> None:
    made = repository(tmp_path / "lab12")
    blob = git("rev-parse", "HEAD:main.go", cwd=made)
    base = git("ls-tree", "-z", "HEAD", cwd=made)
    packed = subprocess.run(
        ["git", "mktree", "-z"],
        cwd=made,
        input=f"{base}100644 blob {blob}\t{name}\0".encode(),
        capture_output=True,
        check=True,
    )
    commit = git("commit-tree", "-m", "x", packed.stdout.decode().strip(), cwd=made)
    if words:
        assert words in refused(f"git:{made}@{commit}", tmp_path / "cache").what
    else:
        assert contents(frozen(f"git:{made}@{commit}", tmp_path / "cache")).get(name) == (
            None if name == ".git" else SMALL["main.go"]
        )


def without_object(tmp_path: Path, path: str) -> Path:
    """Return a repository that lists `path` but does not hold it, as a partial clone."""
    files = {**SMALL, "labs/lab12/main.go": b"package main // lab\n", "tool.bin": bytes(range(256))}
    files |= {"labs/submission12.md": b"# report\n"}
    del files["main.go"], files["Dockerfile"]
    made = repository(tmp_path / "clone", files)
    object_id = git("rev-parse", f"HEAD:{path}", cwd=made)
    (made / ".git/objects" / object_id[:2] / object_id[2:]).unlink()
    return made


def test_an_absent_object_is_listed_with_a_note(tmp_path: Path) -> None:
    made = without_object(tmp_path, "tool.bin")
    submission = frozen(f"git:{made}@HEAD", tmp_path / "cache")
    entry = submission.manifest.find("tool.bin")
    assert entry is not None
    assert (entry.state, entry.size, entry.sha256) == (
        "absent",
        0,
        "git:" + git("rev-parse", "HEAD:tool.bin", cwd=made),
    )
    assert [(m.code, m.params) for m in submission.messages] == [("intake.object-absent", {"path": "tool.bin"})]
    assert "tool.bin" not in contents(submission)
    assert frozen(f"git:{made}@HEAD", tmp_path / "cache") == submission


@pytest.mark.parametrize("path", ["labs/lab12/main.go", "labs/submission12.md"])
def test_an_absent_object_that_grading_needs_is_refused(tmp_path: Path, path: str) -> None:
    error = refused(f"git:{without_object(tmp_path, path)}@HEAD", tmp_path / "cache")
    assert error.where == path
    assert "does not hold" in error.what


def test_an_absent_report_beside_the_path_is_refused(tmp_path: Path) -> None:
    made = without_object(tmp_path, "labs/submission12.md")
    assert "does not hold" in refused(f"git:{made}@HEAD:labs/lab12", tmp_path / "cache").what


def test_nothing_that_the_repository_configures_is_run(tmp_path: Path) -> None:
    made = without_object(tmp_path, "tool.bin")
    proof = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {proof}\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.askPass", "core.editor", "diff.external"):
        git("config", name, str(script), cwd=made)
    for name, value in {
        "core.hooksPath": str(tmp_path / "hooks"),
        "remote.origin.url": f"ext::{script}",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
        "protocol.ext.allow": "always",
        "filter.x.smudge": str(script),
        "alias.ls-tree": f"!{script}",
    }.items():
        git("config", name, value, cwd=made)
    (tmp_path / "hooks").mkdir()
    for hook in ("post-checkout", "pre-auto-gc", "reference-transaction", "post-index-change"):
        (tmp_path / "hooks" / hook).symlink_to(script)
    submission = frozen(f"git:{made}@HEAD", tmp_path / "cache")
    assert [message.code for message in submission.messages] == ["intake.object-absent"]
    assert not proof.exists()


def test_replacement_refs_do_not_change_what_a_commit_holds(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12", {**SMALL, "other": b"replaced\n"})
    git("replace", git("rev-parse", "HEAD:main.go", cwd=made), git("rev-parse", "HEAD:other", cwd=made), cwd=made)
    assert contents(frozen(f"git:{made}@HEAD", tmp_path / "cache"))["main.go"] == SMALL["main.go"]


def test_git_variables_of_the_caller_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = repository(tmp_path / "lab12")
    monkeypatch.setenv("GIT_DIR", str(repository(tmp_path / "other", {"main.go": b"other"}) / ".git"))
    assert contents(frozen(f"git:{made}@HEAD", tmp_path / "cache"))["main.go"] == SMALL["main.go"]


@pytest.mark.parametrize("kind", ["file", "link", "commondir", "objects"])
def test_a_repository_that_points_to_another_is_refused(tmp_path: Path, kind: str) -> None:
    """Else a handed-in folder could have any repository of this host graded, and its content shown."""
    secret = repository(tmp_path / "secret", {"main.go": b"SECRET"})
    made = repository(tmp_path / "lab12")
    if kind == "commondir":
        (made / ".git/commondir").write_text(str(secret / ".git"))
    elif kind == "objects":
        (made / ".git/objects").rename(tmp_path / "aside")
        (made / ".git/objects").symlink_to(secret / ".git/objects")
        (made / ".git/refs/heads/main").write_text(git("rev-parse", "HEAD", cwd=secret) + "\n")
    else:
        (made / ".git").rename(tmp_path / "aside")
        if kind == "file":
            (made / ".git").write_text(f"gitdir: {secret}/.git\n")
        else:
            (made / ".git").symlink_to(secret / ".git")
    error = refused(f"git:{made}@HEAD", tmp_path / "cache")
    assert "lie outside it" in error.what


def test_a_folder_inside_a_repository_is_not_taken_for_it(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12")
    assert "not a git repository" in refused(f"git:{made}/notes@HEAD", tmp_path / "cache").what


@pytest.mark.parametrize(
    "repo", ["ext::sh -c 'touch {proof}'", "file://{repo}", "FILE://{repo}", "fd::0", "C:/x", "x:y://z"]
)
def test_other_protocols_are_refused_before_git_sees_them(tmp_path: Path, repo: str) -> None:
    made = repository(tmp_path / "lab12")
    error = refused(f"git:{repo.format(proof=tmp_path / 'proof', repo=made)}@main", tmp_path / "cache")
    assert (error.exit_code, "allowed protocol" in error.what) == (2, True)
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize("repo", ["no-such", "/no/such/place", ""])
def test_a_repository_that_is_not_there_is_refused(tmp_path: Path, repo: str) -> None:
    assert refused(f"git:{repo}@main", tmp_path / "cache").exit_code == 2


def test_a_local_folder_may_look_like_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path / "ext::x")
    monkeypatch.chdir(tmp_path)
    assert contents(frozen("git:ext::x@HEAD", tmp_path / "cache")) == SMALL


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("@nothing", "no commit `nothing`"),
        ("@HEAD:nowhere", "`nowhere` is nothing"),
        ("@HEAD:main.go", "`main.go` is a file"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, tail: str, words: str) -> None:
    assert words in refused(f"git:{repository(tmp_path / 'lab12')}{tail}", tmp_path / "cache").what


def test_a_tree_that_holds_itself_many_times_stops_at_the_cap(tmp_path: Path) -> None:
    """Ten levels of ten entries each are ten objects and ten thousand million files."""
    made = repository(tmp_path / "lab12")
    tree = git("rev-parse", "HEAD^{tree}", cwd=made)
    for _ in range(10):
        lines = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        packed = subprocess.run(["git", "mktree"], cwd=made, input=lines.encode(), capture_output=True, check=True)
        tree = packed.stdout.decode().strip()
    commit = git("commit-tree", "-m", "x", tree, cwd=made)
    assert "more than 20000 files" in refused(f"git:{made}@{commit}", tmp_path / "cache").what


def test_caps_hold_for_blobs(tmp_path: Path) -> None:
    made = repository(tmp_path / "lab12", {**SMALL, "large": bytes(1 << 20)})
    assert refused(f"git:{made}@HEAD", tmp_path / "cache", IntakeCaps(file_bytes=1 << 19)).where == "large"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve the repositories below `tmp_path/srv` over git:// and return the address."""
    repository(tmp_path / "srv/course")
    git("update-server-info", cwd=tmp_path / "srv/course")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        "git",
        "daemon",
        "--export-all",
        f"--base-path={tmp_path / 'srv'}",
        "--listen=127.0.0.1",
        f"--port={port}",
    ]
    daemon = subprocess.Popen(
        command,
        env={
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        },
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait(20)


def test_a_remote_commit_is_fetched_and_frozen(tmp_path: Path, served: str) -> None:
    submission = frozen(f"git:{served}/course@main", tmp_path / "cache")
    assert contents(submission) == SMALL
    assert submission.id.startswith("course-")
    assert submission.source == "git:" + git("rev-parse", "HEAD", cwd=tmp_path / "srv/course")
    assert list((tmp_path / "cache/work").iterdir()) == []


def test_a_remote_ref_that_is_not_there_is_one_clear_error(tmp_path: Path, served: str) -> None:
    error = refused(f"git:{served}/course@nothing", tmp_path / "cache")
    assert "`git fetch` failed" in error.what
    assert "nothing" in error.what
