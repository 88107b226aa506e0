"""Build an image with Docker's classic builder, capped, without a network, and leave only the archive.

The classic builder and not BuildKit: it alone honours a cgroup parent, a memory limit and a network of ours, and no
frontend of its own is fetched.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from grader.adapters.containerfile import host_platform, image_of
from grader.adapters.containerfolder import empty_files, layer_folder
from grader.adapters.disk import growth, usage
from grader.adapters.docker import Docker
from grader.adapters.dockeranswers import ListedImage
from grader.adapters.dockerrun import client_variables
from grader.adapters.imageresult import ARCHIVE, broken_off, limit_met, log_of, not_built
from grader.adapters.ociarchive import MAX_BYTES, OciArchive
from grader.adapters.owner import LABEL, own_name, owner
from grader.adapters.spawn import spawn
from grader.adapters.standin import LABEL as STAND_IN
from grader.errors import HostError
from grader.model.image import Image, ImageResult, ImageSize
from grader.model.lab import ImageSource
from grader.model.run import Completed, Limits
from grader.recipes.buildlog import why_not_built
from grader.recipes.imagebuild import labelled
from grader.recipes.oci import as_docker_prints

_LIMITS = Limits(memory_bytes=4 << 30, pids=1024, output_bytes=8 << 20, disk_bytes=4 << 30)
"""Go's compiler takes 1 GiB, and its official image unpacks to 1 GiB; a build that needs more has no end in sight."""
_SETTLE_S = 10.0
_SETTLE_PAUSE_S = 0.1


class DockerBuild:
    """Builds images in one daemon.

    Args:
        network: The Docker network of a build's commands: `none`, or one that reaches only a mirror.
    """

    def __init__(self, docker: Docker, network: str) -> None:
        self._docker = docker
        self._network = network

    def argv(self, source: ImageSource) -> tuple[str, ...]:
        """Return the line that is run, without what is only of one run."""
        memory = _LIMITS.memory_bytes
        caps = (f"--memory={memory}", f"--memory-swap={memory}", f"--network={self._network}")
        return ("docker", "build", "--rm", "--force-rm", "--pull=false", *caps, f"--file={source.file}", ".")

    def bases(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return these images with their digests, fetched where they are not there.  Raises: HostError."""
        return tuple(f"{name}@{self._base(name)}" for name in names)

    def _base(self, name: str) -> str:
        found = self._docker.api.image(name)
        if found is None:
            self._pull(name)
            found = self._docker.api.image(name)
        if found is None:
            raise HostError(f"`{name}` was pulled and is not there", where="docker", hint="pull it by hand")
        return found.id

    def _pull(self, name: str) -> None:
        try:
            self._docker.api.pull(name)
        except HostError as error:
            hint = "pull it where there is a network, or fill a mirror with `grader lab images --push-mirror URL`"
            raise HostError(f"`{name}` cannot be had: {error.what}", where="docker", hint=hint) from error

    def build(
        self,
        subject: str,
        source: ImageSource,
        text: str,
        bases: tuple[str, ...],
        context: Path,
        out_dir: Path,
        work: Path,
    ) -> ImageResult:
        """Build the image of a Dockerfile that was checked, and write its archive into `out_dir`.

        Args:
            context: A folder that holds what the Dockerfile copies.
            work: An empty folder for what is needed meanwhile.
        Raises: HostError if the daemon or this host broke.
        """
        api, argv = self._docker.api, self.argv(source)
        stand_in = any(STAND_IN in found.labels for name in bases if (found := api.image(name)) is not None)
        cramped = _is_cramped(Path(self._docker.info.root))
        # So that what a build leaves that is killed on its way can be told from other people's.
        (work / "Dockerfile").write_text(labelled(text, LABEL, owner()), "utf-8")
        tag = f"{own_name()}:build"
        try:
            done = self._run(argv, source, tag, work / "Dockerfile", context, bases)
            if done.outcome != "ok":
                return _failed(subject, argv, done, stand_in=stand_in, cramped=cramped)
            made = api.image(tag)
            if made is None:
                raise HostError("the image that was built is not there", where="docker", hint="look at its log")
            api.save(made.id, out_dir / ARCHIVE, MAX_BYTES)
            image = self._image(subject, out_dir / ARCHIVE, made.id, made.size)
        finally:
            with suppress(HostError):
                self._clean(tag)
        return ImageResult(subject=subject, state="built", image=image, argv=argv, log=log_of(done))

    def _run(
        self,
        argv: tuple[str, ...],
        source: ImageSource,
        tag: str,
        file: Path,
        context: Path,
        bases: tuple[str, ...],
    ) -> Completed:
        base = max((found.size for name in bases if (found := self._docker.api.image(name)) is not None), default=0)
        limits = _LIMITS.model_copy(update={"timeout_s": source.timeout_s})
        with self._docker.parents.fresh(limits) as parent:
            own = (f"--tag={tag}", f"--cgroup-parent={parent.name}", f"--file={file}", str(context))
            return spawn(
                (str(self._docker.client), *argv[1:-2], *own),
                client_variables(self._docker.socket),
                timeout_s=limits.timeout_s,
                output_bytes=limits.output_bytes,
                watch=growth(Path(self._docker.info.root), limits.disk_bytes, lambda: self._written(base)),
            )

    def _written(self, base: int) -> int:
        """Return what this build has written so far, bytes: its container, and what it has finished already.

        Args:
            base: Of the largest image that it starts from, which is in the size of what was made of it.
        """
        api = self._docker.api
        finished = sum(max(0, image.size - base) for image in self._nameless())
        containers = api.containers(f"{LABEL}={owner()}", sizes=True)
        volumes = Path(self._docker.info.root, "volumes")
        folders = [str(volumes / name / "_data") for one in containers for name in one.volumes]
        return finished + usage(folders, _LIMITS.disk_bytes) + sum(one.written for one in containers)

    def _nameless(self) -> list[ListedImage]:
        """Return what a build under way has made so far, the last of each stage."""
        ours = [one for one in self._docker.api.images() if (one.labels or {}).get(LABEL) == owner()]
        return [one for one in ours if all(tag == "<none>:<none>" for tag in one.tags or ())]

    def _image(self, subject: str, archive: Path, image: str, inspected: int) -> Image:
        """Read what was built; sizes that depend on the daemon's store are the daemon's."""
        api = self._docker.api
        listed = next((one.size for one in api.images() if one.id == image), None)
        store = f"{self._docker.info.store} store"
        told = [("docker_inspect", inspected, "docker image inspect"), ("docker_images", listed, "docker images")]
        told.append(("disk_usage", api.disk_usage(image), "docker system df"))
        sizes = [
            ImageSize.model_validate(
                {
                    "notion": notion,
                    "size_bytes": size,
                    "method": f"what `{command}` counts, {store}",
                    "printed": as_docker_prints(size),
                }
            )
            for notion, size, command in told
            if size is not None
        ]
        with OciArchive.open(archive) as opened:
            found = opened.image(host_platform(), host_platform())
            # The classic store holds layers unpacked, and whatever it saves is of a size that nobody else meets.
            content = [size for size in found.sizes if size.notion == "content"]
            more = content if self._docker.info.store == "containerd" else []
            return image_of(subject, archive, opened, found, [*sizes, *more])

    def _clean(self, tag: str) -> None:
        """Remove the image by its name, and whatever a build that was cut short has left.

        The daemon ends a build some time after its client is gone.  If it is just making a layer of what a command
        wrote, it goes on to the end of that, and writes every byte of files with holes, terabytes if they say so.
        So there must be nothing left to read.
        """
        api = self._docker.api
        api.remove_image(tag)
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            containers, images = api.containers(f"{LABEL}={owner()}"), self._nameless()
            if not containers and not images:
                return
            for container in containers:
                layer = layer_folder(self._docker.info.root, container.id)
                api.remove_container(container.id)
                if layer is not None:
                    empty_files(layer / "diff")
            for image in images:
                api.remove_image(image.id)
            time.sleep(_SETTLE_PAUSE_S)


def _is_cramped(folder: Path) -> bool:
    """Return whether a disk has less room than a build may take; what fills it then is nobody's fault but ours."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _LIMITS.disk_bytes


def _failed(subject: str, argv: tuple[str, ...], done: Completed, *, stand_in: bool, cramped: bool) -> ImageResult:
    log = log_of(done)
    limit = limit_met(done)
    if limit is not None:
        return not_built(subject, "failed", argv, limit, log)
    if done.exit_code is None:
        raise broken_off("docker", done)
    own, reason = why_not_built(log, done.exit_code, stand_in=stand_in, cramped=cramped)
    if own:
        return not_built(subject, "failed", argv, reason, log)
    return not_built(subject, "error" if reason.ours else "not_run", argv, reason, log)
