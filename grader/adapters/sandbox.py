"""Run a command of a submission behind bubblewrap, as nobody in particular, with nothing but what it needs in sight.

As root, bubblewrap makes the mounts with root's rights, so toolchain and submission are reachable in a home of mode
0700 and no unprivileged user namespace is needed; `setpriv` then becomes a real unprivileged user with no
capability before the first instruction of the submission.  As a plain user a user namespace does both.
`docs/trust-model.md` says what this promises and which test tries to break it.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import os
import pwd
import resource
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.adapters import disk, seccomp
from grader.adapters.boundary import Boundary
from grader.adapters.cgroups import Cgroup, Cgroups
from grader.adapters.hostlock import DEFAULT_LOCK
from grader.adapters.libraries import program_binds
from grader.adapters.network import NetworkSockets, connect
from grader.adapters.processes import PeakSampler, smaps_now
from grader.adapters.serving import How, NeverServed, ProgramServer
from grader.adapters.spawn import Followed, Watch, spawn, start
from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Bind, Command, Completed, Limits, MemoryReading
from grader.model.trouble import without_host_paths
from grader.ports import SandboxStatus, Server

UIDS = range(64012, 64112)
"""Users a sandbox may become: outside Debian's ranges for packages, people and sub-ids; the first that is free."""

HOSTNAME = "sandbox"
NICE = 5
HOSTS = f"127.0.0.1 localhost {HOSTNAME}\n"
"""/etc/hosts as every container has one: without it nothing can listen on `localhost:8080`."""

NOOP_OUTPUT = "sandbox-noop\n"

_TOOL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SETPRIV = "/bin/setpriv"
_STATUS_FD, _SECCOMP_FD, _OPTIONS_FD, _HOSTS_FD = 4, 5, 6, 7
_OPEN_FILES = 4096
_DEVICES = ("null", "zero", "full", "random", "urandom")
_NAMESPACES = ("ipc", "mnt", "net", "pid", "uts")
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
CONTAINER_FLAGS = ("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--security-opt=apparmor=unconfined")
_SYSCTLS = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu 23.10 and later.
    ("kernel.unprivileged_userns_clone", "0", "1"),  # Debian before 11, hardened kernels.
    ("user.max_user_namespaces", "0", "15000"),
)
_PACKAGES = {"bwrap": "bubblewrap", "setpriv": "util-linux"}
_NEVER_SHOWN = ("/proc", "/sys", "/dev")


class Sandbox:
    """The `Runner` for code that nobody has read.

    Args:
        lock: The host lock, which no bind may show: whoever can open it can stall the host.
        cgroups: Where the caps on memory and processes are made; found by itself if not given.
    """

    def __init__(self, *, lock: Path = DEFAULT_LOCK, cgroups: Cgroups | None = None) -> None:
        self._lock = lock
        self._cgroups = Cgroups.find() if cgroups is None else cgroups
        self._root = os.geteuid() == 0
        self._status: SandboxStatus | None = None

    @functools.cached_property
    def uid(self) -> int:
        """The user that a sandboxed process is: a real one under root, else one inside its namespace only."""
        return next(uid for uid in UIDS if not _user_exists(uid))

    def status(self) -> SandboxStatus:
        """Prove the boundary once with a real run; the answer is kept."""
        if self._status is None:
            self._status = self._prove()
        return self._status

    def noop(self) -> Command:
        """Return the command that prints `NOOP_OUTPUT` and does nothing else."""
        echo = _tool("echo")
        return Command(argv=("/bin/echo", NOOP_OUTPUT.strip()), binds=program_binds(echo, "/bin/echo"))

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        """Run to the end or to a limit; no process of it is left when this returns.

        Writable binds belong to the sandbox's user during the run and to the caller afterwards.

        Raises: HostError if there is no working sandbox here, if it broke, or if a bind would show the host.
        """
        self._need()
        return self._run(command, memory=memory)

    def _need(self) -> None:
        status = self.status()
        if not status.works:
            assert status.reason is not None
            raise HostError(f"no sandbox works here ({status.reason.code})", hint=status.remedy)

    def _run(self, command: Command, *, memory: bool = False) -> Completed:
        self._check(command.binds)
        missing = _missing_program(command)
        if missing is not None:
            return _not_started(command, missing)
        limits = command.limits
        with self._prepared(command) as ready, ExitStack() as stack:
            sampler = None
            if memory and not ready.cgroup_peak():
                launchers = [_tool(name) for name in (("bwrap", "setpriv") if self._root else ("bwrap",))]
                sampler = stack.enter_context(PeakSampler.of(ready.boundary.programs, launchers))
            done = spawn(
                ready.argv,
                {},
                timeout_s=limits.timeout_s,
                output_bytes=limits.output_bytes,
                fds=ready.fds,
                hold=ready.hold,
                watch=ready.watch,
            )
            stack.close()
            ready.clear()
            peak = sampler.readings() if sampler is not None else ready.cgroup_peak() if memory else ()
            return ready.judged(done).model_copy(update={"memory_peak": peak})

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[Server]:
        """Start a server in a network of its own; it is stopped at the end at the latest.

        The time limit is that of its whole life.
        Raises: HostError as for `run`.
        """
        self._need()
        self._check(command.binds)
        missing = _missing_program(command)
        if missing is not None:
            yield NeverServed(_not_started(command, missing))
            return
        limits = command.limits
        with self._prepared(command) as ready, NetworkSockets.helper() as sockets, ExitStack() as stack:
            with _as_ours("the sandbox cannot be started"):
                program = stack.enter_context(
                    start(ready.argv, {}, output_bytes=limits.output_bytes, fds=ready.fds, gated=True)
                )
            ready.hold(program.pid)
            followed = stack.enter_context(Followed.let_go(program, limits.timeout_s, ready.watch))
            yield self._served(ready, sockets, followed, port)

    def _served(self, ready: _Ready, sockets: NetworkSockets, followed: Followed, port: int) -> Server:
        boundary = ready.boundary
        pid = boundary.wait_for_pid(followed.ended)
        if pid is None or not sockets.join(pid):
            done = followed.done()
            ready.clear()
            return NeverServed(ready.judged(done))

        def judged(done: Completed, how: How) -> Completed:
            ready.clear()
            return ready.judged(done, killed=how == "killed")

        return ProgramServer(
            followed,
            connect=lambda timeout_s: connect(sockets.take(), port, timeout_s),
            terminate=boundary.terminate,
            memory=lambda: (*ready.cgroup_usage(), *smaps_now(boundary.programs())),
            judged=judged,
        )

    @contextmanager
    def _prepared(self, command: Command) -> Iterator[_Ready]:
        """Make all that one run needs; at the end no process of it is left and all is as before."""
        writable = [bind.source for bind in command.binds if bind.writable]
        with ExitStack() as stack:
            with _as_ours("the sandbox cannot be prepared"):
                ready = self._ready(command, writable, stack)
            try:
                yield ready
            finally:
                ready.clear()

    def _ready(self, command: Command, writable: Sequence[str], stack: ExitStack) -> _Ready:
        """Make it; `stack` gives all back.  Raises: OSError where this host is out of something."""
        for directory in writable:
            stack.enter_context(self._lent(directory))
        cgroup = stack.enter_context(self._cgroups.fresh(command.limits))
        status_read, status_write = _status_pipe(stack)
        filter_fd = stack.enter_context(_memory_file(seccomp.program()))
        # Not as arguments: those of the first process can be read in the sandbox, and they name host paths.
        options = "".join(f"{option}\0" for option in self._options(command))
        options_fd = stack.enter_context(_memory_file(os.fsencode(options)))
        hosts_fd = stack.enter_context(_memory_file(HOSTS.encode()))
        return _Ready(
            command=command,
            argv=(str(find_tool("bwrap")), "--args", str(_OPTIONS_FD), "--", *self._drop(), *command.argv),
            fds={_STATUS_FD: status_write, _SECCOMP_FD: filter_fd, _OPTIONS_FD: options_fd, _HOSTS_FD: hosts_fd},
            boundary=Boundary(status_read),
            cgroup=cgroup,
            processes=self._processes_cap(command.limits, cgroup),
            writable=writable,
        )

    def _options(self, command: Command) -> list[str]:
        """Return bubblewrap's options for a command, in the order in which it does them."""
        binds = dict.fromkeys((*command.binds, *(self._setpriv_binds if self._root else ())))
        directories = sorted({str(p) for bind in binds for p in PurePosixPath(bind.target).parents} - {"/"})
        tmp_bytes = min(command.limits.disk_bytes, max(1 << 20, command.limits.memory_bytes // 2))
        line = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        line += ["--hostname", HOSTNAME, "--die-with-parent", "--new-session", "--clearenv"]
        line += ["--json-status-fd", str(_STATUS_FD), "--seccomp", str(_SECCOMP_FD), "--cap-drop", "ALL"]
        if self._root:
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                line += ["--cap-add", capability]
        else:
            line += ["--unshare-user", "--disable-userns", "--uid", str(self.uid), "--gid", str(self.uid)]
        line += ["--proc", "/proc", "--perms", "1777", "--size", str(tmp_bytes), "--tmpfs", "/tmp"]
        # Parents that bubblewrap makes for a file are 0700 and would lock the unprivileged user out.
        for directory in (*directories, "/dev", "/etc"):
            line += ["--dir", directory]
        line += ["--perms", "0444", "--ro-bind-data", str(_HOSTS_FD), "/etc/hosts"]
        for device in _DEVICES:
            line += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        line += ["--symlink", "/proc/self/fd", "/dev/fd"]
        for bind in binds:
            line += ["--bind" if bind.writable else "--ro-bind", bind.source, bind.target]
        for name, value in command.env.items():
            line += ["--setenv", name, value]
        return [*line, "--remount-ro", "/", "--chdir", command.cwd]

    def _drop(self) -> tuple[str, ...]:
        """Return what stands before the command to give up root's rights for good."""
        if not self._root:
            return ()
        user = (f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups")
        return (_SETPRIV, *user, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--")

    @functools.cached_property
    def _setpriv_binds(self) -> tuple[Bind, ...]:
        return program_binds(_tool("setpriv"), _SETPRIV)

    def _check(self, binds: Sequence[Bind]) -> None:
        """Refuse binds that would show the host or that the sandbox's user could not use."""
        targets = [PurePosixPath(bind.target) for bind in binds]
        for bind, target in zip(binds, targets, strict=True):
            source = os.path.realpath(bind.source)
            if source == "/" or any(source == p or source.startswith(p + "/") for p in _NEVER_SHOWN):
                raise HostError(
                    f"what is to be `{target}` must not be shown to a submission",
                    where=source,
                    hint="name another folder",
                )
            if Path(os.path.realpath(self._lock)).is_relative_to(source):
                raise HostError(
                    f"what is to be `{target}` would show the host lock",
                    where=source,
                    hint=f"keep the cache and the tools apart from `{self._lock}`",
                )
            if any(other in target.parents for other in targets):
                raise HostError(f"`{target}` lies inside another bind", where=bind.source, hint="report this mistake")
            self._check_readable(bind, source)

    def _check_readable(self, bind: Bind, source: str) -> None:
        try:
            mode = Path(source).stat().st_mode
        except OSError as error:
            raise HostError(
                f"cannot be shown in the sandbox: {error.strerror}",
                where=source,
                hint="make it readable, and run again",
            ) from error
        needed = 0o5 if Path(source).is_dir() else 0o4
        if self._root and not bind.writable and mode & needed != needed:
            raise HostError(
                f"user {self.uid} of the sandbox cannot read it (mode {mode & 0o7777:04o})",
                where=source,
                hint=f"chmod -R go+rX {source}",
            )

    @contextmanager
    def _lent(self, directory: str) -> Iterator[None]:
        """Make a directory the sandbox's own for a while; as a plain user it is that already."""
        try:
            before = Path(directory).stat()
            if self._root:
                disk.hand_over(directory, self.uid, self.uid)
            try:
                yield
            finally:
                disk.hand_over(directory, before.st_uid, before.st_gid)
        except OSError as error:
            raise HostError(
                f"cannot be given to the sandbox and back: {error.strerror}",
                where=directory,
                hint="name a folder on a local disk of your own in GRADER_CACHE",
            ) from error

    def _processes_cap(self, limits: Limits, cgroup: Cgroup | None) -> int | None:
        """Return what RLIMIT_NPROC must be where no cgroup counts the processes; it counts by user, not by run."""
        if cgroup is not None:
            return None
        return limits.pids if self._root else limits.pids + _threads_of(os.getuid())

    def _prove(self) -> SandboxStatus:
        kind = "bubblewrap" if self._root else "bubblewrap-userns"
        weak = tuple(m for m in (self._cgroups.missing,) if m is not None)
        for name in ("bwrap", "setpriv") if self._root else ("bwrap",):
            if find_tool(name) is None:
                reason = Message(code="sandbox.no-tool", params={"tool": name})
                return SandboxStatus(works=False, kind=kind, reason=reason, remedy=f"apt-get install {_PACKAGES[name]}")
        try:
            hole = self._hole()
        except HostError as error:
            reason, remedy = _refusal(error.what)
            return SandboxStatus(works=False, kind=kind, reason=reason, remedy=remedy)
        if hole is not None:
            reason = Message(code="sandbox.not-tight", params={"detail": hole})
            return SandboxStatus(works=False, kind=kind, reason=reason, remedy="apt-get install --reinstall bubblewrap")
        return SandboxStatus(works=True, kind=kind, weak=weak)

    def _hole(self) -> str | None:
        """Look from inside: return what about the boundary is not as it must be."""
        inside = self._look("cat", "/proc/self/status")
        fields = {name: value.split() for name, _, value in (line.partition(":") for line in inside.splitlines())}
        expected = {"Uid": [str(self.uid)] * 4, "Gid": [str(self.uid)] * 4, "NoNewPrivs": ["1"], "Seccomp": ["2"]}
        expected |= {f"Cap{which}": ["0" * 16] for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
        for name, value in expected.items():
            if fields.get(name) != value:
                return f"{name} is {' '.join(fields.get(name, ['absent']))}, not {' '.join(value)}"
        links = [f"/proc/self/ns/{kind}" for kind in _NAMESPACES]
        for kind, link, seen in zip(_NAMESPACES, links, self._look("readlink", *links).split(), strict=True):
            if seen == str(Path(link).readlink()):
                return f"the {kind} namespace is the host's"
        return None

    def _look(self, tool: str, *arguments: str) -> str:
        target = f"/bin/{tool}"
        seen = self._run(Command(argv=(target, *arguments), binds=program_binds(_tool(tool), target)))
        if seen.outcome != "ok":
            said = without_host_paths(seen.stderr)[:200]
            raise HostError(
                f"`{tool}` in the sandbox: {seen.outcome}, exit {seen.exit_code}, {said}",
                hint="run `grader doctor --for grade`",
            )
        return seen.stdout


@dataclass(frozen=True)
class _Ready:
    """A run behind the boundary, made ready: what to start, and what to make of its end."""

    command: Command
    argv: tuple[str, ...]
    fds: Mapping[int, int]
    boundary: Boundary
    cgroup: Cgroup | None
    processes: int | None
    writable: Sequence[str]

    def hold(self, pid: int) -> None:
        """Cap the process that waits at the gate."""
        _cap(pid, self.command.limits, self.processes)
        if self.cgroup is not None:
            self.cgroup.add(pid)

    @property
    def watch(self) -> Watch | None:
        return self._over_disk if self.writable else None

    def _over_disk(self) -> Message | None:
        cap = self.command.limits.disk_bytes
        if disk.usage(self.writable, cap) <= cap:
            return None
        return Message(code="run.disk-limit", params={"bytes": cap})

    def clear(self) -> None:
        """End the namespace and kill what else is in the cgroup; once bubblewrap has ended."""
        self.boundary.end()
        if self.cgroup is not None:
            self.cgroup.kill()

    def cgroup_peak(self) -> tuple[MemoryReading, ...]:
        return () if self.cgroup is None else self.cgroup.peak()

    def cgroup_usage(self) -> tuple[MemoryReading, ...]:
        return () if self.cgroup is None else self.cgroup.usage()

    def judged(self, done: Completed, *, killed: bool = False) -> Completed:
        """Turn what became of bubblewrap into what became of the command.

        Args:
            killed: It was killed on purpose, so that its silence about the command means nothing.
        """
        done = done.model_copy(update={"argv": self.command.argv})
        hit = self.cgroup.limit_hit(self.command.limits) if self.cgroup is not None else None
        if done.outcome == "failed":
            started = self.boundary.started or killed
            if not started and done.stderr.startswith("bwrap: execvp "):
                return _not_started(self.command, done.stderr.strip().rpartition(": ")[2])
            if not started and hit is None:
                said = without_host_paths(done.stderr.strip())[:500] or f"exit {done.exit_code}"
                raise HostError(f"the sandbox broke: {said}", hint="run `grader doctor --for grade`")
            if done.exit_code in (126, 127) and done.stderr.startswith("setpriv: failed to execute "):
                return _not_started(self.command, done.stderr.strip().rpartition(": ")[2])
            done = _unfold_signal(done).model_copy(update={"reason": hit})
        if done.outcome in ("ok", "failed") and self.writable:
            over = self._over_disk()
            if over is not None:
                return done.model_copy(update={"outcome": "disk-limit", "exit_code": None, "reason": over})
        return done


@contextmanager
def _as_ours(what: str) -> Iterator[None]:
    """Turn what this host is out of, descriptors or processes, into our error."""
    try:
        yield
    except OSError as error:
        raise HostError(
            f"{what}: {error.strerror or error}", hint="see `ulimit -a` and what else runs on this host, and run again"
        ) from error


def _refusal(said: str) -> tuple[Message, str]:
    """Return why bubblewrap was refused and the command that mends it."""
    reason = Message(code="sandbox.refused", params={"detail": without_host_paths(said)})
    if "no system call filter" in said:
        return reason, "grade on x86_64 or aarch64"
    if "Failed to make / slave" in said:  # A chroot into a plain directory.
        return reason, "mount --bind DIR DIR, before `chroot DIR`: the root must be a mount point"
    # A count that is used up is a setting of the kernel, which no option of a container changes.
    if "_namespaces exceeded" not in said and any(Path(mark).exists() for mark in _CONTAINER_MARKS):
        return reason, f"docker run {' '.join(CONTAINER_FLAGS)} …"
    for name, bad, good in _SYSCTLS:
        with contextlib.suppress(OSError):
            if Path("/proc/sys", *name.split(".")).read_text().strip() == bad:
                return reason, f"sysctl -w {name}={good}"
    return reason, "run it as root" if os.geteuid() else "run it outside a container"


def _user_exists(uid: int) -> bool:
    for lookup in (pwd.getpwuid, grp.getgrgid):
        with contextlib.suppress(KeyError):
            lookup(uid)
            return True
    return False


def find_tool(name: str) -> Path | None:
    """Look where the system keeps its programs, never in the caller's PATH."""
    found = shutil.which(name, path=_TOOL_PATH)
    return None if found is None else Path(found)


def _tool(name: str) -> Path:
    found = find_tool(name)
    if found is None:
        raise HostError(
            f"`{name}` is not installed", hint=f"install it: `apt-get install {_PACKAGES.get(name, 'coreutils')}`"
        )
    return found


def _missing_program(command: Command) -> str | None:
    """Return why the command's program cannot be started, as far as the binds tell."""
    program = command.argv[0]
    for bind in command.binds:
        if program == bind.target or program.startswith(bind.target.rstrip("/") + "/"):
            host = bind.source + program[len(bind.target.rstrip("/")) :]
            # A link may point anywhere; inside the sandbox it is followed there, here it must not be.
            return None if os.path.lexists(host) else "No such file or directory"
    return "No such file or directory"


def _not_started(command: Command, error: str) -> Completed:
    return Completed(
        argv=command.argv,
        outcome="not-started",
        exit_code=None,
        stdout="",
        stderr="",
        first_output_s=None,
        total_s=0.0,
        reason=Message(code="run.not-started", params={"program": command.argv[0], "error": error}),
    )


def _unfold_signal(done: Completed) -> Completed:
    """Bubblewrap reports death by signal n as exit 128 + n, and so do we understand such an exit."""
    if done.exit_code is None or not 128 < done.exit_code <= 128 + 64:
        return done
    return done.model_copy(update={"exit_code": None, "signal": done.exit_code - 128})


def _cap(pid: int, limits: Limits, processes: int | None) -> None:
    """Set the limits that a process inherits; never RLIMIT_AS, which kills programs that reserve without using."""
    # 1, not 0: a core pattern that is a pipe ignores 0 and would start the host's crash handler as root.
    resource.prlimit(pid, resource.RLIMIT_CORE, (1, 1))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limits.disk_bytes, limits.disk_bytes))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if processes is not None:
        resource.prlimit(pid, resource.RLIMIT_NPROC, (processes, processes))
    # Who is nicer already may not become less so, and need not.
    os.setpriority(os.PRIO_PROCESS, pid, max(NICE, os.getpriority(os.PRIO_PROCESS, pid)))


def _threads_of(uid: int) -> int:
    """Count the threads of a user on this host."""
    count = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if process.stat().st_uid == uid:
                    count += sum(1 for _ in (process / "task").iterdir())
    return count


def _status_pipe(stack: ExitStack) -> tuple[int, int]:
    """Return a pipe that closes with `stack`; reading never waits."""
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    stack.callback(os.close, writing)
    os.set_blocking(reading, False)
    return reading, writing


@contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    """Yield a descriptor from which `data` can be read once; it never was a file that anyone could change."""
    fd = os.memfd_create("grader", os.MFD_CLOEXEC)
    try:
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
