"""Ask a server again and again until its answer is valid."""

from __future__ import annotations

from collections.abc import Callable

from grader.judging.probes import WallClock
from grader.model.base import Record
from grader.model.run import Answer
from grader.ports import Clock, Server
from grader.workflow.waits import Waits

Judge = Callable[[Answer, WallClock], Answer]
"""Returns an answer with the reason why it does not count, if there is one; told when it came."""


class First(Record):
    """The answer that ended a wait, or that tells most of why it ended, and the seconds from the spawn to the last."""

    answer: Answer
    seconds: float


def first_answer(
    server: Server, path: str, port: int, judge: Judge, *, within_s: float, pause_s: float, waits: Waits, clock: Clock
) -> First:
    """Ask until an answer is valid, the server has ended or the wait is over.

    The clock is read before anybody looks into an answer.

    Args:
        within_s: For all attempts; a server that answers wrongly has `waits.patience_s` left at most.
        pause_s: Between two attempts.
    """
    wrong: Answer | None = None
    with clock.undisturbed():
        deadline = clock.monotonic() + within_s
        while True:
            ended = server.ended()
            left = min(waits.request_s, max(waits.least_s, deadline - clock.monotonic()))
            before = clock.wall()
            came = server.ask(path, port, timeout_s=left, connect_s=waits.connect_s)
            seconds = (clock.ticks_ns() - server.started_ns()) / 1e9
            now = clock.monotonic()
            answer = judge(came, WallClock(before=before, after=clock.wall()))
            if answer.reason is None:
                return First(answer=answer, seconds=seconds)
            if left < waits.request_s:
                answer = _waited_in_all(answer, within_s)
            if answer.reason is not None and answer.reason.code != "answer.refused":
                deadline = min(deadline, now + waits.patience_s)
                # The end of our wait may have cut this one short, so it says less than the one before.
                wrong = answer if wrong is None or answer.reason.code != "answer.timeout" else wrong
            if ended or now >= deadline:
                return First(answer=_most_telling(answer, wrong, ended=ended), seconds=seconds)
            clock.sleep(pause_s)


def _most_telling(last: Answer, wrong: Answer | None, *, ended: bool) -> Answer:
    """Return a wrong answer that came before the server's end, and that before one that did not come."""
    if wrong is None or (ended and wrong.status is None):
        return last
    return wrong


def _waited_in_all(answer: Answer, within_s: float) -> Answer:
    """Return an answer that did not come in what was left of the wait, with the whole wait as its time.

    What was left is a reading of the clock: equal submissions would have unequal reasons.
    """
    if answer.reason is None or answer.reason.code != "answer.timeout":
        return answer
    params = answer.reason.params | {"seconds": within_s}
    return answer.model_copy(update={"reason": answer.reason.model_copy(update={"params": params})})
