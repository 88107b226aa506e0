"""The adapters that a grading works with, put together from the command line's options."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.adapters.labfile import load_lab
from grader.cli.session import Request
from grader.cli.wiring import wire
from grader.errors import TimeLimitError
from grader.testing import FakeProgress

HOLDER = """
import sys
from pathlib import Path
from grader.adapters.hostlock import FileHostLock
with FileHostLock(Path(sys.argv[1])).exclusive():
    print("up", flush=True)
    sys.stdin.read()
"""


def test_who_waits_for_the_host_lock_is_told_which_process_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    request = Request(
        source=".",
        lab="lab12-f25",
        engine="embedded",
        trust=True,
        cache=tmp_path / "cache",
        lock=lock,
    )
    progress = FakeProgress()
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder,
        ExitStack() as stack,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        desk = wire(request, load_lab("lab12-f25").lab, progress, stack)
        with pytest.raises(TimeLimitError), desk.lock.exclusive(0.1):
            pass
        holder.communicate()
    assert progress.lines == [f"waiting for the host lock; held by process {holder.pid}"]
