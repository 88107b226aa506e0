"""Say why a server did not serve, and whether it failed as it should.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.judging.probes import last_words, shown
from grader.model.base import Message, Scalar
from grader.model.run import Answer, Completed, MemoryReading


def printed_word(words: Sequence[str], completed: Completed) -> str | None:
    """Return the first of the words that a program printed on stdout or stderr."""
    printed = completed.stdout_bytes() + b"\n" + completed.stderr_bytes()
    return next((word for word in words if word.encode() in printed), None)


def unexpected_failure(words: Sequence[str], completed: Completed) -> Message:
    """Return the reason for a server that failed with none of the words of which one was expected."""
    if completed.reason is not None:
        return completed.reason
    said = last_words(completed) or shown(completed.stdout_bytes().decode("utf-8", "replace").strip())
    return Message(code="server.other-failure", params={"expected": ", ".join(words), "said": said})


def why_no_answer(
    answer: Answer, completed: Completed, *, ended: bool, waited_s: float, asked: int = 0, requests: int = 0
) -> Message:
    """Return the reason that tells most of a server whose answer was not what it should be.

    Args:
        answer: The first that was wrong, or that did not come.
        asked: How many of the `requests` in a row were answered rightly before it.
        ended: Whether the server ended by itself.
        waited_s: How long nobody answered.
    """
    assert answer.reason is not None
    if completed.reason is not None:
        return completed.reason
    if answer.status is not None:
        return answer.reason
    if ended:
        exited = completed.signal is None
        how: dict[str, Scalar] = {"exit": completed.exit_code} if exited else {"signal": completed.signal}
        params: dict[str, Scalar] = {"path": answer.path, **how, "said": last_words(completed)}
        if asked:
            params |= {"answers": asked, "requests": requests}
            return Message(code="server.exited-later" if exited else "server.killed-later", params=params)
        return Message(code="server.exited" if exited else "server.killed", params=params)
    if answer.reason.code == "answer.refused":
        params = {"path": answer.path, "port": answer.reason.params["port"], "seconds": waited_s}
        return Message(code="server.no-answer", params=params)
    return answer.reason


def spread(window: Sequence[Sequence[MemoryReading]]) -> float:
    """Return by how much readings in a row differ, relative to the largest: the worst of all notions."""
    sizes: dict[str, list[int]] = {}
    for readings in window:
        for reading in readings:
            sizes.setdefault(reading.notion, []).append(reading.size_bytes)
    return max(((max(s) - min(s)) / max(1, *s) for s in sizes.values()), default=0.0)
