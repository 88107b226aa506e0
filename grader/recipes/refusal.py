"""Why a recipe is not followed: the place and the reason."""

from __future__ import annotations

from grader.model.base import Message, Record, Scalar


class Refusal(Record):
    """A recipe that is not followed; `line` counts from 1, None where no line is to blame."""

    line: int | None
    message: Message


def refuse(code: str, line: int | None = None, /, **params: Scalar) -> Refusal:
    """Return a refusal whose message carries the line, so that its wording can name it."""
    return Refusal(line=line, message=Message(code=code, params={"line": line, **params}))
