"""Read the JSON documents of a container image: which one a platform means, and how large it is.

Accepts what the common writers write: an OCI layout with an image or an index (nested, with attestations), and the
archives of `docker save`, old and new.  Nothing is trusted; what a blob's digest says is the caller's to check.

Source: OCI Image Format Specification 1.1 (descriptor, manifest, index, layout, config); Docker Image Specification
v1.2, "Combined Image JSON + Filesystem Changeset Format"; BuildKit, docs/attestations/attestation-storage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from grader.errors import SubmissionError
from grader.model.base import Record, first_mistake

MAX_JSON_BYTES = 4 << 20
"""What registries accept of a manifest (OCI Distribution Specification 1.1, "Pushing Manifests")."""
_MAX_DEPTH = 4
"""Indexes within indexes: honest ones have one."""

_WASM = frozenset({("wasi", "wasm"), ("wasi", "wasm32"), ("wasip1", "wasm")})
"""One platform by the names that buildx, the course and the shims' own examples give it."""
_ATTESTATION = "vnd.docker.reference.type"


class Platform(Record):
    """An operating system and an architecture, as image documents name them; empty where one does not."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `os/architecture[/variant]`."""
        os, _, rest = text.partition("/")
        architecture, _, variant = rest.partition("/")
        return cls(os=os, architecture=architecture, variant=variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def accepts(self, other: Platform) -> bool:
        """Return whether an image for `other` is one for this platform."""
        ours, theirs = (self.os, self.architecture), (other.os, other.architecture)
        if ours in _WASM:
            return theirs in _WASM
        return ours == theirs and (not self.variant or not other.variant or self.variant == other.variant)


class _Foreign(BaseModel):
    """A document of somebody else's: keys that we do not know are none of our business."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class _PlatformOf(_Foreign):
    os: str = ""
    architecture: str = ""
    variant: str = ""

    def plain(self) -> Platform:
        """Return the platform that it names."""
        return Platform(os=self.os, architecture=self.architecture, variant=self.variant)


class Descriptor(_Foreign):
    """Where a document points to: what, how large, and for which platform."""

    media_type: str = Field(default="", alias="mediaType")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    size: int = Field(ge=0)
    platform: _PlatformOf | None = None
    annotations: dict[str, str] | None = None

    @property
    def is_attestation(self) -> bool:
        """True for what buildx stores beside an image: statements about it, which are no image."""
        unknown = self.platform is not None and self.platform.os == self.platform.architecture == "unknown"
        return unknown or _ATTESTATION in (self.annotations or {})


class _Document(_Foreign):
    """An index or a manifest: which of the two is told by what it holds, as the media type is optional in both."""

    manifests: tuple[Descriptor, ...] | None = None
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()


class _Process(_Foreign):
    """The part of a configuration that says what runs; what is null counts as not there."""

    entrypoint: tuple[str, ...] | None = Field(default=None, alias="Entrypoint")
    cmd: tuple[str, ...] | None = Field(default=None, alias="Cmd")
    volumes: dict[str, object] | None = Field(default=None, alias="Volumes")


class ImageConfig(_PlatformOf):
    """The configuration of an image; what an artifact that is no container leaves out is empty."""

    config: _Process | None = None

    @property
    def entrypoint(self) -> tuple[str, ...]:
        return (self.config.entrypoint if self.config else None) or ()

    @property
    def command(self) -> tuple[str, ...]:
        return (self.config.cmd if self.config else None) or ()

    @property
    def volumes(self) -> tuple[str, ...]:
        return tuple(sorted((self.config.volumes if self.config else None) or {}))


class SavedImage(_Foreign):
    """One image in the `manifest.json` of `docker save`: names of members of the archive."""

    config: str = Field(alias="Config")
    layers: tuple[str, ...] = Field(alias="Layers")


class _Saved(RootModel[tuple[SavedImage, ...]]):
    pass


class OciImage(Record):
    """The image of one platform in a layout.

    `target` is what the layout lists and a tool gives a name to: the manifest itself, or an index that leads to it.
    """

    target: Descriptor
    manifest: Descriptor
    config_descriptor: Descriptor
    config: ImageConfig
    layers: tuple[Descriptor, ...]
    platform: Platform

    @property
    def content_size(self) -> int:
        """Manifest, configuration and layers, each counted once, as a store holds them."""
        own = {d.digest: d.size for d in (self.manifest, self.config_descriptor, *self.layers)}
        return sum(own.values())


ReadBlob = Callable[[Descriptor], bytes]
"""Returns a blob whose digest and size have been checked.  Raises: SubmissionError if it is not there."""

_Model = TypeVar("_Model", bound=BaseModel)


def find_image(layout_index: bytes, read: ReadBlob, wanted: Platform) -> OciImage:
    """Return the image of a platform in an OCI layout.

    Args:
        layout_index: The bytes of `index.json`.
    Raises: SubmissionError if a document cannot be read, or if none or more than one image is for the platform.
    """
    found: dict[str, OciImage] = {}
    others: set[str] = set()
    seen: set[str] = set()
    for entry in _entries(layout_index, "index.json"):
        for manifest in _manifests(entry, read, seen, _MAX_DEPTH):
            image = _image(entry, manifest, read)
            if image is None:
                continue
            if wanted.accepts(image.platform):
                found.setdefault(image.manifest.digest, image)
            else:
                others.add(str(image.platform) or "none")
    if len(found) != 1:
        there = f"only for {', '.join(sorted(others))}" if others else "no image at all"
        what = f"{len(found)} images for {wanted}" if found else f"no image for {wanted}, {there}"
        raise SubmissionError(f"the archive holds {what}", where="index.json", hint=f"build one image for {wanted}")
    return next(iter(found.values()))


def saved_image(manifest_json: bytes) -> SavedImage:
    """Return the one image of a `docker save` archive.  Raises: SubmissionError."""
    images = _parsed(_Saved, manifest_json, "manifest.json").root
    if len(images) != 1:
        raise SubmissionError(f"the archive holds {len(images)} images, not one", where="manifest.json")
    return images[0]


def read_config(data: bytes, where: str) -> ImageConfig:
    """Return an image's configuration.  Raises: SubmissionError."""
    return _parsed(ImageConfig, data, where)


def listed_size(target: Descriptor, read: ReadBlob, host: Platform) -> int:
    """Return the bytes that `ctr images ls` counts for an image that has this target.

    It walks from the target and keeps of an index only the best match for the host's own platform; where there is
    none, as for every WASM index on Linux, the index alone is counted.

    Source: containerd 1.6 to 2.x, `images.Image.Size`: `LimitManifests(FilterPlatforms(ChildrenHandler), host, 1)`.
    """
    total, here = 0, target
    for _ in range(_MAX_DEPTH + 1):
        total += here.size
        document = _parsed(_Document, read(here), here.digest)
        if document.manifests is None:
            config_size = document.config.size if document.config is not None else 0
            return total + config_size + sum(layer.size for layer in document.layers)
        named = [child for child in document.manifests if child.platform is not None]
        matching = [child for child in named if child.platform and host.accepts(child.platform.plain())]
        unnamed = [child for child in document.manifests if child.platform is None]
        if not matching and not unnamed:
            return total
        here = (*matching, *unnamed)[0]
    return total


def as_ctr_prints(size_bytes: int) -> str:
    """Return a size as `ctr images ls` shows it.  Source: containerd, pkg/progress `Bytes.String`."""
    return _scaled(size_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB"), "{:.1f} {}")


def as_docker_prints(size_bytes: int) -> str:
    """Return a size as `docker images` shows it.  Source: docker/go-units `HumanSizeWithPrecision(size, 3)`."""
    return _scaled(size_bytes, 1000, ("B", "kB", "MB", "GB", "TB"), "{:.3g}{}")


def _scaled(size_bytes: int, base: int, units: Sequence[str], pattern: str) -> str:
    value, at = float(size_bytes), 0
    while value >= base and at < len(units) - 1:
        value, at = value / base, at + 1
    return pattern.format(value, units[at])


def _entries(index: bytes, where: str) -> tuple[Descriptor, ...]:
    document = _parsed(_Document, index, where)
    if document.manifests is None:
        raise SubmissionError("an index without `manifests`", where=where)
    return document.manifests


def _manifests(entry: Descriptor, read: ReadBlob, seen: set[str], depth: int) -> Iterator[Descriptor]:
    """Yield the descriptors of the manifests that an entry leads to, itself if it is one; no attestations.

    Each document is read once, so that a few small ones that list each other a thousand times cost nothing.
    """
    if entry.is_attestation or entry.digest in seen:
        return
    seen.add(entry.digest)
    document = _parsed(_Document, read(entry), entry.digest)
    if document.manifests is None:
        yield entry
        return
    if depth == 0:
        raise SubmissionError(f"indexes are nested more than {_MAX_DEPTH} deep", where=entry.digest)
    for child in document.manifests:
        yield from _manifests(child, read, seen, depth - 1)


def _image(target: Descriptor, manifest: Descriptor, read: ReadBlob) -> OciImage | None:
    """Return a manifest as an image; None for an attestation that only its manifest tells."""
    document = _parsed(_Document, read(manifest), manifest.digest)
    if document.config is None:
        raise SubmissionError("a manifest without `config`", where=manifest.digest)
    config = read_config(read(document.config), document.config.digest)
    stated = manifest.platform.plain() if manifest.platform is not None else None
    return OciImage(
        target=target,
        manifest=manifest,
        config_descriptor=document.config,
        config=config,
        layers=document.layers,
        platform=stated if stated is not None and stated.os else config.plain(),
    )


def _parsed(model: type[_Model], data: bytes, where: str) -> _Model:
    if len(data) > MAX_JSON_BYTES:
        raise SubmissionError(f"a document of {len(data)} bytes, more than {MAX_JSON_BYTES}", where=where)
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise SubmissionError(f"it is no image document: {first_mistake(error)}", where=where) from error
