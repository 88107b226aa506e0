"""Signals that interrupt us at the worst moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.survivors import children


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


@contextmanager
def interrupted_without_loss(number: signal.Signals) -> Iterator[None]:
    """Expect that the signal ends the body, and that no program which it started is left."""
    others = children()
    with interrupted_by(number), pytest.raises(KeyboardInterrupt):
        yield
    assert children() <= others


def once_watched(monkeypatch: pytest.MonkeyPatch, sign: Path) -> None:
    """Write the file `sign` when a child that was started is being watched.

    A program that interrupts us waits for it: pytest's threads take a signal that the main thread still holds back, and
    it would come before the child is known.
    """
    watch = os.pidfd_open

    def watched(pid: int) -> int:
        fd = watch(pid)
        sign.touch()
        return fd

    monkeypatch.setattr(os, "pidfd_open", watched)


def interrupting_spawn(number: signal.Signals) -> Callable[..., int]:
    """Return an `os.posix_spawn` during which the signal comes, before its caller has the process id."""
    spawn = os.posix_spawn

    def interrupted(*args: object, **options: object) -> int:
        pid = spawn(*args, **options)  # type: ignore[arg-type]
        signal.raise_signal(number)  # To this thread: others, which are pytest's, would take one for the process.
        return pid

    return interrupted
