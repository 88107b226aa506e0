"""Run containers with the `docker` program: what the lab times, in a parent cgroup of ours and removed by us."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from grader.adapters.cgroupparents import CgroupParents, Parent
from grader.adapters.dockerapi import DockerApi
from grader.adapters.host import SYSTEM_PATH
from grader.adapters.network import NetworkSockets, connect
from grader.adapters.owner import LABEL, fresh_name, is_left, is_leftover, own_name, owner
from grader.adapters.serving import How, NeverServed, ProgramServer
from grader.adapters.shims import ShimSampler, shim_memory
from grader.adapters.spawn import Followed, as_told, not_started, spawn, start
from grader.errors import HostError
from grader.model.base import Message
from grader.model.run import Command, Completed, MemoryReading
from grader.model.trouble import without_host_paths
from grader.ports import Server

NAME = "docker"
INTERNAL = "--network=lab-grader"
"""Stands in a command for the network of ours, whose name is another one each time."""

_CLIENT_FAILED = 125
_NOT_INVOKED = (126, 127)
"""Exit codes of `docker run`: the daemon refused, or what the image names cannot be run.  A program may end so too."""
_KILLED = 128 + signal.SIGKILL
_IMAGES_FAULT = re.compile(
    r"No command specified|unable to find (?:user|group) |uids and gids must be in range|/merged/\S*: not a directory"
)
"""What the daemon says of an image that wants what it does not have; the client ends as if the daemon had failed."""
_CLOCK_SLACK_S = 5.0
"""Between our clock and that of the daemon's events; a name is used once, so that more would do no harm."""


class DockerRunner:
    """Implements `ports.Launcher`: a command is a line of `docker run` without what is only of one run.

    The image is named in it by its digest, and the archive that holds it is bound to that name: it is loaded on first
    use.  Invariant: what it has made is gone after `close`, and what a killed grader made is after `sweep`.

    Args:
        client: The `docker` program.
    """

    def __init__(self, api: DockerApi, client: Path, address: Path, parents: CgroupParents) -> None:
        self._api = api
        self._client = client
        self._parents = parents
        self._variables = client_variables(address)
        self._images: dict[str, str] = {}
        self._network: str | None = None

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        """Run a container to its end or to a limit; nothing of it is left.

        Raises: HostError if the daemon fails, or if what is left of the container cannot be removed.
        """
        limits = command.limits
        with self._placed(command) as (name, line, parent), ExitStack() as stack:
            sampler = stack.enter_context(ShimSampler.of(lambda: self._id(name))) if memory else None
            began = time.time()
            done = spawn(line, self._variables, timeout_s=limits.timeout_s, output_bytes=limits.output_bytes)
            stack.close()
            done = self._judged(command, name, parent, done, began)
            peak = (*parent.peak(), *sampler.readings()) if sampler is not None else ()
        return done.model_copy(update={"memory_peak": peak})

    def _id(self, name: str) -> str | None:
        """Return the id of a container, None if the daemon knows of none (yet), or does not say."""
        with suppress(HostError):
            found = self._api.container(name)
            return found.id if found is not None else None
        return None

    @contextmanager
    def serve(self, command: Command, port: int) -> Iterator[Server]:
        """Start a container that serves; it is removed at the end at the latest."""
        limits = command.limits
        with ExitStack() as stack:
            name, line, parent = stack.enter_context(self._placed(command))
            sockets = stack.enter_context(NetworkSockets.helper())
            began = time.time()
            try:
                program = stack.enter_context(start(line, self._variables, output_bytes=limits.output_bytes))
            except (OSError, ValueError) as error:
                yield NeverServed(as_told(command, not_started(line, error)))
                return
            followed = stack.enter_context(Followed.let_go(program, limits.timeout_s))
            container = _Running(self._api, name, parent, sockets)

            def judged(done: Completed, how: How) -> Completed:
                if how == "killed":
                    self._api.remove_container(name)
                return self._judged(command, name, parent, done, began)

            yield ProgramServer(
                followed,
                connect=lambda timeout_s: container.connect(port, timeout_s),
                terminate=lambda: self._api.signal(name, "SIGTERM"),
                memory=container.memory,
                judged=judged,
            )

    def line(self, command: Command, *own: str) -> list[str]:
        """Return the line that is run: the command with the image and the network that are there now."""
        replaced = dict(self._images)
        if self._network is not None:
            replaced[INTERNAL] = f"--network={self._network}"
        words = [replaced.get(word, word) for word in command.argv[2:]]
        return [str(self._client), command.argv[1], *own, *words]

    @contextmanager
    def _placed(self, command: Command) -> Iterator[tuple[str, list[str], Parent]]:
        """Prepare one run: the image is loaded, the network is there, and so is a parent cgroup."""
        for bind in command.binds:
            self._load(bind.target, Path(bind.source))
        if INTERNAL in command.argv and self._network is None:
            self._network = own_name()
            self._api.create_network(self._network, {LABEL: owner()})
        name = fresh_name()
        with self._parents.fresh(command.limits) as parent:
            own = ("--name", name, "--label", f"{LABEL}={owner()}", "--cgroup-parent", parent.name)
            try:
                yield name, self.line(command, *own), parent
            except BaseException:
                # The container of a client that was killed lives on.
                with suppress(HostError):
                    self._api.remove_container(name)
                raise

    def _load(self, digest: str, archive: Path) -> None:
        """Have the daemon take an image in, under a name that tells whose it is."""
        if digest in self._images:
            return
        repository, tag = own_name(), digest.removeprefix("sha256:")[:12]
        try:
            self._api.tag(self._api.load(archive), repository, tag)
        except HostError:
            # Until it has that name it looks like what the grader that built it has left, and another one that starts
            # just then sweeps it away.
            self._api.tag(self._api.load(archive), repository, tag)
        self._images[digest] = f"{repository}:{tag}"

    def _judged(self, command: Command, name: str, parent: Parent, done: Completed, began: float) -> Completed:
        """Tell a program's end from a daemon's trouble, and remove the container where the client did not.

        Raises: HostError if the container never started.
        """
        if done.outcome == "ok":
            return as_told(command, done)
        self._api.remove_container(name)
        done = as_told(command, done)
        if done.outcome != "failed" or done.exit_code not in (_CLIENT_FAILED, *_NOT_INVOKED, _KILLED):
            return done
        # Until now and no later: the daemon would wait for what is to come.
        happened = self._api.events(name, began - _CLOCK_SLACK_S, time.time())
        fault = _IMAGES_FAULT.search(done.stderr) is not None
        if "start" not in happened and done.exit_code == _CLIENT_FAILED and not fault:
            raise _refused(done)
        if "start" not in happened and done.exit_code in (_CLIENT_FAILED, *_NOT_INVOKED):
            reason = Message(code="run.not-started", params={"program": "the image's program", "error": _said(done)})
            return done.model_copy(update={"outcome": "not-started", "reason": reason})
        limit = command.limits.memory_bytes
        # The daemon hears of it late, or not at all where the parent group was full first.
        if "oom" in happened or (done.exit_code == _KILLED and parent.was_full(command.limits)):
            reason = Message(code="run.memory-limit", params={"bytes": limit})
            return done.model_copy(update={"reason": reason})
        return done

    def close(self) -> None:
        """Remove every image and network that was made here.  Raises: HostError if the daemon does not answer."""
        for container in self._api.containers(f"{LABEL}={owner()}"):
            self._api.remove_container(container.id)
        while self._images:
            self._api.remove_image(self._images.popitem()[1])
        if self._network is not None:
            self._api.remove_network(self._network)
            self._network = None


def sweep(api: DockerApi) -> None:
    """Remove what graders that are no more have left in a daemon."""
    for container in api.containers(LABEL):
        if is_left((container.labels or {}).get(LABEL, "")):
            api.remove_container(container.id)
    for network in api.networks(LABEL):
        if is_left((network.labels or {}).get(LABEL, "")):
            api.remove_network(network.id)
    # Twice: an image goes only after those that were built on it, which the daemon lists in no order.
    for _ in range(2):
        for image in api.images():
            tags = image.tags or ()
            for tag in tags:
                if is_leftover(tag.rpartition(":")[0]):
                    api.remove_image(tag)
            nameless = all(tag == "<none>:<none>" for tag in tags)
            if nameless and is_left((image.labels or {}).get(LABEL, "")):
                api.remove_image(image.id)


def client_variables(address: Path) -> Mapping[str, str]:
    """Return all variables that the `docker` program gets: none of the caller's settings or credentials."""
    return {
        "DOCKER_BUILDKIT": "0",
        "DOCKER_CLI_HINTS": "false",
        "DOCKER_HOST": f"unix://{address}",
        "HOME": "/nonexistent",
        "LANG": "C",
        "PATH": SYSTEM_PATH,
    }


class _Running:
    """A container while it runs: how to reach it, and what it has."""

    def __init__(self, api: DockerApi, name: str, parent: Parent, sockets: NetworkSockets) -> None:
        self._api = api
        self._name = name
        self._parent = parent
        self._sockets = sockets
        self._joined = False

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """Connect from inside the container's own network: it publishes no port.

        The daemon is asked for the process and not the cgroup, because a container's first process begins in the
        network of the host.
        """
        if not self._joined:
            found = self._api.container(self._name)
            if found is None or not found.state.running or not found.state.pid:
                raise ConnectionRefusedError("the container does not run yet")
            self._joined = self._sockets.join(found.state.pid)
        if not self._joined:
            raise ConnectionRefusedError("the container has ended")
        return connect(self._sockets.take(), port, timeout_s)

    def memory(self) -> tuple[MemoryReading, ...]:
        """Return the cgroup's figure, what `docker stats` shows, and what the shim beside it has."""
        shown = self._api.memory(self._name)
        stats = (
            () if shown is None else (
                MemoryReading(notion="docker_stats", size_bytes=shown, method="as `docker stats` works it out"),
            )
        )  # fmt: skip
        found = self._api.container(self._name)
        return (*self._parent.usage(), *stats, *(shim_memory(found.id) if found is not None else ()))


def _said(done: Completed) -> str:
    """Return what the client said of its failure, without its advice."""
    lines = done.stderr_bytes().decode("utf-8", "replace").splitlines()
    words = [line.strip() for line in lines if line.strip() and not line.startswith("See 'docker run --help'")]
    return without_host_paths(" ".join(words).removeprefix("docker: "))[:300]


def _refused(done: Completed) -> HostError:
    return HostError(
        f"`docker run` could not start the container: {_said(done) or 'no reason given'}",
        where=NAME,
        hint="see what `docker info` and the daemon's log say",
    )
