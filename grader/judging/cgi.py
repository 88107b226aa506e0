"""Read what a CGI program printed: headers, an empty line, a body.  Pure.

Source: RFC 3875, section 6.  A full HTTP head instead (a status line, CRLF) is read too: programs print either, and
the gateways that run them take both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grader.judging.http import BODY_BYTES, unreadable
from grader.judging.probes import last_words, shown
from grader.model.base import Message, Scalar
from grader.model.run import Answer, Completed

HEADER_LINES = 100
"""As many as `http.client` takes of a server."""

REDIRECTED = "302"
"""What a gateway makes of a `Location` without a status (RFC 3875, sections 6.2.2 to 6.2.4)."""

_STATUS_LINE = re.compile(r"HTTP/\d(?:\.\d)? (?P<status>[1-5]\d\d)(?: .*)?")
_STATUS = re.compile(r"(?P<status>[1-5]\d\d)(?:\s.*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ONCE = frozenset({"content-type", "status"})


class _UnreadableError(Exception):
    """Carries the reason why the output is no answer."""

    def __init__(self, code: str, **params: Scalar) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def answer_of_run(path: str, completed: Completed) -> Answer:
    """Return what one run as a CGI program answered; a run that ended badly has its reason.  Never raises."""
    reason = _bad_end(path, completed)
    answer = parse_cgi(path, completed.stdout_bytes())
    return answer.model_copy(update={"total_s": completed.total_s, "reason": reason or answer.reason})


def parse_cgi(path: str, stdout: bytes) -> Answer:
    """Return the answer that a CGI program printed; its reason says why it is none.  Never raises.

    The body is cut one byte above the cap, so that a check of it can tell.
    """
    if not stdout.strip():
        return unreadable(path, Message(code="cgi.empty", params={"path": path}))
    try:
        lines, body = _split(stdout)
        headers = _headers(lines)
    except _UnreadableError as error:
        return unreadable(path, Message(code=error.code, params={"path": path, **error.params}))
    return Answer(
        path=path,
        status=int(headers.get("status", REDIRECTED if "location" in headers else "200")),
        content_type=headers.get("content-type"),
        body=body[: BODY_BYTES + 1].decode("latin-1"),
    )


def _bad_end(path: str, completed: Completed) -> Message | None:
    if completed.outcome == "ok":
        return None
    if completed.reason is not None:
        return completed.reason
    said = last_words(completed)
    if completed.signal is not None:
        return Message(code="cgi.signal", params={"path": path, "signal": completed.signal, "said": said})
    return Message(code="cgi.exit", params={"path": path, "exit": completed.exit_code, "said": said})


def _split(stdout: bytes) -> tuple[list[str], bytes]:
    """Return the header lines without their ends, and the body; LF and CRLF may stand side by side."""
    lines: list[str] = []
    for line, rest in _lines(stdout):
        if not line:
            return lines, stdout[rest:]
        if len(lines) == HEADER_LINES:
            raise _UnreadableError("cgi.too-many", lines=HEADER_LINES)
        if not line.isascii():
            raise _UnreadableError("cgi.not-ascii", line=len(lines) + 1, found=shown(line.decode("utf-8", "replace")))
        lines.append(line.decode("ascii"))
    raise _UnreadableError("cgi.no-end", found=shown(lines[0] if lines else ""))


def _lines(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each line that has an end, and where the next begins."""
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start:end].removesuffix(b"\r"), end + 1
        start = end + 1


def _headers(lines: list[str]) -> dict[str, str]:
    """Return headers by lower-case name; a status line counts as the header `Status`."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        status_line = _STATUS_LINE.fullmatch(line) if number == 1 else None
        if status_line is not None:
            found["status"] = status_line["status"]
            continue
        if line[0] in " \t":
            raise _UnreadableError("cgi.folded", line=number, found=shown(line.strip()))
        # No pattern of the whole line: one that leaves out the blanks around a value takes a day for a line of them.
        header, colon, value = line.partition(":")
        if not colon or _NAME.fullmatch(header) is None or not line.replace("\t", " ").isprintable():
            raise _UnreadableError("cgi.not-a-header", line=number, found=shown(line))
        name, value = header.lower(), value.strip(" \t")
        if name in _ONCE and name in found:
            raise _UnreadableError("cgi.twice", line=number, header=header)
        found[name] = _status(value, number) if name == "status" else value
    return found


def _status(value: str, number: int) -> str:
    status = _STATUS.fullmatch(value)
    if status is None:
        raise _UnreadableError("cgi.bad-status", line=number, found=shown(value))
    return status["status"]
