"""Keeps containerd, dockerd and a registry alive for tests, and takes all of it away again: a program of its own.

It lives in a mount and a network namespace of its own.  So the daemons have their own loopback, bridges and packet
filter and never meet those of the host, and what they mount ends with them.  The processes stay in the host's table:
what `docker inspect` calls a pid is one.

It stops when its owner says so, and when its owner is gone: then its standard input ends.  It adopts whatever its
daemons leave behind (PR_SET_CHILD_SUBREAPER), so what it has to kill is what is below it, and nothing else.

It talks in lines: `start NAME`, `stop NAME` and `end` come in, and each is answered with one line of JSON, `""` or
what went wrong; so is the start of everything.  Standard library alone: it runs without the tests' environment.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

LOCK = "keeper.lock"
"""In the root folder; from when it is there it is held, by the owner first and then as long as the keeper lives."""
NEW_S = 60.0
"""A root folder without that file may be one that is just being made, unless it is older."""
GROUPS_BEFORE = "groups-before"
"""In the root folder; the groups at the top of each hierarchy that were there before, one a line."""
PRIVATE = (Path("/run/containerd"), Path("/run/docker"))
"""The shims' sockets and docker's plugins have these places whatever they are told: each gets its own file system."""
FIFOS = Path("/run/containerd/fifo")
"""Except this folder: `ctr`, which runs outside, makes its pipes there and the shim opens them."""
READY_S = 60.0
STOP_S = 15.0
PAUSE_S = 0.05
REAP_S = 2.0
"""Between two looks for what has ended: each container leaves three processes, and the host has room for 32768."""
_NEW_MOUNTS, _NEW_NETWORK = 0x00020000, 0x40000000
_BIND, _RECURSIVE, _SLAVE = 1 << 12, 1 << 14, 1 << 19
_DETACH = 2
_SET_CHILD_SUBREAPER = 36
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_libc = ctypes.CDLL(None, use_errno=True)

Argv = list[str]


class Keeper:
    """The daemons of one root folder.  A name has a pid if and only if its process was not reaped yet."""

    def __init__(self, root: Path, daemons: Mapping[str, Mapping[str, Argv]], environ: Mapping[str, str]) -> None:
        self._root = root
        self._daemons = daemons
        self._environ = dict(environ)
        self._pids: dict[str, int] = {}
        self._groups_before = set(top_groups())
        (root / GROUPS_BEFORE).write_text("\n".join(map(str, self._groups_before)), "utf-8")

    def start_all(self) -> str:
        """Start the daemons in order up to the first that fails; returns what went wrong."""
        return next(filter(None, map(self.start, self._daemons)), "")

    def start(self, name: str) -> str:
        """Start a daemon and wait until it answers; returns what went wrong."""
        argv, probe = self._daemons[name]["argv"], self._daemons[name]["probe"]
        log = os.open(self._root / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        streams = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            *((os.POSIX_SPAWN_DUP2, log, n) for n in (1, 2)),
        ]
        try:
            self._pids[name] = os.posix_spawn(
                argv[0], argv, self._environ, file_actions=streams, setsid=True, setsigdef=_IGNORED_BY_PYTHON
            )
        finally:
            os.close(log)
        (self._root / f"{name}.pid").write_text(str(self._pids[name]), "ascii")
        if not wait_until(lambda: not self._runs(name) or self._answers(probe), READY_S):
            return f"{name} does not answer after {READY_S:.0f} s: {self._last_words(name)}"
        return "" if self._runs(name) else f"{name} ended: {self._last_words(name)}"

    def stop(self, name: str) -> str:
        """Ask a daemon to end, kill it if it does not; what it had started stays.  Returns what went wrong."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            if self._runs(name):
                os.kill(self._pids[name], how)
                os.kill(self._pids[name], signal.SIGCONT)  # a test may have stopped it to see what a hanging one does
                wait_until(lambda: not self._runs(name), STOP_S)
        return f"{name} does not end" if self._runs(name) else ""

    def end(self) -> None:
        """Kill everything below this process and remove what it made: nothing of it is worth a daemon's own end."""
        groups = self._groups_of_namespaces()
        wait_until(lambda: self._nothing_below(groups), STOP_S)
        remove_groups(groups, self._groups_before)

    def _nothing_below(self, groups: set[Path]) -> bool:
        """Kill what is below this process, adding its control groups; tells whether there was nothing."""
        self.reap()
        below = descendants([os.getpid()])
        for pid in below:
            groups |= groups_of(pid)
        kill(below)
        return not below

    def _groups_of_namespaces(self) -> set[Path]:
        """Return where containerd puts containers that were given no place: a group named like their namespace."""
        listed = self._daemons["containerd"]["namespaces"]
        names = _output(listed, self._environ).split() if self._runs("containerd") else []
        return {Path(mount, name) for mount in group_mounts().values() for name in (*names, self._root.name)}

    def reap(self) -> None:
        """Collect all that has ended, adopted processes as well."""
        with suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG)[0]:
                self._pids = {name: pid for name, pid in self._pids.items() if pid != ended}

    def _runs(self, name: str) -> bool:
        self.reap()
        return name in self._pids

    def _answers(self, probe: Argv) -> bool:
        try:
            return _quietly(probe, self._environ).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _last_words(self, name: str) -> str:
        return " | ".join((self._root / f"{name}.log").read_text("utf-8", "replace").splitlines()[-3:])


@contextmanager
def separated() -> Iterator[None]:
    """Put this process into namespaces of its own, for good; what they need of the host goes at the end.

    Raises: OSError.
    """
    _checked("prctl", _libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    _checked("unshare", _libc.unshare(_NEW_MOUNTS | _NEW_NETWORK))
    # A slave, not private: what the host unmounts goes here too, or it would stay busy.
    _checked("mount", _libc.mount(b"none", b"/", None, _RECURSIVE | _SLAVE, None))
    fifos = _shared_folders()
    for folder in PRIVATE:
        _checked("mount", _libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"mode=0711"))
    FIFOS.mkdir()
    _checked("mount", _libc.mount(f"/proc/self/fd/{fifos}".encode(), bytes(FIFOS), None, _BIND, None))
    subprocess.run(["ip", "link", "set", "lo", "up"], env=_PLAIN, stdin=subprocess.DEVNULL, check=True)
    try:
        yield
    finally:
        for folder in (FIFOS, *PRIVATE):
            _libc.umount2(bytes(folder), _DETACH)
        _remove_shared_folders(fifos)


def _shared_folders() -> int:
    """Make the host's folders that are mounted upon or shared; returns the shared one, open and held in use."""
    while True:
        with suppress(FileNotFoundError):  # another keeper removes them meanwhile
            FIFOS.mkdir(parents=True, exist_ok=True)
            opened = os.open(FIFOS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(opened, fcntl.LOCK_SH)
            if FIFOS.exists() and FIFOS.stat().st_ino == os.fstat(opened).st_ino:
                for folder in PRIVATE:
                    folder.mkdir(exist_ok=True)
                return opened
            os.close(opened)


def _remove_shared_folders(opened: int) -> None:
    """Remove them if they are empty and no other keeper uses them: what one has mounted there would go too."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for folder in (FIFOS, *PRIVATE):
            with suppress(OSError):  # not empty: a daemon of the host's uses it
                folder.rmdir()
    except BlockingIOError:
        pass
    finally:
        os.close(opened)


def sweep(root: Path) -> None:
    """Remove what is left of a keeper that was killed.  A living one's folder stays as it is."""
    with suppress(FileNotFoundError), ExitStack() as held:
        if (root / LOCK).exists():
            try:
                fcntl.flock(held.enter_context((root / LOCK).open()), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        elif time.time() - root.stat().st_mtime < NEW_S:
            return
        groups = {Path(mount, root.name) for mount in group_mounts().values()}
        wait_until(lambda: _nothing_marked(str(root), groups), STOP_S)
        with suppress(FileNotFoundError):
            remove_groups(groups, set(map(Path, (root / GROUPS_BEFORE).read_text("utf-8").splitlines())))
        remove_root(root)
        _remove_shared_folders(_shared_folders())


def _nothing_marked(mark: str, groups: set[Path]) -> bool:
    """Kill what has the root folder in its arguments or its environment, and all below it."""
    below = set(descendants(marked := list(with_mark(mark)))) | set(marked)
    for pid in below:
        groups |= groups_of(pid)
    kill(below)
    return not below


def with_mark(mark: str) -> Iterable[int]:
    """Yield the processes that name a folder in their arguments or their environment, but for this one."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if mark.encode() in text and int(process.name) != os.getpid():
                yield int(process.name)


def descendants(roots: Iterable[int]) -> list[int]:
    """Return all processes below these, by the kernel's list of children."""
    found: list[int] = []
    pending = list(roots)
    while pending:
        pid = pending.pop()
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                children = [int(child) for child in listed.read_text("ascii").split()]
                found += children
                pending += children
    return found


def kill(pids: Iterable[int]) -> None:
    """Kill these processes; those that are gone already do not matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def group_mounts() -> dict[str, Path]:
    """Return where each controller's hierarchy is mounted; the one of cgroup v2 has the name ``."""
    mounts: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            names = options.split(",") if kind == "cgroup" else [""]
            mounts |= {name: Path(before.split(" ")[4]) for name in names}
    return mounts


def groups_of(pid: int) -> set[Path]:
    """Return the control groups of a process that this process is not in itself; none if it is gone."""
    mounts = group_mounts()

    def read(process: str) -> set[Path]:
        found: set[Path] = set()
        for line in Path(f"/proc/{process}/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            mount = mounts.get(controllers.split(",")[0])
            if mount:
                found.add(mount / path.lstrip("/"))
        return found

    try:
        return read(str(pid)) - read("self")
    except OSError:
        return set()


def top_groups() -> Iterable[Path]:
    """Yield the groups just below the top of each hierarchy."""
    for mount in set(group_mounts().values()):
        yield from (path for path in mount.iterdir() if path.is_dir())


def remove_groups(groups: set[Path], before: set[Path]) -> None:
    """Remove groups with what is below them, and above them what was not there before; nothing that is in use."""
    mounts = set(group_mounts().values())
    tops = {next(path for path in (group, *group.parents) if path.parent in mounts) for group in groups - mounts}
    for group in (tops - before) | groups:
        for folder, _, _ in os.walk(group, topdown=False):
            below = Path(folder)
            wait_until(lambda below=below: _removed(below) or _is_used(below), 1)  # type: ignore[misc]


def remove_root(root: Path) -> None:
    """Remove a root folder unless something is still mounted in it."""
    for mounted in sorted(_mounts_below(root), key=len, reverse=True):
        _libc.umount2(os.fsencode(mounted), _DETACH)
    if not _mounts_below(root):
        shutil.rmtree(root, ignore_errors=True)


def _mounts_below(root: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    return [place for line in lines if (place := line.split(" ")[4]).startswith(f"{root}/")]


def _removed(group: Path) -> bool:
    """Tell whether it is gone: a group stays busy for a moment after its last member."""
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def _is_used(group: Path) -> bool:
    with suppress(OSError):
        return any(group.glob("*/")) or bool((group / "cgroup.procs").read_bytes())
    return False


def wait_until(done: Callable[[], bool], timeout_s: float) -> bool:
    """Ask again and again, at least once; tells whether it was done in time."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_S)
    return True


def _checked(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _quietly(argv: Argv, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5)


def _output(argv: Argv, environ: Mapping[str, str]) -> str:
    try:
        return _quietly(argv, environ).stdout
    except subprocess.TimeoutExpired:
        return ""


def serve(keeper: Keeper, orders: TextIO) -> None:
    """Do what the owner says until it is done or gone; who waits for each answer never has two lines here."""
    while True:
        if not select.select([orders], [], [], REAP_S)[0]:
            keeper.reap()
            continue
        what, _, name = orders.readline().strip().partition(" ")
        if what in ("end", ""):
            return
        say(keeper.start(name) if what == "start" else keeper.stop(name))


def say(problem: str) -> None:
    """Answer; an owner that is gone reads nothing, and then the orders have ended too."""
    with suppress(BrokenPipeError):
        print(json.dumps(problem), flush=True)


def main(argv: Sequence[str]) -> int:
    """Keep the daemons of the plan, which is one argument in JSON."""
    plan = json.loads(argv[0])
    root = Path(plan["root"])
    os.set_inheritable(plan["lock"], False)  # it is ours until we end, and no daemon's
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, lambda *_: None)  # a handler, because children would inherit SIG_IGN
    keeper = Keeper(root, plan["daemons"], plan["environ"])
    try:
        with separated():
            try:
                say(keeper.start_all())
                serve(keeper, sys.stdin)
            finally:
                keeper.end()
    except (OSError, subprocess.SubprocessError) as error:
        say(str(error))
        return 1
    finally:
        remove_root(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
