"""An image archive as a record: what it is, how large, what it runs, and what containers of it may write."""

from __future__ import annotations

import functools
import hashlib
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from grader.adapters.ociarchive import ArchivedImage, OciArchive
from grader.model.image import Image, ImageFile, ImageSize
from grader.model.run import Artifact
from grader.recipes.oci import Platform

_PLAIN_FOLDER = re.compile(r"/(?!(?:dev|proc|sys)(?:/|$))[A-Za-z0-9_][A-Za-z0-9_./-]*")
MAX_PROGRAM = 256 << 20
"""Of the file that an image runs; as for any artifact."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""By what the kernel calls a processor, what image documents call it."""


def host_platform() -> Platform:
    """Return what images call this host."""
    machine = platform.machine()
    return Platform(os="linux", architecture=_ARCHITECTURES.get(machine, machine))


def image_of(
    subject: str, archive: Path, opened: OciArchive, found: ArchivedImage, sizes: Sequence[ImageSize]
) -> Image:
    """Return an archived image with the file that it runs, and beside these sizes what it unpacks to.

    Raises: SubmissionError if a layer cannot be read.
    """
    unpacked = ImageSize(notion="unpacked", size_bytes=opened.unpacked(found), method="sum of the files in its layers")
    artifact = Artifact(
        subject=subject,
        label="image",
        sha256=found.digest.removeprefix("sha256:"),
        size=archive.stat().st_size,
        path=str(archive),
    )
    return Image(
        artifact=artifact,
        platform=str(found.platform),
        entrypoint=found.config.entrypoint,
        command=found.config.command,
        volumes=found.config.volumes,
        sizes=(*sizes, unpacked),
        program=_program(opened, found, archive.parent),
    )


def _program(opened: OciArchive, found: ArchivedImage, folder: Path) -> ImageFile | None:
    words = found.config.entrypoint or found.config.command
    if not words:
        return None
    copy = folder / ".program"
    try:
        if opened.extract(found, words[0], copy, MAX_PROGRAM) is not None:
            return None
        with copy.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ImageFile(path=words[0], size_bytes=copy.stat().st_size, sha256=digest)
    finally:
        copy.unlink(missing_ok=True)


def odd_volume(volumes: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the first declared volume that no container is given, None if there is none.

    Its name becomes a part of an option, and the image chose it: `/x,type=bind,src=/` would be the host's root.  And a
    container's volume is memory, empty, so that one which holds the program would hide it.

    Args:
        words: What the image runs.
    """
    program = next(iter(words), "")
    for name in volumes:
        plain = _PLAIN_FOLDER.fullmatch(name) and ".." not in name.split("/")
        if not plain or program.startswith(f"{name.rstrip('/')}/"):
            return name
    return None


def archived(artifact: Artifact, wanted: Platform) -> ArchivedImage:
    """Return the image of a platform in an artifact's archive.  Raises: SubmissionError, OSError."""
    return _read(artifact.path, artifact.sha256, str(wanted))


@functools.lru_cache(maxsize=64)
def _read(path: str, digest: str, wanted: str) -> ArchivedImage:
    """`digest` is here to tell one image from another that lay at the same path."""
    with OciArchive.open(Path(path)) as archive:
        return archive.image(Platform.parse(wanted), host_platform())
