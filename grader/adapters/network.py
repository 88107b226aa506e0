"""Connect to a server: in a sandbox's own network namespace, or on the host's loopback."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from grader.adapters import netsockets
from grader.errors import HostError

LOOPBACK = "127.0.0.1"
_HELPER_S = 20.0
"""For each answer of the helper: a Python without its site needs tens of milliseconds."""
_RELEASED_S = 2.0
"""What a server left behind has to be gone after it: a killed process holds its port until it is."""
_LOOK_AGAIN_S = 0.01
_HINT = "run `grader doctor --for grade`"


def connect(to: socket.socket, port: int, timeout_s: float) -> socket.socket:
    """Connect a fresh TCP socket to a port of its own loopback, and return it.

    Raises: OSError as `socket.connect` does; ConnectionRefusedError also while the loopback is not up yet, and where
        the kernel connected the socket to itself, as it may to a port in the ephemeral range.
    """
    try:
        to.settimeout(timeout_s)
        to.connect((LOOPBACK, port))
        if to.getsockname() == to.getpeername():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
    except OSError as error:
        to.close()
        if error.errno == errno.ENETUNREACH:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the network is not up yet") from error
        raise
    return to


class NetworkSockets:
    """Fresh TCP sockets of one network namespace, made by a helper process."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._spare: list[socket.socket] = []

    @classmethod
    @contextmanager
    def helper(cls) -> Iterator[NetworkSockets]:
        """Start the helper and wait until it is ready; it ends with us, however we end.

        Raises: HostError if it cannot be started or does not answer.
        """
        with ExitStack() as stack:
            try:
                ours, process = _started(stack)
            except OSError as error:
                raise HostError(
                    f"the network of a sandbox cannot be reached: {error.strerror}",
                    hint="see `ulimit -a` and what else runs on this host, and run again",
                ) from error
            sockets = cls(ours)
            try:
                sockets._expect(netsockets.READY)
                yield sockets
            finally:
                sockets._close()
                ours.close()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_HELPER_S)
                process.kill()
                process.wait()

    def join(self, pid: int) -> bool:
        """Make sockets in the network namespace of this process from now on; False if it has ended already."""
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            return False
        except OSError as error:
            raise HostError(f"the network of a sandbox cannot be reached: {error.strerror}", hint=_HINT) from error
        try:
            self._ask([namespace])
        finally:
            os.close(namespace)
        return True

    def take(self) -> socket.socket:
        """Return a socket that is the caller's to connect and to close.  Raises: HostError if the helper broke."""
        if not self._spare:
            self._ask([])
        return self._spare.pop()

    def _ask(self, namespace: list[int]) -> None:
        try:
            socket.send_fds(self._channel, [b"more"], namespace)
        except OSError as error:
            raise HostError(f"the network of a sandbox cannot be reached: {error.strerror}", hint=_HINT) from error
        self._spare = [socket.socket(fileno=fd) for fd in self._expect(netsockets.SOCKETS)]

    def _expect(self, word: bytes) -> list[int]:
        try:
            said, fds, _, _ = socket.recv_fds(self._channel, 256, netsockets.BATCH, socket.MSG_CMSG_CLOEXEC)
        except OSError as error:
            raise HostError(f"the network of a sandbox cannot be reached: {error}", hint=_HINT) from error
        if said != word:
            why = said.decode("utf-8", "replace") or "the helper ended"
            raise HostError(f"the network of a sandbox cannot be reached: {why}", hint=_HINT)
        return fds

    def _close(self) -> None:
        for one in self._spare:
            one.close()
        self._spare = []


def _started(stack: ExitStack) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return our end of the channel, closed with `stack`, and the helper at its other end."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stack.enter_context(ours).settimeout(_HELPER_S)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", netsockets.__file__, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            pass_fds=(its.fileno(),),
            start_new_session=True,  # Ctrl-C is for us.
        )
    return ours, process


@contextmanager
def sole_use(port: int, hint: str) -> Iterator[None]:
    """Have a port of this host for our server alone: what else listens there would answer in its name.

    Args:
        hint: What to do where the port is somebody else's.
    Raises: HostError if something listens there before, or still does when our server has ended.
    """
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            # A name that every user of this network sees; a server that only starts up is seen by nothing else.
            claim.bind(f"\0grader/port/{port}")
        except OSError as error:
            raise _taken(f"port {port} is in use by another `grader` now", port, hint) from error
        why = _why_not_free(port)
        if why is not None:
            raise _taken(f"port {port} is taken or not ours: {why}", port, hint)
        yield
        deadline = time.monotonic() + _RELEASED_S
        while _why_not_free(port) is not None:
            if time.monotonic() >= deadline:
                raise _taken(f"something else listens on port {port}, and may have answered instead", port, hint)
            time.sleep(_LOOK_AGAIN_S)


def _why_not_free(port: int) -> str | None:
    """Return why nobody could listen on a port of this host, None if they could."""
    families = [(socket.AF_INET, "0.0.0.0")] + (
        [(socket.AF_INET6, "::")] if Path("/proc/net/if_inet6").exists() else []
    )
    for family, everywhere in families:
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((everywhere, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return error.strerror
    return None


def _taken(what: str, port: int, hint: str) -> HostError:
    return HostError(
        what, where=f"{LOOPBACK}:{port}", hint=f"end what listens there (`ss -ltnp 'sport = :{port}'`), or {hint}"
    )
