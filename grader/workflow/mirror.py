"""Fill a course's own registry with the images that a lab starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from grader.model.base import Record


class Mirrored(Record):
    """An image by its name in a Dockerfile, and how it came to be in the mirror; `digest` is None if it is not."""

    image: str
    state: Literal["present", "pushed", "missing"]
    digest: str | None = None


def fill_mirror(
    images: Iterable[str],
    *,
    digest_of: Callable[[str], str | None],
    push: Callable[[str], str | None],
) -> Iterator[Mirrored]:
    """Push what the mirror lacks, yielding each image as it is done; what is there already may be the real one.

    Args:
        images: Names as Dockerfiles give them.
        digest_of: What a name has in the mirror.
        push: Makes an image and pushes it; returns its digest, None where it cannot be made.
    """
    for image in images:
        present = digest_of(image)
        pushed = None if present else push(image)
        if present:
            yield Mirrored(image=image, state="present", digest=present)
        elif pushed:
            yield Mirrored(image=image, state="pushed", digest=pushed)
        else:
            yield Mirrored(image=image, state="missing")
