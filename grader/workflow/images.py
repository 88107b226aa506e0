"""Build the image of each subject once per content: what was built before is not built again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grader.errors import HostError, LockError, TimeLimitError
from grader.model.base import Message, Record, canonical_json
from grader.model.image import ImageResult
from grader.model.lab import ImageSource
from grader.model.run import Artifact, BuildResult
from grader.model.submission import Submission
from grader.model.trouble import trouble
from grader.ports import ImageBuilder
from grader.workflow.build import content_key
from grader.workflow.once import Kind, made_once
from grader.workflow.plan import folder_key, missing_file, source_dir, why_not
from grader.workflow.records import read_record
from grader.workflow.site import Site

RECIPE = "2"
"""Raised when the same inputs would give another image or another reason."""

RECORD = "image.json"


class BuiltImage(Record):
    """What building an image gave, and whether it came from the cache."""

    result: ImageResult
    cached: bool


class _Kept(Record):
    """An image that is kept beside this record; its archive has a digest of its own, which is not the image's."""

    result: ImageResult
    archive_sha256: str


def build_image(
    site: Site, subject: str, source: ImageSource, submission: Submission, built: BuildResult | None, work: Path
) -> BuiltImage | None:
    """Build the image of one subject, or take what an earlier build of the same content gave.

    Args:
        built: What building the subject's artifact gave, which some recipes take in.
        work: Holds the image where the cache is not used; the caller keeps it as long as the image is needed.
    Returns: None if this host builds no image of the subject, which the builder's capabilities explain.
    """
    images = site.images
    if images is None or why_not(images.capabilities(), f"image:{subject}") is not None:
        return None
    absent = missing_file(submission, source)
    if absent is not None:
        whose: Literal["failed", "not_run"] = "failed" if absent.code == "build.no-file" else "not_run"
        return BuiltImage(result=_without(subject, whose, absent), cached=False)
    artifact = built.artifact if built is not None and source.artifact else None
    if source.artifact and artifact is None:
        return BuiltImage(result=_unfed(subject, built), cached=False)
    try:
        return _build(site, images, _Wanted(subject, source, submission, artifact), work)
    except LockError:
        raise
    except HostError as error:
        reason = trouble("infra.image-broke", error)
        state: Literal["not_run", "error"] = "not_run" if isinstance(error, TimeLimitError) else "error"
        return BuiltImage(result=_without(subject, state, reason), cached=False)


@dataclass(frozen=True)
class _Wanted:
    """An image that is to be built: of which subject, by which recipe, and the artifact that it takes in."""

    subject: str
    source: ImageSource
    submission: Submission
    artifact: Artifact | None

    def key(self, images: ImageBuilder) -> str:
        """Return what stands for all that the image depends on.  Raises: HostError if its bases cannot be had."""
        bases = images.image_bases(self.source, source_dir(self.submission))
        taken = self.artifact.sha256 if self.artifact is not None else ""
        what = (self.subject, canonical_json(self.source), folder_key(self.submission), taken)
        return content_key(RECIPE, *what, str(len(bases)), *bases, *(canonical_json(tool) for tool in images.tools()))


def _build(site: Site, images: ImageBuilder, wanted: _Wanted, work: Path) -> BuiltImage:
    def build(folder: Path) -> ImageResult:
        site.progress.step(f"image {wanted.subject}")
        with site.lock.shared():
            folder_in = source_dir(wanted.submission)
            return images.build_image(wanted.subject, wanted.source, folder_in, wanted.artifact, folder)

    if not site.use_cache:
        folder = work / f"image-{wanted.subject}"
        folder.mkdir()
        return BuiltImage(result=build(folder), cached=False)
    with site.lock.shared():
        key = wanted.key(images)
    result, cached = made_once(site.store, _IMAGES, key, build)
    return BuiltImage(result=result, cached=cached)


def _keep(result: ImageResult, folder: Path) -> bool:
    if result.image is not None:
        kept = _Kept(result=_placed(result, Path()), archive_sha256=_digest(Path(result.image.artifact.path)))
        (folder / RECORD).write_bytes(canonical_json(kept))
    return result.image is not None


def _read(folder: Path) -> ImageResult | None:
    """Return the record of a kept image; None if it or the archive is missing or damaged, or of another version."""
    kept = read_record(folder / RECORD, _Kept)
    if kept is None or kept.result.image is None:
        return None
    result = _placed(kept.result, folder)
    assert result.image is not None
    try:
        whole = _digest(Path(result.image.artifact.path)) == kept.archive_sha256
    except OSError:
        return None
    return result if whole else None


_IMAGES = Kind("image", ImageResult, _keep, _read)


def _digest(archive: Path) -> str:
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _placed(result: ImageResult, folder: Path) -> ImageResult:
    """Return the result with its archive in `folder`; a record knows only the file's name."""
    assert result.image is not None
    artifact = result.image.artifact
    moved = artifact.model_copy(update={"path": str(folder / Path(artifact.path).name)})
    return result.model_copy(update={"image": result.image.model_copy(update={"artifact": moved})})


def _unfed(subject: str, built: BuildResult | None) -> ImageResult:
    """Return that there is nothing to put into the image; whose fault that is the artifact's build knows."""
    reason = (built.reason if built is not None else None) or Message(code="build.nothing-to-pack")
    state: Literal["failed", "not_run", "error"] = "not_run"
    if built is not None and built.state in ("failed", "error"):
        state = "failed" if built.state == "failed" else "error"
    return _without(subject, state, reason)


def _without(subject: str, state: Literal["failed", "not_run", "error"], reason: Message) -> ImageResult:
    return ImageResult(subject=subject, state=state, image=None, reason=reason)
