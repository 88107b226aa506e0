"""Build a lab's images: Linux ones with Docker, those for WebAssembly with buildah; both after the same checks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from grader.adapters.addedarchives import added_archives
from grader.adapters.artifacts import take_file
from grader.adapters.buildah import Buildah
from grader.adapters.containerfile import odd_volume
from grader.adapters.docker import Docker
from grader.adapters.dockerbuild import DockerBuild
from grader.errors import HostError, TimeLimitError
from grader.model.base import Message
from grader.model.host import Tool
from grader.model.image import ImageResult
from grader.model.lab import ImageSource, Lab
from grader.model.run import Artifact
from grader.ports import Call, Store
from grader.recipes.dockerfile import MAX_BYTES as DOCKERFILE_BYTES
from grader.recipes.imagebuild import ImageBuild, check_image_build


class ImageBuilding:
    """Implements `ports.ImageBuilder`.

    Args:
        docker: An open daemon, or why there is none.
        buildah: The program, or why it cannot be used.
        network: As for `DockerBuild`.
        cap: Returns the shorter of a timeout and what a time limit leaves; raises TimeLimitError if that is nothing.
    """

    def __init__(
        self,
        lab: Lab,
        docker: Docker | Message,
        buildah: Buildah | Message,
        store: Store,
        network: str = "none",
        cap: Callable[[float], float] = float,
    ) -> None:
        self._lab = lab
        self._store = store
        self._cap = cap
        self._buildah = buildah
        self._without_docker = docker if isinstance(docker, Message) else docker.parents.missing
        self._daemon = None if isinstance(docker, Message) else docker
        self._docker = None if isinstance(docker, Message) else DockerBuild(docker, network)

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return by `image:<subject>` None, or why no image of that subject can be built here."""
        return {f"image:{subject}": self._problem(source) for subject, source in self._lab.images.items()}

    def tools(self) -> tuple[Tool, ...]:
        """Return Docker and buildah, as far as they are there."""
        docker = self._daemon.tools if self._daemon is not None else ()
        return (*docker, *((self._buildah.tool(),) if isinstance(self._buildah, Buildah) else ()))

    def image_call(self, subject: str, source: ImageSource, source_dir: Path) -> Call | Message:
        """Return the command that `build_image` runs, or why the recipe is refused."""
        problem = self._problem(source)
        if problem is not None:
            return problem
        checked = self._checked(source, source_dir)
        if not isinstance(checked, _Recipe):
            return checked[0]
        if isinstance(self._buildah, Buildah) and _is_wasm(source):
            return Call(argv=self._buildah.argv(source))
        assert self._docker is not None  # there is no problem
        return Call(argv=self._docker.argv(source), env={"DOCKER_BUILDKIT": "0"})

    def image_bases(self, source: ImageSource, source_dir: Path) -> tuple[str, ...]:
        """Return the images that a recipe starts from with their digests; one that is not there is fetched."""
        checked = self._checked(source, source_dir)
        if not isinstance(checked, _Recipe) or self._docker is None or _is_wasm(source):
            return ()
        return self._docker.bases(checked.build.bases)

    def build_image(
        self, subject: str, source: ImageSource, source_dir: Path, artifact: Artifact | None, out_dir: Path
    ) -> ImageResult:
        """Build an image as an archive in `out_dir`; what the checks refuse is not built, with all reasons."""
        problem = self._problem(source)
        if problem is not None:
            return ImageResult(subject=subject, state="not_run", image=None, reason=problem)
        checked = self._checked(source, source_dir)
        if not isinstance(checked, _Recipe):
            return ImageResult(subject=subject, state="refused", image=None, reason=checked[0], refusals=checked)
        capped = source.model_copy(update={"timeout_s": self._cap(source.timeout_s)})
        result = self._built(subject, capped, source_dir, artifact, out_dir, checked)
        if capped != source and result.reason is not None and result.reason.code == "image.timeout":
            raise TimeLimitError("the time limit of this run cut a build short", where="--time-limit")
        return _with_compiler(_without_odd_volumes(result), artifact)

    def _built(
        self,
        subject: str,
        source: ImageSource,
        source_dir: Path,
        artifact: Artifact | None,
        out_dir: Path,
        checked: _Recipe,
    ) -> ImageResult:
        with self._store.scratch() as work, _context(source_dir, source, artifact, work) as context:
            (work / "own").mkdir()
            if isinstance(self._buildah, Buildah) and _is_wasm(source):
                file = work / "Containerfile"
                file.write_text(checked.text, "utf-8")
                return self._buildah.build(subject, source, context, file, out_dir, work / "own")
            assert self._docker is not None  # there is no problem
            bases = checked.build.bases
            return self._docker.build(subject, source, checked.text, bases, context, out_dir, work / "own")

    def _problem(self, source: ImageSource) -> Message | None:
        if _is_wasm(source):
            return self._buildah if isinstance(self._buildah, Message) else None
        return self._without_docker

    def _checked(self, source: ImageSource, source_dir: Path) -> _Recipe | tuple[Message, ...]:
        """Return the recipe if it may be built, else every reason against it."""
        with self._store.scratch() as work:
            taken = take_file(source_dir / source.file, work / "recipe", cap=DOCKERFILE_BYTES)
            if isinstance(taken, Message):
                return (taken,)
            text = Path(taken.path).read_text("utf-8", "replace")
        found = check_image_build(text, source.bases, runs=not _is_wasm(source))
        if not isinstance(found, ImageBuild):
            return tuple(refusal.message for refusal in found)
        archives = added_archives(found.added, source_dir)
        if archives:
            return archives
        if found.needs_buildkit is not None:
            return (found.needs_buildkit.message,)
        return _Recipe(text, found)


class _Recipe:
    """A recipe that may be built, with what it needs."""

    def __init__(self, text: str, build: ImageBuild) -> None:
        self.text = text
        self.build = build


def _is_wasm(source: ImageSource) -> bool:
    return source.platform != "linux"


@contextmanager
def _context(source_dir: Path, source: ImageSource, artifact: Artifact | None, work: Path) -> Iterator[Path]:
    """Yield a folder with what was handed in, and the subject's artifact where the recipe takes it in."""
    if artifact is None:
        yield source_dir
        return
    context = work / "context"
    try:
        shutil.copytree(source_dir, context, symlinks=True)
        place = context / source.artifact
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        shutil.copyfile(artifact.path, place)
        place.chmod(0o644)
    except OSError as error:
        raise HostError(f"the files for an image cannot be copied: {error.strerror}", hint="free some space") from error
    yield context


def _without_odd_volumes(result: ImageResult) -> ImageResult:
    """Refuse an image of which no container could be made as it asks."""
    image = result.image
    odd = odd_volume(image.volumes, image.entrypoint or image.command) if image is not None else None
    if image is None or odd is None:
        return result
    Path(image.artifact.path).unlink()
    reason = Message(code="image.volume", params={"found": odd[:80]})
    return result.model_copy(update={"state": "refused", "image": None, "reason": reason})


def _with_compiler(result: ImageResult, artifact: Artifact | None) -> ImageResult:
    """Say of an image what is known of the program that went into it."""
    if result.image is None or artifact is None:
        return result
    about = {"compiler": artifact.compiler, "comparable": artifact.comparable}
    made = result.image.artifact.model_copy(update=about)
    return result.model_copy(update={"image": result.image.model_copy(update={"artifact": made})})
