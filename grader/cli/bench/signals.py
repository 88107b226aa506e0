"""The signals that end a comparison as Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from grader.cli.stopping import handled

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a terminal that goes away end the run as Ctrl-C does: children are killed, samples stay."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with handled(ENDING_SIGNALS, interrupt):
        yield
