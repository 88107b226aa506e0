"""Several engines as one: each arm is run by the engine that its record names, and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from grader.model.arms import ARMS
from grader.model.base import Message
from grader.model.host import Tool
from grader.model.lab import BuildSource, HttpGet, Probe, Step
from grader.model.run import Artifact, BuildResult, Command, Completed, Limits
from grader.ports import Call, Engine, ImageBuilder, Server


class JoinedEngine:
    """Implements `ports.Engine`.

    The first engine builds artifacts, prepares them, and answers for every arm that no other engine runs.

    Args:
        images: Who answers for images, None if nobody builds any.
        absent: By engine that is not here, what its arms lack.
    """

    def __init__(
        self,
        first: Engine,
        *others: Engine,
        images: ImageBuilder | None = None,
        absent: Mapping[str, Message] | None = None,
    ) -> None:
        self._first = first
        self._others = {engine.name: engine for engine in others}
        self._images = images
        self._absent = absent or {}
        self.name = first.name

    def part(self, arm: str) -> Engine:
        """Return the engine that runs an arm."""
        return self._others.get(ARMS[arm].engine, self._first)

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return of each arm what its own engine says; a probe or a reading is there if any engine has it."""
        found: dict[str, Message | None] = dict(self._first.capabilities())
        found |= {f"arm:{name}": self._absent[arm.engine] for name, arm in ARMS.items() if arm.engine in self._absent}
        for engine in self._others.values():
            for name, reason in engine.capabilities().items():
                kind, _, what = name.partition(":")
                if kind == "arm":
                    if ARMS[what].engine == engine.name:
                        found[name] = reason
                elif kind in ("probe", "memory"):
                    found[name] = found.get(name) and reason
        return found | dict(self._images.capabilities() if self._images is not None else {})

    def tools(self) -> tuple[Tool, ...]:
        """Return the programs of all engines, each once."""
        builders = self._images.tools() if self._images is not None else ()
        parts = (self._first, *self._others.values())
        return tuple(dict.fromkeys([*(tool for engine in parts for tool in engine.tools()), *builders]))

    def build(self, subject: str, step: Step, source: BuildSource, source_dir: Path, out_dir: Path) -> BuildResult:
        """Build one subject; containers build images, never artifacts."""
        return self._first.build(subject, step, source, source_dir, out_dir)

    def build_call(self, source: BuildSource, source_dir: Path) -> Call | Message:
        """Return the command that `build` runs."""
        return self._first.build_call(source, source_dir)

    def prepare_call(self, arm: str) -> Call | None:
        """Return the command that `prepare` runs."""
        return self.part(arm).prepare_call(arm)

    def prepare(self, arm: str, artifact: Artifact, out_dir: Path) -> Artifact:
        """Return what the arm runs."""
        return self.part(arm).prepare(arm, artifact, out_dir)

    def command(
        self, arm: str, artifact: Artifact | None, probe: Probe, limits: Limits, get: HttpGet | None = None
    ) -> Command:
        """Return the command that runs the artifact once, marked with the engine that it is for."""
        part = self.part(arm)
        command = part.command(arm, artifact, probe, limits, get)
        return command if part is self._first else command.model_copy(update={"engine": part.name})

    def run_once(self, command: Command) -> Completed:
        """Run a command on the engine that made it."""
        return self._maker(command).run_once(command)

    def memory(self, command: Command) -> Completed:
        """Run a command on the engine that made it and read the peak of its memory."""
        return self._maker(command).memory(command)

    def serve(self, command: Command, port: int) -> AbstractContextManager[Server]:
        """Start a server on the engine that made its command."""
        return self._maker(command).serve(command, port)

    def _maker(self, command: Command) -> Engine:
        return self._others[command.engine] if command.engine else self._first


def joined(
    first: Engine,
    others: Sequence[Engine],
    images: ImageBuilder | None,
    absent: Mapping[str, Message] | None = None,
) -> Engine:
    """Return several engines as one; the first alone stays what it is."""
    if not others and images is None:
        return first
    return JoinedEngine(first, *others, images=images, absent=absent)


def part_of(engine: Engine, arm: str) -> Engine:
    """Return the engine that runs an arm: what it gave does not depend on the tools of another."""
    return engine.part(arm) if isinstance(engine, JoinedEngine) else engine
