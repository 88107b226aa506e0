"""The time that the caller gave a run: every wait and every command is capped by what is left of it.

It works on the ports: whatever goes through the boundary or waits for the host lock ends in time, and nothing above
has to know of it.  A command that only this cap cut short raises, so its result is neither judged nor kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from grader.errors import TimeLimitError
from grader.model.bench import NoiseReading
from grader.model.host import Fingerprint, Tool
from grader.model.run import Answer, Command, Completed, MemoryReading
from grader.ports import Host, HostLock, Launcher, NoiseMeter, Runner, SandboxStatus, Server, Stopped

PAUSE_SHARE = 0.1
"""Of the time that is left, that one wait for a quiet host may take: a busy host is no reason to have no result."""


class Budget:
    """What is left of a time limit, from the moment this is made; without one it never ends.

    Args:
        limit_s: Seconds, > 0; None for no limit.
    """

    def __init__(self, limit_s: float | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limit_s = limit_s
        self._monotonic = monotonic
        self._began = monotonic()

    def left_s(self) -> float | None:
        """Return the seconds that are left, 0 if none is; None without a limit."""
        if self.limit_s is None:
            return None
        return max(0.0, self.limit_s - (self._monotonic() - self._began))

    def check(self) -> None:
        """Raises: TimeLimitError if the time is up."""
        if self.left_s() == 0.0:
            raise TimeLimitError("the time limit of this run is up", where="--time-limit", hint="allow more time")

    def cap(self, timeout_s: float) -> float:
        """Return the shorter of a timeout and what is left.  Raises: TimeLimitError if nothing is."""
        self.check()
        left = self.left_s()
        return timeout_s if left is None else min(timeout_s, left)


class BoundedLauncher:
    """A boundary whose commands end when the budget does; implements `ports.Launcher`."""

    def __init__(self, inner: Launcher, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        """Run with what is left at most.  Raises: TimeLimitError if nothing is, or if only that ended it."""
        capped = self._capped(command)
        done = self._inner.run(capped, memory=memory)
        if done.outcome == "timeout" and capped != command:
            raise TimeLimitError(
                "the time limit of this run cut a command short", where="--time-limit", hint="allow more time"
            )
        return done

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[Server]:
        """Serve for what is left at most.  Raises: TimeLimitError, at the end too if the time was up by then."""
        with self._inner.serve(self._capped(command), port) as server:
            yield BoundedServer(server, self._budget)
            self._budget.check()

    def _capped(self, command: Command) -> Command:
        timeout_s = self._budget.cap(command.limits.timeout_s)
        limits = command.limits.model_copy(update={"timeout_s": timeout_s})
        return command if limits == command.limits else command.model_copy(update={"limits": limits})


class BoundedRunner(BoundedLauncher):
    """A boundary for this host's programs whose commands end when the budget does; implements `ports.Runner`."""

    def __init__(self, inner: Runner, budget: Budget) -> None:
        super().__init__(inner, budget)
        self._runner = inner

    def status(self) -> SandboxStatus:
        return self._runner.status()

    def noop(self) -> Command:
        return self._runner.noop()


class BoundedServer:
    """A server that nobody waits for once the time is up; implements `ports.Server`."""

    def __init__(self, inner: Server, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    def ask(self, path: str, port: int, *, timeout_s: float, connect_s: float | None = None) -> Answer:
        return self._inner.ask(path, port, timeout_s=self._budget.cap(timeout_s), connect_s=connect_s)

    def started_ns(self) -> int:
        return self._inner.started_ns()

    def ended(self) -> bool:
        return self._inner.ended()

    def memory(self) -> tuple[MemoryReading, ...]:
        self._budget.check()
        return self._inner.memory()

    def stop(self, grace_s: float) -> Stopped:
        return self._inner.stop(grace_s)


class BoundedLock:
    """A host lock that is waited for no longer than the budget lasts; implements `ports.HostLock`."""

    def __init__(self, inner: HostLock, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    def shared(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        return self._inner.shared(self._capped(timeout_s))

    def exclusive(self, timeout_s: float | None = None) -> AbstractContextManager[None]:
        return self._inner.exclusive(self._capped(timeout_s))

    def _capped(self, timeout_s: float | None) -> float | None:
        self._budget.check()
        return self._budget.left_s() if timeout_s is None else self._budget.cap(timeout_s)


class BoundedHost:
    """A host on which nobody waits for quiet once the time is short; implements `ports.Host`."""

    def __init__(self, inner: Host, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    def fingerprint(self, tools: Sequence[Tool]) -> Fingerprint:
        return self._inner.fingerprint(tools)

    def load_average(self) -> tuple[float, ...]:
        return self._inner.load_average()

    def listen(self) -> BoundedMeter:
        return BoundedMeter(self._inner.listen(), self._budget)


class BoundedMeter:
    """A noise meter that pauses for a small share of what is left at most; implements `ports.NoiseMeter`."""

    def __init__(self, inner: NoiseMeter, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    def read(self, at_s: float, pause_s: float = 0.0) -> NoiseReading:
        left_s = self._budget.left_s()
        return self._inner.read(at_s, pause_s if left_s is None else min(pause_s, PAUSE_SHARE * left_s))
