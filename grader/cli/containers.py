"""Which container engines a command works with: those that this host has, or the environment names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from grader.adapters.buildah import Buildah
from grader.adapters.containerd import Containerd, ContainerdEngine
from grader.adapters.docker import Docker, DockerEngine
from grader.adapters.images import ImageBuilding
from grader.cli.daemons import Daemons
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
    daemons = Daemons(environ, stack)
    docker, containerd = daemons.docker(), daemons.containerd()
    found = {"docker": docker, "containerd": containerd}
    absent = {name: one for name, one in found.items() if isinstance(one, Message)}
    if len(absent) == len(found):
        return _without(wanted, absent)
    engines: list[Engine] = []
    if isinstance(docker, Docker):
        engines.append(DockerEngine(docker, BoundedLauncher(docker.runner, budget)))
    if isinstance(containerd, Containerd):
        engines.append(ContainerdEngine(lab.probes.values(), containerd, BoundedLauncher(containerd.runner, budget)))
    network = environ.get(BUILD_NETWORK, "none")
    images = ImageBuilding(lab, docker, Buildah.find(daemons.search_path), store, network, budget.cap)
    return Containers(engines=tuple(engines), images=images, absent=absent)


def container_checks(lab: Lab, environ: Mapping[str, str]) -> tuple[Check, ...]:
    """Ask each container engine of this host as a grading would; one that does not answer is what `auto` ends with."""

    def docker(daemons: Daemons) -> Engine | Message:
        found = daemons.docker()
        return found if isinstance(found, Message) else DockerEngine(found, found.runner)

    def containerd(daemons: Daemons) -> Engine | Message:
        found = daemons.containerd()
        return found if isinstance(found, Message) else ContainerdEngine(lab.probes.values(), found, found.runner)

    looks = (("docker", "docker.io", docker), ("containerd", "containerd", containerd))
    return tuple(_checked(name, package, look, lab, environ) for name, package, look in looks)


def _checked(
    name: str, package: str, look: Callable[[Daemons], Engine | Message], lab: Lab, environ: Mapping[str, str]
) -> Check:
    try:
        with ExitStack() as stack:
            found = look(Daemons(environ, stack))
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


def _without(wanted: str, absent: Mapping[str, Message]) -> Containers:
    """Return no engine.  Raises: HostError if one was asked for."""
    if wanted != "containers":
        return Containers()
    raise HostError(
        "; ".join(words(reason) for reason in absent.values()),
        where="--engine containers",
        hint="start a daemon, name its socket in DOCKER_HOST or CONTAINERD_ADDRESS, or use `--engine embedded`",
    )
