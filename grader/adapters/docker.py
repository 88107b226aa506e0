"""The Docker engine: the lab's own arm, `docker run`, and the same without any network."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerfile import archived, host_platform
from grader.adapters.dockerapi import DaemonInfo, DockerApi
from grader.adapters.dockerrun import INTERNAL, NAME, DockerRunner, client_variables, sweep
from grader.adapters.host import file_digest, tool
from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.arms import ARMS
from grader.model.base import Message
from grader.model.host import Tool
from grader.model.lab import BuildSource, CgiProbe, HttpGet, Probe, StdoutJsonProbe, Step
from grader.model.run import Artifact, Bind, BuildResult, Command, Completed, Limits
from grader.model.trouble import without_host_paths
from grader.ports import Call, Launcher, Server
from grader.recipes.cgi import cgi_environment

DEFAULT_SOCKET = Path("/var/run/docker.sock")
MOST_CPUS = 2
"""For a container: what a lab host has, so that a larger one gives the same table."""
_VERSION_S = 20.0
_ARMS = tuple(name for name, arm in ARMS.items() if arm.engine == NAME)


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
        installed = shutil.which("dockerd", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
        digest = ""
        if installed is not None:
            own = tool("dockerd", Path(installed), (installed, "--version"))
            digest = file_digest(Path(installed)) if own.version == self.info.version else ""
        return (client, Tool(name=f"dockerd ({self.info.store} store)", version=self.info.version, sha256=digest))


class DockerEngine:
    """Implements `ports.Engine` for the arms that `docker run` starts.

    Args:
        launcher: The daemon's runner, bounded by whoever has a time limit.
    """

    name = NAME

    def __init__(self, docker: Docker, launcher: Launcher) -> None:
        self._docker = docker
        self._launcher = launcher

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return what is there by `arm:`, `probe:` and `memory`, or why it is not."""
        kinds = ("probe:stdout_json", "probe:http", "probe:cgi", "memory")
        return dict.fromkeys((*(f"arm:{arm}" for arm in _ARMS), *kinds), self._docker.parents.missing)

    def tools(self) -> tuple[Tool, ...]:
        """Return the client and the daemon."""
        return self._docker.tools

    def build(self, subject: str, step: Step, source: BuildSource, source_dir: Path, out_dir: Path) -> BuildResult:
        """Build nothing: an image is the builder of images' affair."""
        return BuildResult(subject=subject, state="not_run", artifact=None, reason=_no_artifacts())

    def build_call(self, source: BuildSource, source_dir: Path) -> Call | Message:
        """Return why there is none."""
        return _no_artifacts()

    def prepare_call(self, arm: str) -> Call | None:
        """Return None: an arm runs the image as it is."""
        return None

    def prepare(self, arm: str, artifact: Artifact, out_dir: Path) -> Artifact:
        """Return the image as it is."""
        return artifact

    def command(
        self, arm: str, artifact: Artifact | None, probe: Probe, limits: Limits, get: HttpGet | None = None
    ) -> Command:
        """Return the line of `docker run`, without what is only of one run.

        Raises: ValueError for an arm of another engine, and for a request where none or one is wanted.
        """
        if artifact is None or arm not in _ARMS or isinstance(probe, CgiProbe) != (get is not None):
            raise ValueError(f"{self.name} cannot run {probe.kind} on {arm}")
        env = probe.env if get is None else cgi_environment(get) | probe.env
        args = probe.args if isinstance(probe, StdoutJsonProbe) else ()
        network = INTERNAL if ARMS[arm].network == "internal" else "--network=none"
        # One that is not built yet, in a plan, declares nothing.
        volumes = archived(artifact, host_platform()).config.volumes if artifact.sha256 else ()
        options = (network, *caps(limits, volumes), *(f"--env={name}={env[name]}" for name in env))
        image = f"sha256:{artifact.sha256.removeprefix('sha256:')}"
        argv = (NAME, "run", "--rm", *options, image, *args)
        binds = (Bind(source=artifact.path, target=image),)
        return Command(argv=argv, binds=binds, limits=limits, engine=self.name)

    def run_once(self, command: Command) -> Completed:
        """Run a container once."""
        return self._launcher.run(command)

    def memory(self, command: Command) -> Completed:
        """Run a container once and read the peak of its memory."""
        return self._launcher.run(command, memory=True)

    def serve(self, command: Command, port: int) -> AbstractContextManager[Server]:
        """Start a container that serves; it is removed at the end at the latest."""
        return self._launcher.serve(command, port)


def caps(limits: Limits, volumes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options that keep a container to its limits, whatever its image asks for.

    A volume is writable though the rest is not, and lies on the daemon's disk: here it is memory, and capped.
    """
    writable = ("/tmp", *volumes)
    memory = limits.memory_bytes
    size = min(limits.disk_bytes, memory)
    cpus = min(MOST_CPUS, len(os.sched_getaffinity(0)))
    return (
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--memory={memory}",
        f"--memory-swap={memory}",
        f"--pids-limit={limits.pids}",
        f"--cpus={cpus}",
        "--ulimit=core=0",
        *(f"--tmpfs={path}:rw,nosuid,nodev,size={size}" for path in writable),
        "--log-driver=none",
        "--no-healthcheck",
        "--pull=never",
        # Nobody (RFC 5737).  Else a daemon before 26 asks the resolver of the host for those inside (CVE-2024-29018).
        "--dns=192.0.2.1",
    )


def _no_artifacts() -> Message:
    return Message(code="engine.only-images")
