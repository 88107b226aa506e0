"""What the sizes of one image, each in its notion, say about a size that was stated.  Pure.

Bytes of files are the same on every host; compressed ones depend on who compressed.  So a claim that agrees with none
of our sizes is refuted only where no compressing could give it.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.grade import Fact

UNPACKED, CONTENT = "unpacked", "content"
NEVER_LESS = frozenset({"docker_images", "disk_usage", UNPACKED})
"""Notions that count at least the unpacked bytes, in either store of Docker.

Source: moby, daemon/images `ImageService.Images` (classic: sums of layers) and daemon/containerd `singlePlatformImage`
(content and unpacked snapshots).
"""


def both_counted(sizes: Sequence[Fact]) -> float | None:
    """Return what Docker's other store shows for the same image: what is stored, and what it unpacks to beside it."""
    content, unpacked = _of(sizes, CONTENT), _of(sizes, UNPACKED)
    return None if content is None or unpacked is None else content + unpacked


def refuted(sizes: Sequence[Fact], low: float, high: float, notion: str | None) -> bool:
    """Return whether no way to compress this image gives a size that agrees with none of `sizes`.

    Args:
        low, high: The stated size with all that may be rounding, bytes.
        notion: The one that it was stated in.
    """
    unpacked = _of(sizes, UNPACKED)
    if unpacked is None:
        return False
    return low > unpacked or (notion in NEVER_LESS and high < unpacked)


def _of(sizes: Sequence[Fact], notion: str) -> float | None:
    return next((f.value for f in sizes if f.notion == notion and isinstance(f.value, int | float)), None)
