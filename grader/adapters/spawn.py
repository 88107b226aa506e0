"""Start one program, time it, cap it, and reap it: the only place that creates processes on the clock.

`subprocess` is not used: its timeout polls in steps of up to 50 ms (cpython#83069) and it forks, which costs more
the more memory the caller has.  `posix_spawn` costs the same for every caller, a pidfd wakes `poll` at the exit.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from grader.adapters.interrupts import held_back, start_aside
from grader.errors import StillRunningError
from grader.model.base import Message
from grader.model.run import Command, Completed, Outcome

GATE_FD = 3
FIRST_FREE_FD = 64
"""Our own ends are moved up here, so that no `dup2` in the child can overwrite one that is still needed."""

GATE_SHELL = "/bin/sh"
"""What a gated program is until it is let go."""
_GATE = 'read -r _ <&3 || exit 125; exec 3<&-; unset PWD OLDPWD SHLVL _; exec "$@"'
"""Without `unset`, what a shell exports by itself would tell the program where the caller stands."""
_CHUNK = 1 << 16
_WATCH_S = 0.25
"""Pause between two calls of `watch`; shorter runs are never interrupted by it."""

Watch = Callable[[], Message | None]
"""Looks at a run from outside; a message ends it."""

INHERITED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that Python or a shell may have set to ignored, which a program would inherit."""

_LONGEST_POLL_MS = 3_600_000
"""`poll` takes 32 bits, and refuses more than 24 days with an OverflowError."""


@dataclass
class _Stream:
    """One pipe of the child: what it said, up to `cap` bytes, and whether there was more."""

    fd: int
    name: str
    cap: int
    data: bytearray
    first_ns: int | None = None
    over: bool = False
    open: bool = True

    def drain(self, now_ns: int) -> None:
        """Read what is there now, without waiting, until it is empty, closed or over the cap."""
        while self.open and not self.over:
            try:
                chunk = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                self.open = False
                return
            if self.first_ns is None:
                self.first_ns = now_ns
            room = self.cap - len(self.data)
            self.data += chunk[:room]
            self.over = len(chunk) > room


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    timeout_s: float,
    output_bytes: int,
    fds: Mapping[int, int] | None = None,
    hold: Callable[[int], None] | None = None,
    watch: Watch | None = None,
) -> Completed:
    """Run `argv` to its end or to a limit, and reap it.

    A program that cannot be started is an outcome, not an exception.

    Args:
        fds: As for `start`.
        hold: Called with the process id while the program waits at a gate, before the clock starts: the place to
            put it into a cgroup or to set its limits.  Moving a process between cgroups takes from 20 µs to
            more than 10 ms, which would be noise in the time.
        watch: As for `Program.follow`.
    """
    with ExitStack() as stack:
        try:
            program = stack.enter_context(start(argv, env, output_bytes=output_bytes, fds=fds, gated=hold is not None))
        except (OSError, ValueError) as error:
            return not_started(argv, error)
        if hold is not None:
            hold(program.pid)
        with no_gc():
            program.let_go()
            return program.follow(timeout_s, watch)


def not_started(argv: Sequence[str], error: OSError | ValueError) -> Completed:
    """Return what became of a program that `start` could not start."""
    why = (error.strerror or "unknown") if isinstance(error, OSError) else str(error)
    reason = Message(code="run.not-started", params={"program": argv[0], "error": why})
    return _completed(argv, "not-started", None, None, 0, 0, reason)


def as_told(command: Command, done: Completed) -> Completed:
    """Return what became of a command in the words in which it was told, not in those of the line that was run."""
    return done.model_copy(update={"argv": command.argv})


@contextmanager
def start(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    output_bytes: int,
    fds: Mapping[int, int] | None = None,
    gated: bool = False,
) -> Iterator[Program]:
    """Start `argv` (its first entry a path) in a session of its own with exactly `env`; at the end it is reaped.

    stdin is /dev/null; stdout and stderr are both read, each up to `output_bytes`; more ends the run.  At a limit,
    or when the caller is interrupted, the whole process group is killed.

    Args:
        fds: File descriptors for the child, by its number there (above `GATE_FD`); ours stay open.
        gated: Keep the program waiting for `let_go`.  The gate is a shell that then becomes the program.
    Raises: OSError or ValueError if it cannot be started.
    """
    with _started(argv, env, fds or {}, gated=gated) as child:
        yield Program(argv, child, output_bytes)


class Program:
    """A started program, to be let go once and followed once, in one thread or two."""

    def __init__(self, argv: Sequence[str], child: _Child, output_bytes: int) -> None:
        self._argv = argv
        self._child = child
        self._stdout = _Stream(child.stdout, "stdout", output_bytes, bytearray())
        self._stderr = _Stream(child.stderr, "stderr", output_bytes, bytearray())
        self.start_ns = child.start_ns
        """When it was let go, on `time.perf_counter_ns`: the spawn itself where there is no gate."""

    @property
    def pid(self) -> int:
        return self._child.pid

    def let_go(self) -> None:
        """Start the clock and open the gate."""
        if self._child.gate is not None:
            self.start_ns = time.perf_counter_ns()
            os.write(self._child.gate, b"\n")

    def follow(self, timeout_s: float, watch: Watch | None = None) -> Completed:
        """Read what it says until it ends or meets a limit, and reap it.

        Args:
            watch: Called every quarter of a second; a message ends the run with outcome `disk-limit`.
        """
        streams = (self._stdout, self._stderr)
        limit = _follow(self._child.exit_fd, streams, self.start_ns, timeout_s, watch)
        status = self._child.reap()
        end_ns = time.perf_counter_ns()
        for stream in streams:
            stream.drain(end_ns)
            if stream.over and limit is None:
                limit = _over(stream)
        if limit is not None:
            outcome, reason = limit
            return _completed(self._argv, outcome, None, streams, self.start_ns, end_ns, reason)
        outcome = "ok" if status == 0 else "failed"
        return _completed(self._argv, outcome, status, streams, self.start_ns, end_ns, None)

    def tell(self, what: signal.Signals) -> None:
        """Send a signal to the program alone, unless it has ended."""
        self._child.tell(what)

    def kill(self) -> None:
        """Kill its whole process group, unless it has ended."""
        self._child.kill()


class Followed:
    """A program that a thread of ours follows while the caller goes on."""

    def __init__(self, program: Program, timeout_s: float, watch: Watch | None) -> None:
        self._program = program
        self._limits = (timeout_s, watch)
        self._done: Completed | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self) -> None:
        try:
            self._done = self._program.follow(*self._limits)
        except Exception as error:  # Raised again where somebody can act on it.
            self._error = error

    @property
    def start_ns(self) -> int:
        return self._program.start_ns

    def tell(self, what: signal.Signals) -> None:
        """Send a signal to the program alone, unless it has ended."""
        self._program.tell(what)

    def kill(self) -> None:
        """Kill its whole process group, unless it has ended."""
        self._program.kill()

    def ended(self, within_s: float = 0.0) -> bool:
        """Return whether it has ended, waiting so long for that."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def done(self) -> Completed:
        """Wait for its end and return what became of it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._done is not None
        return self._done

    @classmethod
    @contextmanager
    def let_go(cls, program: Program, timeout_s: float, watch: Watch | None = None) -> Iterator[Followed]:
        """Let a program go and follow it; at the end it is killed; if it may not be, followed for all its time."""
        followed = cls(program, timeout_s, watch)
        program.let_go()
        start_aside(followed._thread)
        try:
            yield followed
        finally:
            program.kill()
            followed._thread.join()


def _completed(
    argv: Sequence[str],
    outcome: Outcome,
    status: int | None,
    streams: tuple[_Stream, _Stream] | None,
    start_ns: int,
    end_ns: int,
    reason: Message | None,
) -> Completed:
    """Put a result together; `status` is negative for a signal, as in `os.waitstatus_to_exitcode`."""
    first_ns = streams[0].first_ns if streams else None
    return Completed(
        argv=tuple(argv),
        outcome=outcome,
        exit_code=status if status is not None and status >= 0 else None,
        signal=-status if status is not None and status < 0 else None,
        stdout=streams[0].data.decode("latin-1") if streams else "",
        stderr=streams[1].data.decode("latin-1") if streams else "",
        first_output_s=None if first_ns is None else (first_ns - start_ns) / 1e9,
        total_s=(end_ns - start_ns) / 1e9,
        reason=reason,
    )


def _over(stream: _Stream) -> tuple[Outcome, Message]:
    return "output-limit", Message(code="run.output-limit", params={"stream": stream.name, "bytes": stream.cap})


def _follow(
    exit_fd: int,
    streams: tuple[_Stream, _Stream],
    start_ns: int,
    timeout_s: float,
    watch: Watch | None,
) -> tuple[Outcome, Message] | None:
    """Read until the child ends or must be killed; return the limit that it hit."""
    deadline_ns = start_ns + int(timeout_s * 1e9)
    poll = select.poll()
    by_fd = {s.fd: s for s in streams}
    for fd in (*by_fd, exit_fd):
        poll.register(fd, select.POLLIN)
    next_watch_ns = time.perf_counter_ns() + int(_WATCH_S * 1e9)
    while True:
        now_ns = time.perf_counter_ns()
        if now_ns >= deadline_ns:
            return "timeout", Message(code="run.timeout", params={"seconds": timeout_s})
        wake_ns = deadline_ns if watch is None else min(deadline_ns, next_watch_ns)
        events = poll.poll(poll_ms(wake_ns - now_ns))
        now_ns = time.perf_counter_ns()
        for fd, _ in events:
            stream = by_fd.get(fd)
            if stream is None:
                continue
            stream.drain(now_ns)
            if stream.over:
                return _over(stream)
            if not stream.open:
                poll.unregister(fd)
        if any(fd == exit_fd for fd, _ in events):
            return None
        if watch is not None and now_ns >= next_watch_ns:
            reason = watch()
            if reason is not None:
                return "disk-limit", reason
            # As long a pause as the look took, ten times over: watching a large tree must not eat a core.
            spent_ns = time.perf_counter_ns() - now_ns
            next_watch_ns = now_ns + max(int(_WATCH_S * 1e9), 10 * spent_ns)


@dataclass
class _Child:
    """A started program.  Invariant: reaped exactly once, whatever happens, with its process group killed first."""

    pid: int
    start_ns: int
    stdout: int
    stderr: int
    gate: int | None
    exit_fd: int = -1
    status: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the number is used, so that it cannot be another process's by then."""

    def tell(self, what: signal.Signals) -> None:
        with self.lock:
            if self.status is None:
                try:
                    os.kill(self.pid, what)
                except PermissionError as error:
                    raise _not_ours(self.pid) from error

    def kill(self) -> None:
        with self.lock:
            if self.status is None:
                _kill_group(self.pid)

    def reap(self) -> int:
        """Kill what is left of the process group, wait for the program, return its exit code or minus its signal.

        Its group outlives a program that left children behind, and no other group can have its number until it
        was waited for.

        Raises: StillRunningError as `reap` does.
        """
        with self.lock:
            if self.status is None:
                self.status, _ = reap(self.pid)
            return self.status


def reap(pid: int) -> tuple[int, resource.struct_rusage]:
    """Kill what is left of our child's process group and wait for the child.

    Returns: Its exit code, or minus its signal, and what it used.
    Raises: StillRunningError if it goes on and may not be killed, as one that `sudo` made another user's.
    """
    _kill_group(pid)
    try:
        # Its group is "killed" as soon as one member may be.
        os.kill(pid, signal.SIGKILL)
    except PermissionError as error:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            raise _not_ours(pid) from error
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used


def _kill_group(pid: int) -> None:
    # Of a group that has become another user's nobody is killed, even where its leader has ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _not_ours(pid: int) -> StillRunningError:
    return StillRunningError(
        f"process {pid} goes on, and we may not end it: it runs as another user by now",
        where=_name_of(pid),
        hint=f"end it with all that it started (`sudo kill {pid}`); to compare commands that need root, be root",
    )


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""


class _Pipes:
    """Descriptors of one spawn.  Invariant: each is closed exactly once, so that no reused number is ever hit."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def __enter__(self) -> _Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(*tuple(self._open))

    def new(self) -> tuple[int, int]:
        """Return the reading and the writing end of a new pipe, both above every number that a child is given."""
        low = os.pipe()
        self._open.update(low)
        reading, writing = (self.copy(fd) for fd in low)
        self.close(*low)
        return reading, writing

    def copy(self, fd: int) -> int:
        """Return a copy of somebody's descriptor above every number that a child is given."""
        copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
        self._open.add(copy)
        return copy

    def close(self, *fds: int) -> None:
        for fd in fds:
            self._open.discard(fd)
            os.close(fd)


@contextmanager
def _started(argv: Sequence[str], env: Mapping[str, str], fds: Mapping[int, int], *, gated: bool) -> Iterator[_Child]:
    """Start a program; at the end every descriptor is closed, and an exception in between kills and reaps it."""
    with _Pipes() as pipes:
        (out_r, out_w), (err_r, err_w) = pipes.new(), pipes.new()
        os.set_blocking(out_r, False)
        os.set_blocking(err_r, False)
        gate_r, gate_w = pipes.new() if gated else (None, None)
        given = {1: out_w, 2: err_w, **{number: pipes.copy(fd) for number, fd in fds.items()}}
        if gate_r is not None:
            given[GATE_FD] = gate_r
        strangers = inheritable()
        line = [GATE_SHELL, "-c", _GATE, "gate", *argv] if gated else list(argv)
        child: _Child | None = None
        try:
            with held_back():
                start_ns = time.perf_counter_ns()
                pid = os.posix_spawn(
                    line[0],
                    line,
                    dict(env),
                    file_actions=[
                        *((os.POSIX_SPAWN_CLOSE, fd) for fd in strangers),
                        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                        *((os.POSIX_SPAWN_DUP2, fd, number) for number, fd in given.items()),
                    ],
                    setsid=True,
                    setsigmask=(),
                    setsigdef=INHERITED_SIGNALS,
                )
                child = _Child(pid, start_ns, out_r, err_r, gate_w)
            pipes.close(out_w, err_w, *(() if gate_r is None else (gate_r,)))
            # Around the reaping, because a watching thread ends only after it.
            with exit_fd(pid) as child.exit_fd:
                try:
                    yield child
                finally:
                    child.reap()
        finally:
            if child is not None:
                child.reap()


def poll_ms(left_ns: int) -> int:
    """Return for how long to poll before the clock is looked at again, where that much time is left."""
    # Rounded up: a poll that returns a little early would spin until the deadline.
    return min(max(0, left_ns) // 1_000_000 + 1, _LONGEST_POLL_MS)


def inheritable() -> list[int]:
    """Return the descriptors that whoever started us left open for our children too; none is for a submission."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # The listing's own is closed by now.
            if os.get_inheritable(int(entry.name)):
                found.append(int(entry.name))
    return found


@contextmanager
def exit_fd(pid: int) -> Iterator[int]:
    """Yield a descriptor that becomes readable when our child `pid` ends, and leave it to be reaped."""
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        with _watched_exit(pid) as fd:
            yield fd
        return
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _watched_exit(pid: int) -> Iterator[int]:
    """Do as `exit_fd` without pidfds (before Linux 5.3, or filtered): a thread waits and closes a pipe."""
    reading, writing = os.pipe()

    def wait() -> None:
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.close(writing)

    thread = threading.Thread(target=wait, daemon=True)
    start_aside(thread)
    try:
        yield reading
    finally:
        thread.join()
        os.close(reading)


@contextmanager
def no_gc() -> Iterator[None]:
    """Keep the garbage collector out of the timed part."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
