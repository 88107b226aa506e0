"""What is in engines, and what a grader that has ended left in and around them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from grader.adapters.owner import PREFIX, is_left, owner_of
from tests.engines.engines import DAEMONS, PROGRAMS, Engines
from tests.engines.keeper import descendants, group_mounts

LISTS = {
    "containers": ("ps", "--all", "--quiet", "--no-trunc"),
    "images": ("images", "--all", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"),
    "networks": ("network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"),
    "volumes": ("volume", "ls", "--quiet"),
}
"""What Docker is asked for, by kind."""


def found_in(engines: Engines) -> dict[str, frozenset[str]]:
    """Return every object that the daemons of these engines have, by kind; of containerd's those of no other daemon."""
    found = {kind: frozenset(engines.run(engines.docker, *words).stdout.splitlines()) for kind, words in LISTS.items()}
    names = engines.run(PROGRAMS["ctr"], "namespaces", "ls", "--quiet").stdout.split()
    found["namespaces"] = frozenset(names) - {"moby"}
    stored = engines.root / "containerd"
    found["snapshots"] = frozenset(p.name for p in stored.glob("*snapshotter*/snapshots/*"))
    found["content"] = frozenset(p.name for p in stored.glob("*content*/blobs/sha256/*"))
    mounts = Path(f"/proc/{engines.pid('containerd')}/mountinfo").read_text("utf-8").splitlines()
    found["mounts"] = frozenset(place for line in mounts if (place := line.split(" ")[4]).startswith(str(engines.root)))
    daemons = {engines.pid(name) for name in DAEMONS}
    found["processes"] = frozenset(_told(pid) for pid in descendants([engines.keeper.pid]) if pid not in daemons)
    return found


def changed(before: Mapping[str, frozenset[str]], now: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return by kind what is in only one of two answers of `found_in`."""
    return {kind: before[kind] ^ now[kind] for kind in now if before[kind] != now[kind]}


def left_around() -> dict[str, frozenset[str]]:
    """Return what bears the name of a grader that is no more: groups, folders of pipes, processes of its groups."""
    groups = {Path(place, n) for top in set(group_mounts().values()) for place, n in _below(top) if _is_left(n)}
    folders = {entry for entry in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*") if _is_left(entry.name)}
    members = {pid for group in groups for pid in (group / "cgroup.procs").read_text("ascii").split()}
    return {
        "cgroups": frozenset(map(str, groups)),
        "pipes": frozenset(map(str, folders)),
        "processes of cgroups": frozenset(members),
    }


def _below(top: Path) -> list[tuple[str, str]]:
    return [(place, name) for place, names, _ in os.walk(top) for name in names]


def _is_left(name: str) -> bool:
    who = owner_of(name)
    return who is not None and is_left(who)


def _told(pid: int) -> str:
    try:
        return (
            f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode('utf-8', 'replace')[:80]}"
        )
    except OSError:
        return f"{pid}"
