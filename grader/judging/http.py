"""Set what a server or a CGI program answered against what a probe expects of a route.  Pure."""

from __future__ import annotations

from grader.judging.probes import WallClock, check_json, shown
from grader.model.base import Message, Scalar
from grader.model.lab import HttpGet
from grader.model.run import Answer

BODY_BYTES = 64 << 10
"""An answer of this lab's kind has a few kilobytes; a longer body is not read to its end."""

_UTF8_MARK = b"\xef\xbb\xbf"

_OF_A_ROUTE = {
    "probe.empty": "answer.empty",
    "probe.key-missing": "answer.key-missing",
    "probe.not-json": "answer.not-json",
    "probe.not-now": "answer.not-now",
    "probe.not-object": "answer.not-object",
    "probe.other-instant": "answer.other-instant",
    "probe.wrong-value": "answer.wrong-value",
}
"""The same finding about one route of several."""


def unreadable(path: str, reason: Message) -> Answer:
    """Return that nothing readable came, and why."""
    return Answer(path=path, status=None, content_type=None, body="", reason=reason)


def judge_answer(get: HttpGet, answer: Answer, clock: WallClock) -> Answer:
    """Return the answer with the first reason why it is not what the probe expects; never raises.

    An answer that came with a reason, as nothing readable came, keeps it.
    """
    if answer.reason is not None:
        return answer
    return answer.model_copy(update={"reason": _check(get, answer, answer.body.encode("latin-1"), clock)})


def _check(get: HttpGet, answer: Answer, body: bytes, clock: WallClock) -> Message | None:
    if answer.status != 200:
        return _reason("answer.status", get, found=answer.status)
    if answer.content_type is None:
        return _reason("answer.no-type", get, expected=get.type)
    media_type = answer.content_type.partition(";")[0].strip().lower()
    if media_type != get.type.lower():
        return _reason("answer.type", get, found=shown(answer.content_type), expected=get.type)
    if len(body) > BODY_BYTES:
        return _reason("answer.too-large", get, bytes=BODY_BYTES)
    if media_type == "text/html":
        return _html(get, body.removeprefix(_UTF8_MARK).strip())
    if media_type == "application/json" or get.checks:
        reason = check_json(get.checks, body, clock)
        return reason and _reason(_OF_A_ROUTE[reason.code], get, **reason.params)
    return None


def _html(get: HttpGet, body: bytes) -> Message | None:
    if not body:
        return _reason("answer.empty", get, found="")
    if not body.startswith(b"<"):
        return _reason("answer.not-html", get, found=shown(body.decode("utf-8", "replace")))
    return None


def _reason(code: str, get: HttpGet, **params: Scalar) -> Message:
    return Message(code=code, params={"path": get.path, **params})
