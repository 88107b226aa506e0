"""Signals that interrupt us at the worst moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupted_by(number: signal.Signals) -> Iterator[None]:
    """Let a signal raise KeyboardInterrupt, as the command does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


def interrupting_spawn(number: signal.Signals) -> Callable[..., int]:
    """Return an `os.posix_spawn` during which the signal comes, before its caller has the process id."""
    spawn = os.posix_spawn

    def interrupted(*args: object, **options: object) -> int:
        pid = spawn(*args, **options)  # type: ignore[arg-type]
        signal.raise_signal(number)  # To this thread: others, which are pytest's, would take one for the process.
        return pid

    return interrupted
