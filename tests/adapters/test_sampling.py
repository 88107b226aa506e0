from __future__ import annotations

import threading
import time

import pytest

from grader.adapters.sampling import sampled


def test_it_is_looked_while_the_body_runs_and_not_once_after_it() -> None:
    looks: list[float] = []
    enough = threading.Event()

    def look(began_s: float) -> None:
        looks.append(began_s)
        if len(looks) == 3:
            enough.set()

    with sampled(look, interval_s=0.001, share=0.5):
        assert enough.wait(30)
    seen = len(looks)
    assert looks == sorted(looks)
    time.sleep(0.02)
    assert len(looks) == seen


def test_a_body_that_fails_ends_the_looking_too() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), sampled(lambda _: None, interval_s=0.001, share=0.5):
        assert 1 / (threading.active_count() - before - 1)
    assert threading.active_count() == before
