"""What an image archive says about the containers that are made of it."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

from grader.adapters.ociarchive import ArchivedImage, OciArchive
from grader.model.run import Artifact
from grader.recipes.oci import Platform

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def host_platform() -> Platform:
    """Return what images call this host."""
    machine = platform.machine()
    return Platform(os="linux", architecture=_ARCHITECTURES.get(machine, machine))


def volumes_of(artifact: Artifact) -> tuple[str, ...]:
    """Return the folders that an image declares as volumes; none for one that is not built yet."""
    return _read(artifact.path, artifact.sha256).config.volumes if artifact.sha256 else ()


@functools.lru_cache(maxsize=64)
def _read(path: str, digest: str) -> ArchivedImage:
    """`digest` is here to tell one image from another that lay at the same path."""
    with OciArchive.open(Path(path)) as archive:
        return archive.image(host_platform(), host_platform())
