"""What the engines that run images have in common: they build no artifact, prepare nothing, and hand commands on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from grader.adapters.containerfile import archived, odd_volume
from grader.adapters.ociarchive import ArchivedImage
from grader.errors import HostError
from grader.model.arms import ARMS, Arm
from grader.model.base import Message
from grader.model.lab import BuildSource, CgiProbe, HttpGet, Probe, StdoutJsonProbe, Step
from grader.model.run import Artifact, BuildResult, Command, Completed, Limits
from grader.ports import Call, Launcher, Server
from grader.recipes.cgi import cgi_environment
from grader.recipes.oci import Platform

MOST_CPUS = 2
"""For a container: what a lab host has, so that a larger one gives the same table."""
KINDS = ("probe:stdout_json", "probe:http", "probe:cgi", "memory")
"""What every engine of images can do that can run one."""


class ImageEngine:
    """The part of `ports.Engine` that is the same whoever starts the containers.

    A daemon that hangs costs a run its whole timeout, and more for taking the container back.  So one that has failed
    is asked for a sign of life before the next run.

    Args:
        launcher: The daemon's runner, bounded by whoever has a time limit.
        ask: Asks the daemon for anything.  Raises: HostError within seconds if it does not answer.
    """

    def __init__(self, launcher: Launcher, ask: Callable[[], object]) -> None:
        self._launcher = launcher
        self._ask = ask
        self._has_failed = False

    def build(self, subject: str, step: Step, source: BuildSource, source_dir: Path, out_dir: Path) -> BuildResult:
        """Build nothing: an image is the builder of images' affair."""
        reason = Message(code="engine.only-images")
        return BuildResult(subject=subject, state="not_run", artifact=None, reason=reason)

    def build_call(self, source: BuildSource, source_dir: Path) -> Call | Message:
        """Return why there is none."""
        return Message(code="engine.only-images")

    def prepare_call(self, arm: str) -> Call | None:
        """Return None: an arm runs the image as it is."""
        return None

    def prepare(self, arm: str, artifact: Artifact, out_dir: Path) -> Artifact:
        """Return the image as it is."""
        return artifact

    def run_once(self, command: Command) -> Completed:
        """Run a container once."""
        with self._watched():
            return self._launcher.run(command)

    def memory(self, command: Command) -> Completed:
        """Run a container once and read the peak of its memory."""
        with self._watched():
            return self._launcher.run(command, memory=True)

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[Server]:
        """Start a container that serves; it is removed at the end at the latest."""
        with self._watched(), self._launcher.serve(command, port) as server:
            yield server

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if self._has_failed:
            self._ask()
        try:
            yield
        except HostError:
            self._has_failed = True
            raise
        self._has_failed = False


def arms_of(engine: str) -> Mapping[str, Arm]:
    """Return the arms that an engine runs, by name."""
    return {name: arm for name, arm in ARMS.items() if arm.engine == engine}


def declared(artifact: Artifact, wanted: Platform) -> ArchivedImage | None:
    """Return what an image says of itself, None for one that is not built yet, in a plan."""
    return archived(artifact, wanted) if artifact.sha256 else None


def variables(probe: Probe, get: HttpGet | None) -> dict[str, str]:
    """Return a probe's environment.  Raises: ValueError if a request is given or missing against its kind."""
    if isinstance(probe, CgiProbe) != (get is not None):
        raise ValueError(f"a request is for a CGI program, and only for one: {probe.kind}")
    return probe.env if get is None else cgi_environment(get) | probe.env


def arguments(probe: Probe) -> tuple[str, ...]:
    """Return what a probe gives a program behind its name."""
    return probe.args if isinstance(probe, StdoutJsonProbe) else ()


def cpus() -> int:
    """Return how many CPUs a container may use."""
    return min(MOST_CPUS, len(os.sched_getaffinity(0)))


def writable(limits: Limits, image: ArchivedImage | None) -> tuple[tuple[str, ...], int]:
    """Return the folders that a container may write, each memory, and the bytes of each.

    A volume is writable though the rest of an image is not, and would lie on the daemon's disk.
    Raises: ValueError for a volume that no container is given; an image with one is not built.
    """
    size = min(limits.disk_bytes, limits.memory_bytes)
    if image is None:
        return ("/tmp",), size
    odd = odd_volume(image.config.volumes, image.config.entrypoint or image.config.command)
    if odd is not None:
        raise ValueError(f"no container is given the volume {odd!r}")
    return ("/tmp", *image.config.volumes), size
