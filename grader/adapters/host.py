"""Tell what this host is, as far as facts depend on it; no name, no user, no load."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from grader.adapters.cgroups import mount_points
from grader.adapters.noise import HostNoise
from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.host import Fingerprint, Tool
from grader.model.trouble import without_host_paths

_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[-+~][0-9A-Za-z.+~-]+)?")
_VERSION_S = 20.0


SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs of the host lie, whatever the caller's own PATH says."""


class LocalHost:
    """The `Host` that this process runs on.

    Args:
        root: Where the files about the system lie.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def fingerprint(self, tools: Sequence[Tool]) -> Fingerprint:
        """Return the host's identity; tools sorted by name, so that the same set gives the same bytes."""
        return Fingerprint(
            os=os_name(self._root),
            kernel=".".join(re.findall(r"\d+", platform.release())[:2]),
            architecture=platform.machine(),
            cpus=len(os.sched_getaffinity(0)),
            cgroup=cgroup_version(self._root / "proc/self"),
            tools=tuple(sorted(tools, key=lambda tool: (tool.name, tool.sha256))),
        )

    def load_average(self) -> tuple[float, ...]:
        """Return the load averages of 1, 5 and 15 minutes."""
        return tuple(round(load, 2) for load in os.getloadavg())

    def listen(self) -> HostNoise:
        """Begin to look at what else this host does.  Raises: HostError as `HostNoise` does."""
        return HostNoise(self._root / "proc")


def os_name(root: Path = Path("/")) -> str:
    """Return ID and VERSION_ID of os-release(5), such as `debian 12`; `linux` where neither file is there."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = (root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = {key: value.strip("\"' ") for key, _, value in (line.partition("=") for line in text.splitlines())}
        return " ".join(filter(None, (fields.get("ID") or "linux", fields.get("VERSION_ID"))))
    return "linux"


def cgroup_version(proc: Path = Path("/proc/self")) -> Literal["v1", "v2", "none"]:
    """Return which hierarchy has the memory controller; a v2 beside it without one (hybrid) does not count."""
    mounts = mount_points(proc)
    if "memory" in mounts:
        return "v1"
    return "v2" if "" in mounts else "none"


def tool(name: str, path: Path, version_argv: Sequence[str], env: Mapping[str, str] | None = None) -> Tool:
    """Describe a trusted program by what it says of its version and by the digest of its file.

    Args:
        path: The file that runs; a link is followed.
        version_argv: The command that prints the version.
        env: All its variables; none by default.

    Raises: HostError if it cannot be read or names no version.
    """
    said = spawn(tuple(version_argv), env or {}, timeout_s=_VERSION_S, output_bytes=1 << 16)
    found = _VERSION.search(said.stdout or said.stderr) if said.outcome == "ok" else None
    if found is None:
        shown = (said.stdout or said.stderr).strip()[:200] or said.outcome
        raise HostError(
            f"`{name}` names no version: `{without_host_paths(shown)}`",
            where=name,
            hint=f"see what `{' '.join(version_argv)}` prints, and install it again",
        )
    return Tool(name=name, version=found[0], sha256=file_digest(path))


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, read once per process and content.  Raises: HostError if it cannot be read."""
    try:
        found = path.stat()
        return _digest(str(path.resolve()), found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise HostError(
            f"cannot be read: {error.strerror}", where=str(path), hint="make it readable for you"
        ) from error


@functools.cache
def _digest(path: str, size: int, mtime_ns: int) -> str:
    """`size` and `mtime_ns` are here to tell a replaced file from the one remembered."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
