"""A container image as a file, with its size in every sense that somebody prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from grader.model.base import Message, Record
from grader.model.run import Artifact

ImageNotion = Literal["docker_images", "docker_inspect", "disk_usage", "content", "unpacked", "ctr_ls", "oci_archive"]
"""What a size of an image is of.

`docker_images`, `docker_inspect` and `disk_usage`: what `docker images`, `docker image inspect` and `docker system df`
say, which depends on the daemon's store.  `content`: manifest, configuration and layers of one platform, as stored.
`unpacked`: the bytes of all files in the layers.  `ctr_ls`: what `ctr images ls` says.  `oci_archive`: the tar file.
"""


class ImageSize(Record):
    """One size of an image; `printed` is the text that its tool shows, empty where the count is ours."""

    notion: ImageNotion
    size_bytes: int = Field(ge=0)
    method: str
    printed: str = ""


class ImageFile(Record):
    """A file in an image, by its path there."""

    path: str
    size_bytes: int = Field(ge=0)
    sha256: str


class Image(Record):
    """An image.  `artifact` is the archive that holds it, but its digest is the image's own identity.

    That is the manifest's digest, or the configuration's where there is no manifest, as in what the classic store of
    Docker saves.  `entrypoint` and `command` are what it runs, `program` is the file that this names, None where there
    is none; `volumes` are writable whatever else is not.
    """

    artifact: Artifact
    platform: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    sizes: tuple[ImageSize, ...] = ()
    program: ImageFile | None = None


class ImageResult(Record):
    """What building an image gave.  Invariant: there is an `image` if and only if `state` is `built`.

    `refusals` are all reasons why a recipe is refused, the first of which is `reason`; their params carry the `line`.
    """

    subject: str
    state: Literal["built", "failed", "refused", "not_run", "error"]
    image: Image | None
    argv: tuple[str, ...] = ()
    reason: Message | None = None
    refusals: tuple[Message, ...] = ()
    log: str = Field(default="", description="The tool's messages, escaped only where shown.")

    @model_validator(mode="after")
    def _image_or_reason(self) -> ImageResult:
        if (self.image is not None) != (self.state == "built"):
            raise ValueError("an image is there if and only if it was built")
        if self.image is None and self.reason is None:
            raise ValueError("a build without an image needs a reason")
        return self
