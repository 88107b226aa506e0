"""Why an image was not built: what a builder's last words say about whose affair it is."""

from __future__ import annotations

import re

from grader.model.base import Message

_DAEMON = re.compile(
    r"no space left on device|cannot connect to the docker daemon|is the docker daemon running|error during connect"
    r"|server gave HTTP response|i/o timeout|TLS handshake timeout|toomanyrequests|connection refused"
    r"|manifest unknown|pull access denied|unauthorized: authentication required"
    r"|failed to (?:register layer|mount overlay)|context (?:canceled|deadline exceeded)|unexpected EOF",
    re.IGNORECASE,
)
"""Words of a daemon, a mirror or a disk; they count only where no instruction of the recipe had failed by then."""
_FULL = re.compile(r"no space left on device", re.IGNORECASE)
_NETWORK = re.compile(
    r"temporary error \(try again later\)|temporary failure (?:in name resolution|resolving)|bad address"
    r"|could not resolve|no such host|network is unreachable|unable to access|unable to select packages"
    r"|dial tcp|lookup \S+ on ",
    re.IGNORECASE,
)
"""What package managers, git, Go and curl say where there is no network."""
_NOT_FOUND = re.compile(r"(?:^|\s)(\S+): (?:command )?not found|exec: \"?([^\"\s:]+)\"?: (?:executable|stat|no such)")
_STEP_FAILED = re.compile(
    r"returned a non-zero code: (\d+)|(?:exit status|exited with code:?) (\d+)|COPY failed|ADD failed"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Around what a step writes to its standard error; the client puts it there."""
_WORDS = 300


def why_not_built(said: str, exit_code: int | None, *, stand_in: bool, cramped: bool = False) -> tuple[bool, Message]:
    """Return whether a build that failed is the recipe's own mistake, and the reason.

    Args:
        said: What the builder printed, the last lines at least.
        stand_in: Whether it started from an image that stands in for one that cannot be had here, and that lacks
            most of its programs.
        cramped: Whether the disk had less room than a build may take, so that a full one is no fault of the recipe.
    """
    said = _COLOUR.sub("", said)
    failed = _STEP_FAILED.search(said)
    if failed is None and (found := _DAEMON.search(said)):
        return False, Message(code="infra.builder-broke", params={"said": _line_of(said, found)})
    if cramped and (found := _FULL.search(said)):
        return False, Message(code="infra.builder-broke", params={"said": _line_of(said, found)})
    if failed is not None and (found := _NETWORK.search(said)):
        return False, Message(code="image.needs-network", params={"said": _line_of(said, found)})
    absent = _NOT_FOUND.search(said) if stand_in and failed is not None else None
    if absent is not None:
        return False, Message(code="infra.stand-in-lacks", params={"program": absent[1] or absent[2]})
    return True, Message(code="image.failed", params={"exit": exit_code, "said": _last(said)})


def _line_of(said: str, match: re.Match[str]) -> str:
    start = said.rfind("\n", 0, match.start()) + 1
    end = said.find("\n", match.end())
    return said[start : end if end >= 0 else len(said)].strip()[:_WORDS]


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:_WORDS] if lines else ""
