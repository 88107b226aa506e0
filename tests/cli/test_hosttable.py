"""Progress is for who reads it: hosts are worked on all the same where nobody does."""

from __future__ import annotations

import contextlib
import os
import sys

import pytest

from grader.cli.hosttable import HostTable
from grader.model.provision import TaskEnd


def test_progress_that_nobody_reads_any_more_does_not_end_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with contextlib.suppress(BrokenPipeError), os.fdopen(write, "w", encoding="utf-8") as gone:
        monkeypatch.setattr(sys, "stderr", gone)
        table = HostTable(quiet=False)
        with table.shown():
            table.attempt(1, ["a"])
            table.event(TaskEnd(host="a", role="r", task="t", status="failed", seconds=1, message="m"))


def test_a_host_has_its_line_when_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    table = HostTable(quiet=False)
    with table.shown():
        table.attempt(1, ["a"])
        table.event(TaskEnd(host="a", role="r", task="t", status="failed", seconds=1, message="bad\x1b[31m"))
    assert capsys.readouterr().err.splitlines() == ["1 host", "a: failed: r: t: bad\\x1b[31m"]
