"""Talk to a server behind a boundary as a probe does; also run by a plain user, in a process of its own."""

from __future__ import annotations

import time

from grader.model.base import Record
from grader.model.run import Command, MemoryReading
from grader.ports import Runner, Server, Stopped


class Request(Record):
    """What to start, which paths to ask in turn, and how long to wait for an answer and for the end."""

    command: Command
    port: int = 8080
    paths: tuple[str, ...] = ("/",)
    within_s: float = 30.0
    grace_s: float = 30.0
    wait_for_end: bool = False


class Talk(Record):
    """By path, all that was answered, empty where nothing was; and what the server had and how it ended."""

    answers: tuple[str, ...]
    ended: bool
    memory: tuple[MemoryReading, ...]
    stopped: Stopped


def talk(runner: Runner, request: Request) -> Talk:
    """Start the server, ask, read its memory, and stop it."""
    with runner.serve(request.command, request.port) as server:
        answers = tuple(ask(server, path, request.within_s) for path in request.paths)
        deadline_s = time.monotonic() + request.within_s
        while request.wait_for_end and not server.ended() and time.monotonic() < deadline_s:
            time.sleep(0.001)
        ended = server.ended()
        memory = server.memory()
        stopped = server.stop(request.grace_s)
        assert server.stop(0) == stopped
        assert server.ended()
        assert server.memory() == ()
    return Talk(answers=answers, ended=ended, memory=memory, stopped=stopped)


def ask(server: Server, path: str, within_s: float = 30.0) -> str:
    """Return what the server answers to one request, empty if it does not listen in that time or has ended."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s and not server.ended():
        answer = server.ask(path, 8080, timeout_s=within_s)
        if answer.reason is None:
            return answer.body
        time.sleep(0.0005)
    return ""
