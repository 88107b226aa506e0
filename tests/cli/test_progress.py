from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from grader.cli.progress import ConsoleProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_is_left_is_told_from_how_it_went(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """The first count comes late, after warm-ups, and is no measure of the others."""
    progress = ConsoleProgress()
    progress.step("bench", "12 rounds")
    clock[0] += 60
    progress.advance(2, 12)
    clock[0] += 10
    progress.advance(4, 12)
    clock[0] += 40
    progress.advance(12, 12)
    assert capsys.readouterr().err.splitlines() == [
        "bench: 12 rounds",
        "bench: 12 rounds 2/12",
        "bench: 12 rounds 4/12, about 40 s left",
        "bench: 12 rounds 12/12",
    ]


def test_a_long_rest_is_told_in_minutes(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress()
    progress.step("bench")
    progress.advance(1, 601)
    clock[0] += 6
    progress.advance(2, 601)
    assert "about 60 min left" in capsys.readouterr().err


def test_a_quiet_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress(quiet=True)
    progress.step("bench")
    progress.advance(1, 1)
    progress.note("something")
    progress.close()
    assert capsys.readouterr().err == ""


def test_a_note_is_never_cut_short_of_the_path_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/".join(["a folder"] * 40) + "/out.samples.jsonl.1"
    ConsoleProgress().note(f"the saved runs are kept as {path}")
    assert capsys.readouterr().err == f"the saved runs are kept as {path}\n"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ConsoleProgress(quiet=True)
    progress.step("build native")
    progress.note("something")
    progress.close()
    assert capsys.readouterr().err == ""


def test_without_stderr_nothing_is_said_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    progress = ConsoleProgress()
    progress.step("bench")
    progress.advance(1, 1)
    progress.close()


def test_a_stderr_that_takes_no_more_is_given_up_and_flushes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on a full disk; a terminal that was hung up under `nohup` refuses in the same way."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        progress = ConsoleProgress()
        progress.step("bench")
        progress.note("something else")
