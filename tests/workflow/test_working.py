from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from grader.errors import TimeLimitError
from grader.testing import FakeLock
from grader.workflow.working import Working


def test_every_span_is_written_down_with_its_kind_and_without_the_wait_for_it() -> None:
    now = count(1_000, 10)
    ticks = iter(now)

    class Slow(FakeLock):
        @contextmanager
        def exclusive(self, timeout_s: float | None = None) -> Iterator[None]:
            next(ticks)
            yield
            next(ticks)

    working = Working(Slow(), lambda: 0.0, lambda: float(next(ticks)))
    with working.shared():
        pass
    with working.exclusive():
        pass
    assert [span.model_dump(by_alias=True) for span in working.spans] == [
        {"kind": "shared", "from": 1000.0, "to": 1010.0},
        {"kind": "exclusive", "from": 1030.0, "to": 1040.0},
    ]


def test_work_that_breaks_has_its_span_and_a_lock_that_was_never_ours_has_none() -> None:
    clock = iter(range(10))
    working = Working(FakeLock(busy=True), lambda: float(next(clock)), lambda: 5.0)
    with pytest.raises(ZeroDivisionError), working.shared():
        raise ZeroDivisionError
    with pytest.raises(TimeLimitError), working.exclusive(0.1):
        pytest.fail("it is busy")
    assert [span.kind for span in working.spans] == ["shared"]
    assert working.seconds == 1
