"""Look at something again and again beside the body of a block, for no more than a share of one CPU."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grader.adapters.interrupts import start_aside


@contextmanager
def sampled(look: Callable[[float], None], *, interval_s: float, share: float) -> Iterator[None]:
    """Call `look` in a thread of its own while the body runs, and not once after it.

    Args:
        look: Told when it began, on `time.monotonic`.
        interval_s: Between two calls, at least.
        share: Of one CPU, that they may take, 0 < share < 1.
    """
    over = threading.Event()

    def go_on() -> None:
        pause_s = interval_s
        while not over.wait(pause_s):
            began_s = time.monotonic()
            look(began_s)
            pause_s = max(interval_s, (time.monotonic() - began_s) * (1 - share) / share)

    thread = threading.Thread(target=go_on, daemon=True)
    start_aside(thread)
    try:
        yield
    finally:
        over.set()
        thread.join()
