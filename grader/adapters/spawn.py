"""Start one program, time it, cap it, and reap it: the only place that creates processes on the clock.

`subprocess` is not used: its timeout polls in steps of up to 50 ms (cpython#83069) and it forks, which costs more
the more memory the caller has.  `posix_spawn` costs the same for every caller, a pidfd wakes `poll` at the exit.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from grader.model.base import Message
from grader.model.run import Completed, Outcome

GATE_FD = 3
FIRST_FREE_FD = 64
"""Our own ends are moved up here, so that no `dup2` in the child can overwrite one that is still needed."""

_GATE = 'read -r _ <&3 || exit 125; exec 3<&-; unset PWD OLDPWD SHLVL _; exec "$@"'
"""Without `unset`, what a shell exports by itself would tell the program where the caller stands."""
_CHUNK = 1 << 16
_WATCH_S = 0.25
"""Pause between two calls of `watch`; shorter runs are never interrupted by it."""

_INHERITED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that Python or a shell may have set to ignored, which a program would inherit."""


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
    watch: Callable[[], Message | None] | None = None,
) -> Completed:
    """Run `argv` (its first entry a path) in a session of its own with exactly `env`, and reap it.

    stdin is /dev/null; stdout and stderr are both read, each up to `output_bytes`; more ends the run.  At a limit,
    or when the caller is interrupted, the whole process group is killed.  A program that cannot be started is an
    outcome, not an exception.

    Args:
        fds: File descriptors for the child, by its number there (above `GATE_FD`); ours stay open.
        hold: Called with the process id while the program waits at a gate, before the clock starts: the place to
            put it into a cgroup or to set its limits.  Moving a process between cgroups takes from 20 µs to
            more than 10 ms, which would be noise in the time.  The gate is a shell that then becomes the program.
        watch: Called every quarter of a second; a message ends the run with outcome `disk-limit`.
    """
    with ExitStack() as stack:
        try:
            child = stack.enter_context(_started(argv, env, fds or {}, gated=hold is not None))
        except (OSError, ValueError) as error:
            why = (error.strerror or "unknown") if isinstance(error, OSError) else str(error)
            reason = Message(code="run.not-started", params={"program": argv[0], "error": why})
            return _completed(argv, "not-started", None, None, 0, 0, reason)
        stdout = _Stream(child.stdout, "stdout", output_bytes, bytearray())
        stderr = _Stream(child.stderr, "stderr", output_bytes, bytearray())
        if hold is not None:
            hold(child.pid)
        with _no_gc():
            start_ns = child.start_ns
            if child.gate is not None:
                start_ns = time.perf_counter_ns()
                os.write(child.gate, b"\n")
            limit = _follow(child.exit_fd, (stdout, stderr), start_ns, timeout_s, watch)
            status = child.reap()
            end_ns = time.perf_counter_ns()
        for stream in (stdout, stderr):
            stream.drain(end_ns)
            if stream.over and limit is None:
                limit = _over(stream)
        if limit is not None:
            outcome, reason = limit
            return _completed(argv, outcome, None, (stdout, stderr), start_ns, end_ns, reason)
        return _completed(argv, "ok" if status == 0 else "failed", status, (stdout, stderr), start_ns, end_ns, None)


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
    watch: Callable[[], Message | None] | None,
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
        # Rounded up: a poll that returns a little early would spin until the deadline.
        events = poll.poll(max(0, wake_ns - now_ns) // 1_000_000 + 1)
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

    def reap(self) -> int:
        """Kill what is left of the process group, wait for the program, return its exit code or minus its signal.

        Its group outlives a program that left children behind, and no other group can have its number until it
        was waited for.
        """
        if self.status is not None:
            return self.status
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status, _ = os.wait4(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status


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
        strangers = _inheritable()
        line = ["/bin/sh", "-c", _GATE, "gate", *argv] if gated else list(argv)
        # Ctrl-C between the spawn and the `try` would lose the child: hold the signal back for that moment.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        child: _Child | None = None
        try:
            try:
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
                    setsigdef=_INHERITED,
                )
                child = _Child(pid, start_ns, out_r, err_r, gate_w)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            pipes.close(out_w, err_w, *(() if gate_r is None else (gate_r,)))
            # Around the reaping, because a watching thread ends only after it.
            with _exit_fd(pid) as child.exit_fd:
                try:
                    yield child
                finally:
                    child.reap()
        finally:
            if child is not None:
                child.reap()


def _inheritable() -> list[int]:
    """Return the descriptors that whoever started us left open for our children too; none is for a submission."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # The listing's own is closed by now.
            if os.get_inheritable(int(entry.name)):
                found.append(int(entry.name))
    return found


@contextmanager
def _exit_fd(pid: int) -> Iterator[int]:
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
    """Do as `_exit_fd` without pidfds (before Linux 5.3, or filtered): a thread waits and closes a pipe."""
    reading, writing = os.pipe()

    def wait() -> None:
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.close(writing)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield reading
    finally:
        thread.join()
        os.close(reading)


@contextmanager
def _no_gc() -> Iterator[None]:
    """Keep the garbage collector out of the timed part."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
