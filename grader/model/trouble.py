"""What an output may say of a broken host: what happened, never where on this host."""

from __future__ import annotations

import re

from grader.errors import HostError, TimeLimitError
from grader.model.base import TIME_IS_UP, Message

_OURS = ("app", "bin", "dev", "go", "out", "proc", "src", "sys", "tinygo", "tool")
"""Top folders of the sandbox, and of the kernel's own file systems: no user's name stands below them."""

# A space may stand inside a path: what follows it belongs to the path if it holds a `/` that does not begin it.
_PATH = re.compile(r"(?<![\w./-])/+(?=[^\s/])[^\s`'\":;,()]*(?: [^\s/`'\":;,()]+/[^\s`'\":;,()]*)*")
_QUOTED = re.compile(r"(?<=[`'\"])/[^`'\"]*(?=[`'\"])")
_SANDBOX = re.compile(rf"/(?:{'|'.join(_OURS)})(?:/(?!\.\.)|\b(?!/))")

REMOVED = "…"


def trouble(code: str, error: HostError) -> Message:
    """Return the reason for what a broken host kept from being done; `where`, a path of this host, stays out.

    Where the caller's time limit did it nothing is broken, and `code` is `limit.time`.
    """
    if isinstance(error, TimeLimitError):
        return Message(code=TIME_IS_UP)
    return Message(code=code, params={"detail": without_host_paths(error.what)})


def without_host_paths(text: str) -> str:
    """Return a tool's words with each absolute path of this host cut out; paths inside the sandbox stay."""
    return _PATH.sub(_kept, _QUOTED.sub(_kept, text))


def _kept(match: re.Match[str]) -> str:
    return match[0] if _SANDBOX.match(match[0]) else REMOVED
