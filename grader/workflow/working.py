"""The host lock as measuring holds it: nothing is done outside it, and every span is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from grader.model.run import LockSpan
from grader.ports import HostLock


class Working:
    """The host lock, and the spans for which it was held: all work is done under it, and nothing else is.

    Args:
        monotonic: The clock of `seconds`.
        wall: The clock of `spans`, Unix seconds.
    """

    def __init__(self, lock: HostLock, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._lock = lock
        self._monotonic = monotonic
        self._wall = wall
        self.seconds = 0.0
        self.spans: list[LockSpan] = []

    def shared(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        return self._held("shared", self._lock.shared(timeout_s))

    def exclusive(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        return self._held("exclusive", self._lock.exclusive(timeout_s))

    @contextmanager
    def _held(self, kind: Literal["shared", "exclusive"], lock: AbstractContextManager[None]) -> Iterator[None]:
        with lock:
            began, from_ = self._monotonic(), self._wall()
            try:
                yield
            finally:
                self.seconds += self._monotonic() - began
                self.spans.append(LockSpan(kind=kind, from_=from_, to=self._wall()))
