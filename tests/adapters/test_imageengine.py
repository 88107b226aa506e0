"""An engine whose daemon has failed asks before it waits again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from grader.adapters.imageengine import ImageEngine
from grader.errors import HostError
from grader.model.run import Command, Completed, Limits
from grader.ports import Server

COMMAND = Command(argv=("docker", "run"), limits=Limits(), engine="docker")


class Daemon:
    """Fails while it hangs; counts how often somebody waited for a run, and how often it was only asked."""

    def __init__(self) -> None:
        self.hangs = False
        self.runs = 0
        self.asked = 0

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        self.runs += 1
        self._answer()
        return Completed(
            argv=command.argv, outcome="ok", exit_code=0, signal=None, stdout="", stderr="", total_s=1, first_output_s=1
        )

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[Server]:
        self.runs += 1
        self._answer()
        raise AssertionError("no test comes so far")
        yield

    def ask(self) -> None:
        self.asked += 1
        self._answer()

    def _answer(self) -> None:
        if self.hangs:
            raise HostError("the daemon does not answer")


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def engine(daemon: Daemon) -> ImageEngine:
    return ImageEngine(daemon, daemon.ask)


def test_a_daemon_that_works_is_never_asked(engine: ImageEngine, daemon: Daemon) -> None:
    assert engine.run_once(COMMAND).outcome == engine.memory(COMMAND).outcome == "ok"
    assert (daemon.runs, daemon.asked) == (2, 0)


def test_a_daemon_that_hangs_is_waited_for_once(engine: ImageEngine, daemon: Daemon) -> None:
    daemon.hangs = True
    for _ in range(2):
        with pytest.raises(HostError):
            engine.run_once(COMMAND)
    with pytest.raises(HostError):
        engine.memory(COMMAND)
    with pytest.raises(HostError), engine.serve(COMMAND, 8080):
        pass
    assert (daemon.runs, daemon.asked) == (1, 3)


def test_a_daemon_that_hung_when_it_served_is_asked_too(engine: ImageEngine, daemon: Daemon) -> None:
    daemon.hangs = True
    with pytest.raises(HostError), engine.serve(COMMAND, 8080):
        pass
    with pytest.raises(HostError):
        engine.run_once(COMMAND)
    assert (daemon.runs, daemon.asked) == (1, 1)


def test_a_daemon_that_has_come_back_works_as_before(engine: ImageEngine, daemon: Daemon) -> None:
    daemon.hangs = True
    with pytest.raises(HostError):
        engine.run_once(COMMAND)
    daemon.hangs = False
    assert engine.run_once(COMMAND).outcome == engine.run_once(COMMAND).outcome == "ok"
    assert (daemon.runs, daemon.asked) == (3, 1)
