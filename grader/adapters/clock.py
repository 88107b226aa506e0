"""The clocks of the machine that we run on."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from grader.adapters.spawn import no_gc


class SystemClock:
    """Implements `ports.Clock`."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def ticks_ns(self) -> int:
        return time.perf_counter_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def undisturbed(self) -> AbstractContextManager[None]:
        return no_gc()
