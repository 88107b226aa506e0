"""Make TCP sockets in a sandbox's network namespace and hand them out: the program of a helper process.

A socket belongs to the namespace in which it was made, whoever connects it.  A plain user must first join the user
namespace that owns the network, which only a process with a single thread may; and whoever has joined cannot come
back.  So a process of its own does it: `python -I -S netsockets.py FD`, FD a Unix socket of sequenced packets.  Each
packet to it asks for a batch; the first carries the namespace.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import sys
from collections.abc import Callable

BATCH = 32
"""Sockets at once, each for one attempt to connect: a server that is up within 16 ms costs one round trip.

Far below what one message may carry (253, SCM_MAX_FD in linux/net/scm.h).
"""
READY = b"ready"
SOCKETS = b"sockets"

_NS_GET_USERNS = 0xB701
"""linux/nsfs.h, since Linux 4.9."""


def _join(namespace: int, setns: Callable[[int, int], int]) -> None:
    """Enter a network namespace, by way of the user namespace that owns it unless that is ours already."""
    owner, ours = fcntl.ioctl(namespace, _NS_GET_USERNS), os.open("/proc/self/ns/user", os.O_RDONLY)
    for entered in (namespace,) if os.path.sameopenfile(owner, ours) else (owner, namespace):
        if setns(entered, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _hand_out(channel: socket.socket) -> None:
    batch = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(BATCH)]
    socket.send_fds(channel, [SOCKETS], [one.fileno() for one in batch])
    for one in batch:
        one.close()


def main(fd: int) -> None:
    with socket.socket(fileno=fd) as channel:
        setns: Callable[[int, int], int] = ctypes.CDLL(None, use_errno=True).setns  # `os.setns` since Python 3.12.
        channel.send(READY)
        _, namespaces, _, _ = socket.recv_fds(channel, 16, 1)
        try:
            for namespace in namespaces:
                _join(namespace, setns)
                _hand_out(channel)
                while channel.recv(16):
                    _hand_out(channel)
        except OSError as error:
            channel.send(str(error.strerror).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
