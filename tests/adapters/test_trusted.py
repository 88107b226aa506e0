from __future__ import annotations

from pathlib import Path

import pytest

from grader.adapters.sandbox import NOOP_OUTPUT
from grader.adapters.trusted import Places, Trusted
from grader.model.run import Bind, Command, Limits

BINDS = (
    Bind(source="/cache/go", target="/go"),
    Bind(source="/home/me/sub mission", target="/src"),
    Bind(source="/x/out", target="/out", writable=True),
    Bind(source="/x/cache", target="/out-cache", writable=True),
)


@pytest.mark.parametrize(
    ("text", "on_host"),
    [
        ("/go/bin/go", "/cache/go/bin/go"),
        ("/src", "/home/me/sub mission"),
        ("-o=/out/x", "-o=/x/out/x"),
        ("--dir=/src::/data", "--dir=/home/me/sub mission::/data"),
        ("/go/bin:/out/bin:/bin", "/cache/go/bin:/x/out/bin:/bin"),
        ("/out-cache/a", "/x/cache/a"),
        ("/golang", "/golang"),
        ("a/go/b", "a/go/b"),
        ("-s -w", "-s -w"),
        ("/usr/src/x", "/usr/src/x"),
    ],
)
def test_sandbox_paths_become_host_paths_only_where_they_are_paths(text: str, on_host: str) -> None:
    assert Places(BINDS).on_host(text) == on_host


def test_command_runs_on_the_bound_files_and_reports_its_own_arguments(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "text").write_text("hello")
    binds = (
        Bind(source="/bin/sh", target="/tools/sh"),
        Bind(source=str(tmp_path / "in"), target="/src"),
        Bind(source=str(tmp_path / "out"), target="/out", writable=True),
    )
    command = Command(
        argv=("/tools/sh", "-c", 'cat text > "$1"; env; pwd', "sh", "/out/copy"),
        env={"WHERE": "/src/text"},
        cwd="/src",
        binds=binds,
    )
    done = Trusted().run(command)
    assert (done.outcome, done.argv) == ("ok", command.argv)
    assert (tmp_path / "out" / "copy").read_text() == "hello"
    lines = set(done.stdout.splitlines()) - {f"PWD={tmp_path / 'in'}", "_=/usr/bin/env", "OLDPWD="}
    assert lines == {f"WHERE={tmp_path / 'in' / 'text'}", str(tmp_path / "in")}


def test_tmp_is_private_and_removed() -> None:
    sh = Bind(source="/bin/sh", target="/tools/sh")
    done = Trusted().run(Command(argv=("/tools/sh", "-c", 'echo x > "$1"; echo "$1"', "sh", "/tmp/note"), binds=(sh,)))
    path = Path(done.stdout.strip())
    assert (path.name, path.parent) != ("note", Path("/tmp"))
    assert not path.parent.exists()


def test_caps_on_time_and_output_hold() -> None:
    sh = Bind(source="/bin/sh", target="/tools/sh")
    slow = Command(argv=("/tools/sh", "-c", "sleep 60"), binds=(sh,), limits=Limits(timeout_s=0.2))
    loud = Command(argv=("/tools/sh", "-c", "yes"), binds=(sh,), limits=Limits(output_bytes=1000))
    assert Trusted().run(slow).outcome == "timeout"
    assert Trusted().run(loud).outcome == "output-limit"


def test_program_that_is_not_there_is_not_started(tmp_path: Path) -> None:
    bind = Bind(source=str(tmp_path), target="/app")
    done = Trusted().run(Command(argv=("/app/nothing",), binds=(bind,)))
    assert (done.outcome, done.reason and done.reason.code) == ("not-started", "run.not-started")
    assert done.reason is not None
    assert done.reason.params["program"] == "/app/nothing"


def test_control_command_prints_its_known_line() -> None:
    runner = Trusted()
    assert runner.run(runner.noop()).stdout == NOOP_OUTPUT


def test_status_says_that_nothing_is_held_back() -> None:
    status = Trusted().status()
    assert status.works
    assert [m.code for m in status.weak] == ["sandbox.trusted"]
