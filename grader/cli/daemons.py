"""The daemons of container engines: where they are, whether this user may ask them, and opened when they are wanted."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerd import Containerd, find_address, open_containerd
from grader.adapters.docker import Docker, find_socket, open_docker
from grader.model.base import Message


class Daemons:
    """The daemons that the environment names, or else this host's own; what is opened stays so until `stack` ends.

    Each method returns why there is nobody to ask, and raises HostError for a daemon that is there and does not answer.
    """

    def __init__(self, environ: Mapping[str, str], stack: ExitStack) -> None:
        self._environ = environ
        self._stack = stack
        self.search_path = environ.get("PATH", "")

    @functools.cached_property
    def _parents(self) -> CgroupParents:
        return CgroupParents.find()

    def docker(self) -> Docker | Message:
        """Open Docker."""
        at = reachable("Docker", find_socket(self._environ))
        if isinstance(at, Message):
            return at
        return self._stack.enter_context(open_docker(at, self.search_path, self._parents))

    def containerd(self) -> Containerd | Message:
        """Open containerd."""
        at = reachable("containerd", find_address(self._environ))
        if isinstance(at, Message):
            return at
        return self._stack.enter_context(open_containerd(at, self.search_path, self._parents))


def reachable(engine: str, socket: Path | None) -> Path | Message:
    """Return a daemon's socket, or why there is nobody to ask; whether it answers is seen when it is asked."""
    if socket is None:
        return Message(code="engine.no-daemon", params={"engine": engine})
    if socket.exists() and not os.access(socket, os.R_OK | os.W_OK):
        return Message(code="engine.no-permission", params={"engine": engine})
    return socket
