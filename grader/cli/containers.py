"""Which container engines a command works with: those that this host has, or the environment names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from grader.adapters.buildah import Buildah
from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerd import ContainerdEngine, find_address, open_containerd
from grader.adapters.docker import Docker, DockerEngine, find_socket, open_docker
from grader.adapters.images import ImageBuilding
from grader.errors import HostError
from grader.model.arms import ARMS
from grader.model.base import Message
from grader.model.host import Check
from grader.model.lab import Lab
from grader.ports import Engine, ImageBuilder, Store
from grader.render.catalogue import words
from grader.workflow.budget import BoundedLauncher, Budget
from grader.workflow.plan import used_arms

BUILD_NETWORK = "GRADER_BUILD_NETWORK"
"""Names the network of Docker that builds may use; without it they have none."""

TOLD = ("docker", "containerd", "ctr")
"""Programs whose versions `doctor` tells; an engine names those of its shims too."""


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
    docker_at = reachable("Docker", find_socket(environ))
    containerd_at = reachable("containerd", find_address(environ))
    sockets = {"docker": docker_at, "containerd": containerd_at}
    absent = {name: found for name, found in sockets.items() if isinstance(found, Message)}
    if len(absent) == len(sockets):
        return _without(wanted, absent)
    search_path, parents = environ.get("PATH", ""), CgroupParents.find()
    engines: list[Engine] = []
    docker: Docker | Message
    if isinstance(docker_at, Message):
        docker = docker_at
    else:
        docker = stack.enter_context(open_docker(docker_at, search_path, parents))
        engines.append(DockerEngine(docker, BoundedLauncher(docker.runner, budget)))
    if not isinstance(containerd_at, Message):
        containerd = stack.enter_context(open_containerd(containerd_at, search_path, parents))
        engines.append(ContainerdEngine(lab.probes.values(), containerd, BoundedLauncher(containerd.runner, budget)))
    network = environ.get(BUILD_NETWORK, "none")
    images = ImageBuilding(lab, docker, Buildah.find(search_path), store, network, budget.cap)
    return Containers(engines=tuple(engines), images=images, absent=absent)


def container_checks(lab: Lab, environ: Mapping[str, str]) -> tuple[Check, ...]:
    """Ask each container engine of this host as a grading would; one that does not answer is what `auto` ends with."""
    search_path, parents = environ.get("PATH", ""), CgroupParents.find()

    def docker(stack: ExitStack) -> Engine | Message:
        at = reachable("Docker", find_socket(environ))
        if isinstance(at, Message):
            return at
        opened = stack.enter_context(open_docker(at, search_path, parents))
        return DockerEngine(opened, opened.runner)

    def containerd(stack: ExitStack) -> Engine | Message:
        at = reachable("containerd", find_address(environ))
        if isinstance(at, Message):
            return at
        opened = stack.enter_context(open_containerd(at, search_path, parents))
        return ContainerdEngine(lab.probes.values(), opened, opened.runner)

    return (_checked("docker", docker, "docker.io", lab), _checked("containerd", containerd, "containerd", lab))


def _checked(name: str, look: Callable[[ExitStack], Engine | Message], package: str, lab: Lab) -> Check:
    try:
        with ExitStack() as stack:
            found = look(stack)
            if isinstance(found, Message):
                message = Message(code="doctor.engine.absent", params={"found": words(found)})
                return Check(id=name, state="warning", message=message, remedy=f"apt-get install {package}")
            return _told(name, found, lab)
    except HostError as error:
        message = Message(code="doctor.tool.failed", params={"found": error.what})
        return Check(id=name, state="missing", message=message, remedy=error.hint)


def _told(name: str, engine: Engine, lab: Lab) -> Check:
    """Tell which of the lab's arms an engine that answers cannot run, and why."""
    capabilities = engine.capabilities()
    reasons: dict[str, list[str]] = {}
    for arm in dict.fromkeys(arm for _, arm in used_arms(lab) if ARMS[arm].engine == name):
        reason = capabilities.get(f"arm:{arm}")
        if reason is not None:
            reasons.setdefault(words(reason), []).append(arm)
    version = ", ".join(f"{tool.name} {tool.version}" for tool in engine.tools() if tool.name.startswith(TOLD))
    if not reasons:
        return Check(id=name, state="ok", message=Message(code="doctor.engine", params={"found": version}))
    lacks = "; ".join(f"{', '.join(arms)}: {reason}" for reason, arms in reasons.items())
    message = Message(code="doctor.engine.lacks", params={"found": version, "expected": lacks})
    return Check(id=name, state="warning", message=message)


def reachable(engine: str, socket: Path | None) -> Path | Message:
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
