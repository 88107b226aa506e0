"""Interrupts and threads, in a process of its own: pytest's threads would take part."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grader.adapters.interrupts import HELD_BACK

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, signal, sys, threading, time
from grader.adapters.interrupts import start_aside
from grader.adapters.stopwatch import Stopwatch

def interrupt(number, frame):
    raise KeyboardInterrupt

number = signal.Signals(int(sys.argv[1]))
signal.signal(number, interrupt)
over = threading.Event()
start_aside(threading.Thread(target=over.wait, daemon=True))
spawn = os.posix_spawn

def interrupted(*args, **options):
    pid = spawn(*args, **options)
    os.kill(os.getpid(), number)
    time.sleep(0.2)  # Another thread would have taken it by then.
    return pid

os.posix_spawn = interrupted
try:
    Stopwatch("/bin/sleep", ["sleep", "60"], {}).run(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
try:
    pid, _ = os.waitpid(-1, os.WNOHANG)
    print("a child is left" if pid == 0 else "a child was left")
    for child in open(f"/proc/self/task/{os.getpid()}/children").read().split():
        os.kill(int(child), signal.SIGKILL)
except ChildProcessError:
    print("no child is left")
"""


@pytest.mark.parametrize("number", HELD_BACK)
def test_a_thread_of_ours_takes_no_interrupt_while_the_main_thread_holds_them_back(number: signal.Signals) -> None:
    line = [sys.executable, "-c", SCRIPT, str(int(number))]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert done.stdout.splitlines() == ["interrupted", "no child is left"]
