"""The host lock as measuring holds it: how long is counted, and nothing is done outside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from grader.ports import HostLock


class Working:
    """The host lock, and the seconds for which it was held: all work is done under it, and nothing else is."""

    def __init__(self, lock: HostLock, monotonic: Callable[[], float]) -> None:
        self._lock = lock
        self._monotonic = monotonic
        self.seconds = 0.0

    def shared(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        return self._held(self._lock.shared(timeout_s))

    def exclusive(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        return self._held(self._lock.exclusive(timeout_s))

    @contextmanager
    def _held(self, lock: AbstractContextManager[None]) -> Iterator[None]:
        with lock:
            began = self._monotonic()
            try:
                yield
            finally:
                self.seconds += self._monotonic() - began
