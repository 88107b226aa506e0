"""The command line before any command: where it runs at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from grader.cli.app import app, interrupted, main, refuse_command
from grader.errors import HostError


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str, platform: str) -> object:
    monkeypatch.setattr(sys, "argv", ["grader", *arguments])
    with pytest.raises(SystemExit) as caught:
        main(platform)
    return caught.value.code


def test_a_self_test_is_refused_elsewhere_though_its_group_works_there() -> None:
    with pytest.raises(HostError, match="`lab selftest` needs Linux"):
        refuse_command(["lab", "selftest", "lab12-f25"], "darwin")
    refuse_command(["lab", "validate", "lab12-f25"], "darwin")
    refuse_command(["lab", "selftest", "--help"], "darwin")
    refuse_command(["lab", "selftest", "lab12-f25"], "linux")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
@pytest.mark.parametrize("command", ["grade", "fill", "doctor", "cache"])
def test_what_needs_linux_is_refused_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, platform: str
) -> None:
    assert ended(monkeypatch, command, "info", platform=platform) == 3
    assert f"`{command}` needs Linux, this is `{platform}`\nhint: use WSL2" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--version"], ["grade", "--help"], ["lab", "--help"], ["lab", "schema"]])
def test_what_runs_nothing_works_anywhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert ended(monkeypatch, *arguments, platform="darwin") in (0, None)
    assert capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["lab", "schema"], ["lab", "show", "lab12-f25"]])
def test_a_reader_that_has_gone_ends_the_command_quietly(arguments: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "grader", *arguments], stdout=write_end, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_who_interrupts_a_grading_is_told_the_command_that_goes_on() -> None:
    told = interrupted(["grade", "my lab", "--out", "o"])
    assert told.endswith("`grader grade 'my lab' --out o --resume`")
    assert interrupted(["fill", "lab", "--resume"]).endswith("`grader fill lab --resume`")
    assert interrupted(["grade", "--dry-run", "lab"]).endswith("`grader grade lab --resume`")
    assert interrupted(["grade", "--", "--dry-run"]).endswith("`grader grade --resume -- --dry-run`")
    assert interrupted(["bundle", "create", "b"]).endswith("`grader bundle create b`")
    assert interrupted(["provision", "--limit", "a"]).endswith("`grader provision --limit a`")
    assert interrupted(["bundle", "verify", "b"]) == "interrupted"
    assert interrupted(["cache", "prune"]) == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench", "--state", "odd"], "Invalid value for '--state': 'odd' is not one of 'warm', 'first', 'file-cold'."),
        (["bench", "--seed", "soon"], "Invalid value for '--seed': 'soon' is not a whole number."),
        (["cache", "prune", "--older-than-days", "x"], "Invalid value for '--older-than-days': 'x' is not a number."),
    ],
)
def test_an_option_is_refused_in_plain_words(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_an_error_that_nobody_can_be_told_of_is_not_printed_as_a_result() -> None:
    argv = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "grader", "bench"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
