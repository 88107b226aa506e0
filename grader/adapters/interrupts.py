"""The signals that interrupt us: who gets them, and when they may not come."""

from __future__ import annotations

import signal
import threading

HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What may interrupt us: between a spawn and the `try` that follows it would lose the child."""


def start_aside(thread: threading.Thread) -> None:
    """Start a thread that takes none of these signals.

    The kernel gives what is sent to a process to any thread that does not hold it back, and Python's handler then runs
    in the main thread even though that one does.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        thread.start()  # A thread begins with the mask of who starts it.
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
