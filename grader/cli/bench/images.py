"""The arms of a comparison that are containers of images, in the daemons of this host."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

from grader.adapters.clock import SystemClock
from grader.adapters.containerd import WASM, Containerd, ContainerdEngine, drops_environment
from grader.adapters.containerfile import host_platform
from grader.adapters.docker import Docker, DockerEngine, find_socket
from grader.adapters.imagesource import ImageSources, Unfit
from grader.cli.bench.arms import CHECKED_BYTES
from grader.cli.bench.imageargs import ImagePlan, NamedImage
from grader.cli.daemons import Daemons
from grader.errors import HostError, SubmissionError, UsageError
from grader.judging.expected import Expectation
from grader.model.arms import ARMS
from grader.model.base import Message
from grader.model.bench import BenchImage
from grader.model.host import Tool
from grader.model.lab import StdoutJsonProbe
from grader.model.run import Artifact, Command, Limits
from grader.ports import Engine, Server
from grader.recipes.oci import Platform
from grader.render.catalogue import words
from grader.workflow.benchimage import ImageArm, serve_image
from grader.workflow.benchmemory import Weighable
from grader.workflow.benchrun import Arm, Preparation, RunCheck, ServerArm, Url
from grader.workflow.contender import Contender

NAMESPACE = "CONTAINERD_NAMESPACE"
"""Names the namespace of containerd in which images are looked for, as for `ctr`."""

Daemon = TypeVar("Daemon", Docker, Containerd)


class ImageHost:
    """The container engines that some arms need, open until `stack` ends, and the images that they run.

    Raises: HostError if an engine is not there, does not answer, or cannot run an arm; UsageError if an arm cannot be
        told what is asked for.
    """

    def __init__(self, plan: ImagePlan, folder: Path, environ: Mapping[str, str], stack: ExitStack) -> None:
        self._plan = plan
        self._folder = folder
        self._probe = StdoutJsonProbe(metric="start", env=plan.env, args=plan.args, arms={})
        wanted = {ARMS[arm].engine for arm in plan.arms}
        daemons = Daemons(environ, stack)
        docker: Docker | None = None
        containerd: Containerd | None = None
        self._engines: dict[str, Engine] = {}
        # An image that is no file may be Docker's whoever runs it.
        named = any(not Path(image.name).is_file() for image in plan.images)
        if "docker" in wanted or (named and find_socket(environ) is not None):
            docker = _there(daemons.docker(), "DOCKER_HOST")
            self._engines["docker"] = DockerEngine(docker, docker.runner)
        if "containerd" in wanted:
            containerd = _there(daemons.containerd(), "CONTAINERD_ADDRESS")
            self._engines["containerd"] = ContainerdEngine([self._probe], containerd, containerd.runner)
        self._wanted = wanted
        self._refuse_missing()
        self._sources = ImageSources(docker, containerd, environ.get(NAMESPACE) or "default", folder)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Return the programs of the engines that are compared."""
        return tuple(tool for name, engine in self._engines.items() if name in self._wanted for tool in engine.tools())

    def contenders(
        self, expected: Expectation, url: Url | None, prepare: Mapping[str, Preparation], *, first_byte: bool
    ) -> dict[str, Contender]:
        """Return the arms, ready to be run.  Raises: UsageError if an arm has no image or an image no arm."""
        found = {arm: self._image_of(arm) for arm in self._plan.arms}
        self._refuse_unused({named for named, _ in found.values()})
        made = {}
        for arm, (named, artifact) in found.items():
            engine = self._engines[ARMS[arm].engine]
            self._check(engine, arm, named, artifact)
            command = engine.command(arm, artifact, self._probe, Limits(output_bytes=CHECKED_BYTES))
            check = RunCheck(expected, first_byte=first_byte)
            once = ImageArm(engine, command, check, prepare=prepare[arm])
            timed = once if url is None else _server(engine, command, expected, url, prepare[arm])
            image = _told(arm, named, artifact)
            made[arm] = Contender(timed, Weighable(once.weigh, check, prepare[arm]), command.argv, image)
        return made

    def _check(self, engine: Engine, arm: str, named: NamedImage, artifact: Artifact) -> None:
        """Raises: UsageError if the image would run otherwise than the arm says."""
        try:
            engine.prepare(arm, artifact, self._folder)
        except SubmissionError as error:
            hint = "`ctr-crun-wasmedge-aot` runs what `wasmedge compile` made, other arms a plain module"
            raise UsageError(f"`{arm}` cannot run `{named.name}`: {error.what}", where="--image", hint=hint) from error

    def _image_of(self, arm: str) -> tuple[NamedImage, Artifact]:
        """Return the image that is named for an arm, or else the first that is for its platform."""
        own = [image for image in self._plan.images if image.arm == arm]
        if len(own) > 1:
            raise UsageError(f"`{arm}` has two images", where="--image", hint="name one for each arm")
        wrong: dict[str, str] = {}
        for image in own or [image for image in self._plan.images if image.arm is None]:
            taken = self._sources.take(image.name, _platform(arm))
            if isinstance(taken, Artifact):
                return image, taken
            wrong[image.name] = taken.why
        if not wrong:
            raise UsageError(f"`{arm}` has no image", where="--arms", hint=f"give it one: `--image {arm}=IMAGE`")
        why = "; ".join(f"`{name}`: {reason}" for name, reason in wrong.items())
        hint = "save or build it again"
        if any(" only for " in reason for reason in wrong.values()):
            where_else = "`ctr-wasmtime` and its like run WebAssembly, and Docker never does"
            hint = where_else if ARMS[arm].mode == "native" else "`docker` and `ctr-runc` run native images"
        raise UsageError(f"`{arm}` runs images for {_platform(arm)}; {why}", where="--image", hint=hint)

    def _refuse_missing(self) -> None:
        """Raises: HostError naming every arm that this host cannot run; UsageError for one that cannot be told."""
        reasons = {arm: self._engines[ARMS[arm].engine].capabilities()[f"arm:{arm}"] for arm in self._plan.arms}
        missing = {arm: reason for arm, reason in reasons.items() if reason is not None}
        if not missing:
            return
        what = "; ".join(f"`{arm}`: {words(reason)}" for arm, reason in missing.items())
        if all(reason.code == "engine.shim-drops-environment" for reason in missing.values()):
            arms = ", ".join(f"`{arm}`" for arm in missing)
            what = f"a WASM shim gives a native program its own environment: on {arms} it would not see this"
            raise UsageError(what, where="--env", hint="leave the arm out, or tell the program by `--args`")
        raise HostError(what, where="--arms", hint="leave the arm out, or see `grader doctor`")

    def _refuse_unused(self, used: set[NamedImage]) -> None:
        """Raises: UsageError for an image that no arm runs, or that is not there."""
        for image in self._plan.images:
            if image in used:
                continue
            taken = [self._sources.take(image.name, _platform(arm)) for arm in self._plan.arms]
            why = next((f": {one.why}" for one in taken if isinstance(one, Unfit)), "")
            hint = "leave it out, add an arm that can run it, or name the arm: `--image ARM=IMAGE`"
            raise UsageError(f"no arm runs `{image.name}`{why}", where="--image", hint=hint)


def _server(engine: Engine, command: Command, expected: Expectation, url: Url, prepare: Preparation) -> Arm:
    def serve(life_s: float) -> AbstractContextManager[Server]:
        return serve_image(engine, command, url.port, life_s)

    return ServerArm(serve, url, expected, SystemClock(), prepare=prepare)


def _told(arm: str, named: NamedImage, artifact: Artifact) -> BenchImage:
    mode = ARMS[arm].mode
    assert mode is not None  # every arm that starts a container has one
    return BenchImage(
        name=named.name,
        digest=f"sha256:{artifact.sha256}",
        platform=str(_platform(arm)),
        engine=ARMS[arm].engine,
        mode=mode,
        own_variables=not drops_environment(ARMS[arm]),
    )


def _platform(arm: str) -> Platform:
    return host_platform() if ARMS[arm].mode == "native" else WASM


def _there(daemon: Daemon | Message, variable: str) -> Daemon:
    """Return an open daemon.  Raises: HostError if there is none."""
    if isinstance(daemon, Message):
        raise HostError(words(daemon), where="--arms", hint=f"start it, or name its socket in {variable}")
    return daemon
