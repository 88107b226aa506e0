"""What is going on, as a person reads it."""

from __future__ import annotations

import pytest

from grader.cli.progress import ConsoleProgress


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
