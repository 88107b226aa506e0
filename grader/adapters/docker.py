"""The Docker engine: the lab's own arm, `docker run`, and the same without any network."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerfile import host_platform
from grader.adapters.dockeranswers import DaemonInfo
from grader.adapters.dockerapi import DockerApi
from grader.adapters.dockerrun import INTERNAL, NAME, DockerRunner, client_variables, sweep
from grader.adapters.host import SYSTEM_PATH, file_digest, tool
from grader.adapters.imageengine import (
    KINDS,
    ImageEngine,
    arguments,
    arms_of,
    cpus,
    declared,
    variables,
    writable,
)
from grader.adapters.ociarchive import ArchivedImage
from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.arms import ARMS
from grader.model.base import Message
from grader.model.host import Tool
from grader.model.lab import HttpGet, Probe
from grader.model.run import Artifact, Bind, Command, Limits
from grader.model.trouble import without_host_paths
from grader.ports import Launcher

DEFAULT_SOCKET = Path("/var/run/docker.sock")
_VERSION_S = 20.0


def find_socket(environ: Mapping[str, str], default: Path = DEFAULT_SOCKET) -> Path | None:
    """Return the socket of the daemon that `DOCKER_HOST` names, or else of the host's own; None if there is none.

    Raises: HostError for a daemon on another host: its cgroups and its disk cannot be looked at from here.
    """
    named = environ.get("DOCKER_HOST", "")
    if not named:
        return default if default.exists() else None
    scheme, _, path = named.partition("://")
    if scheme != "unix":
        raise HostError(
            f"`{named}` is not a daemon of this host", where="DOCKER_HOST", hint="name a socket: `unix:///path`"
        )
    return Path(path)


@contextmanager
def open_docker(socket: Path, search_path: str, parents: CgroupParents) -> Iterator[Docker]:
    """Talk to a daemon, remove what dead graders left in it, and at the end what this one made.

    Raises: HostError if it does not answer, or if no `docker` program here can talk to it.
    """
    api = DockerApi(socket)
    api.negotiate()
    info = api.info()
    if info.os != "linux":
        raise HostError(f"the Docker daemon runs {info.os} containers, not Linux ones", where="docker")
    client = find_client(search_path, socket)
    sweep(api)
    own_parents = parents.for_driver(info.cgroup_driver)
    runner = DockerRunner(api, client, socket, own_parents)
    try:
        yield Docker(api, info, client, socket, runner, own_parents)
    finally:
        with suppress(HostError):  # a daemon that has died meanwhile was told of; what it keeps, the next start sweeps
            runner.close()


def find_client(search_path: str, socket: Path) -> Path:
    """Return the first `docker` program that this daemon answers: a newer one may refuse to talk to an old daemon."""
    said = ""
    for folder in (*search_path.split(os.pathsep), "/usr/bin"):
        found = shutil.which(NAME, path=folder) if folder else None
        if found is not None:
            argv = (found, "version", "--format", "{{.Server.Version}}")
            done = spawn(argv, client_variables(socket), timeout_s=_VERSION_S, output_bytes=1 << 16)
            if done.outcome == "ok":
                return Path(found)
            said = said or without_host_paths(done.stderr.strip())[:200]
    what = f"no `docker` program here can talk to the daemon: {said}" if said else "there is no `docker` program"
    raise HostError(what, where="PATH", hint="apt-get install docker.io, or the client of the daemon's own version")


class Docker:
    """An open daemon: what the engine and the builder of images share.

    `parents` is where it can be told to put containers; nothing runs in it where that is missing.
    """

    def __init__(
        self,
        api: DockerApi,
        info: DaemonInfo,
        client: Path,
        socket: Path,
        runner: DockerRunner,
        parents: CgroupParents,
    ) -> None:
        self.parents: Final = parents
        self.api: Final = api
        self.info: Final = info
        self.client: Final = client
        self.socket: Final = socket
        self.runner: Final = runner

    @functools.cached_property
    def tools(self) -> tuple[Tool, ...]:
        """The client and the daemon; the daemon's file is known only where it is the one that is installed here."""
        client = tool(NAME, self.client, (str(self.client), "--version"))
        installed = shutil.which("dockerd", path=SYSTEM_PATH)
        digest = ""
        if installed is not None:
            own = tool("dockerd", Path(installed), (installed, "--version"))
            digest = file_digest(Path(installed)) if own.version == self.info.version else ""
        return (client, Tool(name=f"dockerd ({self.info.store} store)", version=self.info.version, sha256=digest))


class DockerEngine(ImageEngine):
    """Implements `ports.Engine` for the arms that `docker run` starts."""

    name = NAME

    def __init__(self, docker: Docker, launcher: Launcher) -> None:
        super().__init__(launcher, docker.api.info)
        self._docker = docker

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return what is there by `arm:`, `probe:` and `memory`, or why it is not."""
        arms = (f"arm:{arm}" for arm in arms_of(NAME))
        return dict.fromkeys((*arms, *KINDS), self._docker.parents.missing)

    def tools(self) -> tuple[Tool, ...]:
        """Return the client and the daemon."""
        return self._docker.tools

    def command(
        self, arm: str, artifact: Artifact | None, probe: Probe, limits: Limits, get: HttpGet | None = None
    ) -> Command:
        """Return the line of `docker run`, without what is only of one run.

        Raises: ValueError for an arm of another engine, and for a request where none or one is wanted.
        """
        if artifact is None or arm not in arms_of(NAME):
            raise ValueError(f"{self.name} cannot run {arm}")
        found, env = declared(artifact, host_platform()), variables(probe, get)
        network = INTERNAL if ARMS[arm].network == "internal" else "--network=none"
        options = (*caps(limits, found), *(f"--env={name}={env[name]}" for name in env))
        image = f"sha256:{artifact.sha256}"
        argv = (NAME, "run", "--rm", network, *options, image, *arguments(probe))
        binds = (Bind(source=artifact.path, target=image),)
        return Command(argv=argv, binds=binds, limits=limits, engine=self.name)


def caps(limits: Limits, image: ArchivedImage | None) -> tuple[str, ...]:
    """Return the options that keep a container to its limits, whatever its image asks for."""
    folders, size = writable(limits, image)
    return (
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--memory={limits.memory_bytes}",
        f"--memory-swap={limits.memory_bytes}",
        f"--pids-limit={limits.pids}",
        f"--cpus={cpus()}",
        "--ulimit=core=0",
        *(f"--tmpfs={folder}:rw,nosuid,nodev,size={size}" for folder in folders),
        "--log-driver=none",
        "--no-healthcheck",
        "--pull=never",
        # Nobody (RFC 5737).  Else a daemon before 26 asks the resolver of the host for those inside (CVE-2024-29018).
        "--dns=192.0.2.1",
    )
