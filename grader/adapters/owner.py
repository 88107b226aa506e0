"""Whose a thing is that outlives a process: names that tell the grader that made it, and whether that one still lives.

Cgroups, containers, networks, images and namespaces are found again by such a name after their maker was killed.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

PREFIX = "lab-grader"
LABEL = "lab-grader.owner"
"""On every object of Docker's that can have a label; its value is an owner."""

_OWNER = re.compile(r"(?P<namespace>\d+)-(?P<pid>\d+)-(?P<start>\d+)")
_NAME = re.compile(rf"{PREFIX}-({_OWNER.pattern})(?:-\d+)?")
_counter = itertools.count(1)


def owner() -> str:
    """Return what tells this process from any other on this host, until it boots again."""
    return f"{pid_namespace()}-{os.getpid()}-{start_time(os.getpid())}"


def own_name() -> str:
    """Return the name of what this process has one of."""
    return f"{PREFIX}-{owner()}"


def fresh_name() -> str:
    """Return a name that nobody had before."""
    return f"{own_name()}-{next(_counter)}"


def owner_of(name: str) -> str | None:
    """Return the owner that a name tells, None if it is none of ours."""
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def is_left(who: str) -> bool:
    """Return whether an owner has ended; those of other pid namespaces are not ours to judge."""
    match = _OWNER.fullmatch(who)
    if match is None or int(match["namespace"]) != pid_namespace():
        return False
    return start_time(int(match["pid"])) != int(match["start"])


def is_leftover(name: str) -> bool:
    """Return whether a name is of something of ours whose maker has ended."""
    who = owner_of(name)
    return who is not None and is_left(who)


def start_time(pid: int) -> int | None:
    """Return when a process started, in ticks since boot: with the number it names a process for good."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def pid_namespace() -> int:
    """Return the number of our pid namespace: pids count only within one."""
    return Path("/proc/self/ns/pid").stat().st_ino
