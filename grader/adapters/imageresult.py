"""What building an image leaves, whichever tool built it: an archive, the end of its log, or why there is no image."""

from __future__ import annotations

from typing import Literal

from grader.errors import HostError
from grader.model.base import Message
from grader.model.image import ImageResult
from grader.model.run import Completed

ARCHIVE = "image.tar"
_MAX_LOG = 64 << 10


def not_built(
    subject: str, state: Literal["failed", "not_run", "error"], argv: tuple[str, ...], reason: Message, log: str
) -> ImageResult:
    """Return the result of a build that gave no image."""
    return ImageResult(subject=subject, state=state, image=None, argv=argv, reason=reason, log=log)


def limit_met(done: Completed) -> Message | None:
    """Return which limit on a recipe ended its build, None if it ended for another reason."""
    if done.outcome == "timeout" and done.reason is not None:
        return Message(code="image.timeout", params=done.reason.params)
    return done.reason if done.outcome in ("output-limit", "disk-limit") else None


def broken_off(builder: str, done: Completed) -> HostError:
    """Return that a builder never came to an end of its own: nothing of the recipe's."""
    if done.outcome == "not-started" and done.reason is not None:
        return HostError(f"`{builder}` cannot be started: {done.reason.params.get('error')}", where=builder)
    return HostError(f"`{builder}` was cut short by signal {done.signal}", where=builder)


def log_of(done: Completed) -> str:
    """Return the last that a builder printed: there it says why it failed."""
    return (done.stdout_bytes() + done.stderr_bytes())[-_MAX_LOG:].decode("utf-8", "replace")
