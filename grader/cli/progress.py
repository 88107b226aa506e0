"""What is going on, on stderr: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

_PLAIN_EVERY_S = 5.0
_ESTIMATE_AFTER_S = 1.0
_LIVE_CHARACTERS = 160
"""Of a line that is rewritten in place."""
_LINE_CHARACTERS = 4000
"""Of any other: room for a path, which a person has to find whole."""


class ConsoleProgress:
    """A line per step; the step's count is rewritten in place on a terminal.

    Nothing is said where nobody can hear it: without stderr, and once a terminal that was hung up under `nohup` or a
    full disk takes no more.  What is measured is worth more than what is told of it.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet or sys.stderr is None  # it was closed when we were started
        self._live = not self._quiet and sys.stderr.isatty()
        self._name = ""
        self._open = False
        self._printed_at = 0.0
        self._first = (0, 0.0)

    def step(self, name: str, detail: str = "") -> None:
        """Begin a step on a line of its own."""
        self._name = f"{name}: {detail}" if detail else name
        self._first = (0, 0.0)
        self._close()
        self._write(self._name)

    def advance(self, done: int, total: int) -> None:
        """Show how far the step is; elsewhere than on a terminal at most every few seconds, and at its end."""
        now = time.monotonic()
        if not self._first[0]:  # What came before, such as warm-ups, says nothing about the rest.
            self._first = (done, now)
        line = f"{self._name} {done}/{total}{_left(now - self._first[1], done - self._first[0], total - done)}"
        if self._live:
            self._write(line, again=True)
        elif done == total or now - self._printed_at > _PLAIN_EVERY_S:
            self._printed_at = now
            self._write(line)

    def note(self, text: str) -> None:
        """Print a line."""
        self._close()
        self._write(text)

    def close(self) -> None:
        """End the line that is still open."""
        self._close()

    def _write(self, text: str, *, again: bool = False) -> None:
        from grader.render.escape import one_line

        if self._quiet:
            return
        if again:
            self._print(f"\r\x1b[2K{one_line(text, _LIVE_CHARACTERS)}", end="")
            self._open = True
        else:
            self._print(one_line(text, _LINE_CHARACTERS))

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._print("")

    def _print(self, text: str, end: str = "\n") -> None:
        try:
            print(text, end=end, file=sys.stderr, flush=True)
        except BrokenPipeError:
            raise  # The reader of a pipe ended: so do we.
        except OSError:
            self._quiet = True
            # What could not be written waits in a buffer, and Python would end with 120 for it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _left(spent_s: float, done: int, left: int) -> str:
    """Return about how long the rest takes if it goes on as it went; empty while that says nothing."""
    if done <= 0 or left <= 0 or spent_s < _ESTIMATE_AFTER_S:
        return ""
    left_s = spent_s / done * left
    return f", about {left_s / 60:.0f} min left" if left_s >= 100 else f", about {left_s:.0f} s left"


def waiting_note(holders: Sequence[int]) -> str:
    """Name the processes that hold the lock, as far as this user may know them."""
    if not holders:
        return "waiting for the host lock"
    return f"waiting for the host lock; held by process {', '.join(map(str, holders))}"
