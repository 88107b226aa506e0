"""Which container engines a command works with: those that this host has, or the environment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from grader.adapters.buildah import Buildah
from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerd import ContainerdEngine, find_address, open_containerd
from grader.adapters.docker import Docker, DockerEngine, find_socket, open_docker
from grader.adapters.images import ImageBuilding
from grader.errors import HostError
from grader.model.base import Message
from grader.model.lab import Lab
from grader.ports import Engine, ImageBuilder, Store
from grader.render.catalogue import words
from grader.workflow.budget import BoundedLauncher, Budget

BUILD_NETWORK = "GRADER_BUILD_NETWORK"
"""Names the network of Docker that builds may use; without it they have none."""


@dataclass(frozen=True)
class Containers:
    """The container engines that answer.  `absent` says by engine why its arms cannot be run."""

    engines: tuple[Engine, ...] = ()
    images: ImageBuilder | None = None
    absent: Mapping[str, Message] = field(default_factory=dict)


def open_containers(
    wanted: str, lab: Lab, store: Store, budget: Budget, environ: Mapping[str, str], stack: ExitStack
) -> Containers:
    """Open every container engine of this host until `stack` ends, which removes all that was made in them.

    Args:
        wanted: `auto`, `embedded` or `containers`.
    Raises: HostError if one is there and does not answer, or if containers are wanted and there is none.
    """
    if wanted == "embedded":
        return Containers()
    docker_at = _reachable("Docker", find_socket(environ))
    containerd_at = _reachable("containerd", find_address(environ))
    sockets = {"docker": docker_at, "containerd": containerd_at}
    absent = {name: found for name, found in sockets.items() if isinstance(found, Message)}
    if len(absent) == len(sockets):
        return _without(wanted, absent)
    search_path, parents = environ.get("PATH", ""), CgroupParents.find()
    engines: list[Engine] = []
    docker = (
        docker_at
        if isinstance(docker_at, Message)
        else stack.enter_context(open_docker(docker_at, search_path, parents))
    )
    if isinstance(docker, Docker):
        engines.append(DockerEngine(lab, docker, BoundedLauncher(docker.runner, budget), parents))
    if isinstance(containerd_at, Path):
        containerd = stack.enter_context(open_containerd(containerd_at, search_path, parents))
        engines.append(ContainerdEngine(lab, containerd, BoundedLauncher(containerd.runner, budget), parents))
    network = environ.get(BUILD_NETWORK, "none")
    images = ImageBuilding(lab, docker, Buildah.find(search_path), store, parents, network)
    return Containers(engines=tuple(engines), images=images, absent=absent)


def _reachable(engine: str, socket: Path | None) -> Path | Message:
    """Return a daemon's socket, or why there is nobody to ask; whether it answers is seen when it is asked."""
    if socket is None:
        return Message(code="engine.no-daemon", params={"engine": engine})
    if socket.exists() and not os.access(socket, os.R_OK | os.W_OK):
        return Message(code="engine.no-permission", params={"engine": engine})
    return socket


def _without(wanted: str, absent: Mapping[str, Message]) -> Containers:
    """Return no engine.  Raises: HostError if one was asked for."""
    if wanted != "containers":
        return Containers()
    raise HostError(
        "; ".join(words(reason) for reason in absent.values()),
        where="--engine containers",
        hint="start a daemon, name its socket in DOCKER_HOST or CONTAINERD_ADDRESS, or use `--engine embedded`",
    )
