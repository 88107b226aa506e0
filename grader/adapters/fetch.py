"""Fetch a file that has a known sha256, and go on where an earlier try was cut off."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from grader.errors import HostError

_CHUNK = 1 << 20
_TRIES = 3
_PAUSE_S = 1.0
"""Before the second try; twice as long before each further one."""


def fetch(
    url: str,
    target: Path,
    partial: Path,
    *,
    sha256: str,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> int:
    """Have the file under its name, whole and with the right digest; returns the number of bytes that were fetched.

    A file that is there already is kept if its digest is right.  What was fetched before a cut stays in `partial`
    under the digest, and the next call asks for the rest.

    Args:
        url: `https://`, `http://` or `file://`.
        partial: A folder on the same file system as the target.
        headers: For the first server alone; a redirection does not take them along to another one.
        timeout_s: Of silence.
    Raises: HostError.
    """
    if file_sha256(target) == sha256:
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(parents=True, exist_ok=True)
    part = partial / sha256
    fetched, resumed = _whole(url, part, headers or {}, timeout_s)
    found = file_sha256(part)
    if found != sha256 and resumed:  # What was kept may be what is wrong.
        part.unlink()
        more, _ = _whole(url, part, headers or {}, timeout_s)
        fetched, found = fetched + more, file_sha256(part)
    if found != sha256:
        size = part.stat().st_size
        part.unlink()
        raise HostError(
            f"the file has sha256 {found} ({size} bytes), expected {sha256}",
            where=url,
            hint="it was changed there; look at the mirror or at who publishes it, and never at the check",
        )
    part.replace(target)
    return fetched


def file_sha256(path: Path) -> str | None:
    """Return the sha256 of a plain file in hex, None if there is none; a symbolic link is not followed."""
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def _whole(url: str, part: Path, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bool]:
    """Fetch what `part` lacks; returns the bytes fetched, and whether it went on from what was there."""
    pause_s = _PAUSE_S
    total = 0
    resumed = False
    for last in [False] * (_TRIES - 1) + [True]:
        before = part.stat().st_size if part.exists() else 0
        try:
            resumed = _rest(url, part, before, headers, timeout_s) or resumed
            return total + part.stat().st_size - (before if resumed else 0), resumed
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # Nothing is left to send, or it is another file by now.
                return total, True
            if last or error.code in (401, 403, 404, 410):
                raise _unreachable(url, f"{error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise disk_full(part) from error
            total += max(0, (part.stat().st_size if part.exists() else 0) - before)
            if last:
                raise _unreachable(url, str(getattr(error, "reason", error)) or type(error).__name__) from error
        time.sleep(pause_s)
        pause_s *= 2
    raise AssertionError("the last try returns or raises")


def _rest(url: str, part: Path, before: int, headers: Mapping[str, str], timeout_s: float) -> bool:
    """Append the rest, or write all anew where the server does not do parts; returns whether it appended."""
    if not url.startswith(("https://", "http://", "file://")):
        raise ValueError("no address to fetch from")
    request = urllib.request.Request(url)  # noqa: S310 - checked just above
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    if before:
        request.add_header("Range", f"bytes={before}-")
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
        appends = before > 0 and answer.status == 206
        announced = answer.headers.get("Content-Length")
        with part.open("ab" if appends else "wb") as file:
            start = file.tell()
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
            written = file.tell() - start
    if announced is not None and written < int(announced):
        raise http.client.IncompleteRead(b"", int(announced) - written)
    return appends


def disk_full(path: Path) -> HostError:
    """Return what is said when no room is left."""
    return HostError(
        "the disk is full",
        where=str(path.parent),
        hint="make room and run the same command again: what was fetched is kept, and it goes on from there",
    )


def _unreachable(url: str, why: str) -> HostError:
    return HostError(
        f"cannot fetch it: {why}", where=url, hint="see that this host reaches it; the same command goes on from here"
    )
