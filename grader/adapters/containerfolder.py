"""A container's files as its daemon has them on this host: cut to nothing, or written to where the daemon waits.

An image chooses what these files are.  With `find`, because such trees may be deeper than Python's recursion and
longer than a path may be, and no process of the image's is alive.

Where a layer lies is known of Docker's overlay2 store alone.  On another one no folder is found: then a daemon that
waits at a pipe is a broken host, and nothing cuts what it goes on writing after a build was ended.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.adapters.interrupts import start_aside
from grader.adapters.sandbox import find_tool
from grader.adapters.spawn import spawn

_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
_RUN_S = 60.0
_PAUSE_S = 0.2
_OCTAL = re.compile(rb"\\([0-7]{3})")


def layer_folder(root: str, container: str) -> Path | None:
    """Return where Docker keeps a container's own layer; None if it has none, or the store is another one.

    Not by asking the daemon, which answers nothing about a container that it waits for.

    Args:
        root: The daemon's.
        container: Its id.
    """
    name = Path(root, "image", "overlay2", "layerdb", "mounts", container, "mount-id")
    try:
        return Path(root, "overlay2", name.read_text("ascii"))
    except OSError:
        return None


def empty_files(folder: Path) -> None:
    """Cut every file in a folder to nothing."""
    _find(folder, "-type", "f", "-size", "+0", "-execdir", "truncate", "--size=0", "--", "{}", "+")


@contextmanager
def waits_ended(folder: Path) -> Iterator[None]:
    """During the body, open every pipe in a folder for writing, and close it: whoever waits for a writer goes on."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(_PAUSE_S):
            opened = ("dd", "if=/dev/null", "of={}", "oflag=nonblock", "conv=notrunc,nocreat", "status=none")
            _find(folder, "-type", "p", "-execdir", *opened, ";")

    thread = threading.Thread(target=write, daemon=True)
    start_aside(thread)
    try:
        yield
    finally:
        over.set()
        thread.join()


def unmount_below(folder: Path) -> None:
    """Take away what is mounted in a folder of ours.  Source of the escapes: proc_pid_mountinfo(5)."""
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        place = os.fsdecode(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), line.split(b" ")[4]))
        if place.startswith(f"{folder}{os.sep}"):
            _run("umount", "--lazy", place)


def _find(folder: Path, *words: str) -> None:
    _run("find", str(folder), "-xdev", *words)


def _run(name: str, *words: str) -> None:
    """Run a program of every Debian's; where it fails, what it was for is left as it is."""
    program = find_tool(name)
    if program is not None:
        spawn((str(program), *words), _ENV, timeout_s=_RUN_S, output_bytes=1 << 16)
