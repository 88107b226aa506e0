"""Write container images into an OCI image layout: blobs in a folder, named by their digest.

The same members give the same bytes on one host; another zlib compresses otherwise, and then digests differ.

Source: OCI Image Format Specification 1.1, "Image Layout", "Manifest", "Configuration", "Filesystem Layer".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from grader.model.base import Record
from grader.recipes.oci import Descriptor

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_LEVEL = 1
"""Of gzip: a layer is written on the host that reads it, so time counts for more than bytes."""
_EPOCH = "1970-01-01T00:00:00Z"

Json = Mapping[str, object]


@dataclass(frozen=True)
class Member:
    """A file, link or folder of a layer; the path has no leading slash, and a folder needs no member for its parents.

    `content` is the bytes of a file, a file on this host to take them from, or None for a folder; `target` is set
    for a symbolic link instead.
    """

    path: str
    content: bytes | Path | None = None
    mode: int = 0o755
    target: str | None = None


class Layer(Record):
    """A layer as it is stored; `diff_id` is the digest of its tar archive."""

    blob: Descriptor
    diff_id: str


class Written(Record):
    """An image of a layout: its manifest and all that this names."""

    manifest: Descriptor
    parts: tuple[Descriptor, ...]


class Settings(Record):
    """What a container of the image starts with."""

    os: str
    architecture: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = "/"
    labels: Mapping[str, str] = Field(default_factory=dict)


class Layout:
    """A folder that images are written into; it must exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifests: list[dict[str, object]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', "ascii")

    def path(self, blob: Descriptor) -> Path:
        """Return the file of a blob."""
        return self._folder / "blobs" / "sha256" / blob.digest.removeprefix("sha256:")

    def layer(self, members: Iterable[Member]) -> Layer:
        """Write a layer, its members in the given order, all owned by root and made at the epoch."""
        unfinished = self._folder / "layer.unfinished"
        with unfinished.open("wb") as file:
            stored = _Counted(file.write)
            with gzip.GzipFile("", "wb", _LEVEL, stored, mtime=0) as packed:
                plain = _Counted(packed.write)
                with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
                    for member in members:
                        _add(archive, member)
        blob = Descriptor(mediaType=_LAYER, digest=stored.digest(), size=stored.size)
        unfinished.replace(self.path(blob))
        return Layer(blob=blob, diff_id=plain.digest())

    def image(self, name: str, layers: Iterable[Layer], settings: Settings) -> Written:
        """Write an image of these layers, known by `name` (as `ctr images import` reads it)."""
        used = tuple(layers)
        config = self._json(_CONFIG, _config(settings, used))
        manifest = self._json(
            MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _entry(config),
                "layers": [_entry(layer.blob) for layer in used],
            },
        )
        self._manifests.append(
            dict(_entry(manifest))
            | {"platform": {"os": settings.os, "architecture": settings.architecture}}
            | {"annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}}
        )
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": self._manifests}
        (self._folder / "index.json").write_bytes(_bytes(index))
        return Written(manifest=manifest, parts=(config, *(layer.blob for layer in used)))

    def archive(self, target: Path) -> None:
        """Write the layout as one tar archive, as `ctr images import` and `docker load` take it."""
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(self._folder.rglob("*")):
                if path.is_file():
                    _add(archive, Member(str(path.relative_to(self._folder)), path, 0o644))

    def _json(self, media_type: str, document: Json) -> Descriptor:
        data = _bytes(document)
        blob = Descriptor(mediaType=media_type, digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data))
        self.path(blob).write_bytes(data)
        return blob


class _Counted:
    """Passes bytes on, with their number and digest."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.size += len(data)
        self._write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here; `gzip` asks."""

    def digest(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"


def _config(settings: Settings, layers: tuple[Layer, ...]) -> Json:
    started = {
        "Entrypoint": list(settings.entrypoint),
        "Cmd": list(settings.command),
        "Env": list(settings.env),
        "WorkingDir": settings.working_dir,
        "Labels": dict(settings.labels),
    }
    return {
        "created": _EPOCH,
        "os": settings.os,
        "architecture": settings.architecture,
        "config": {name: value for name, value in started.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": "lab-grader"} for _ in layers],
    }


def _entry(descriptor: Descriptor) -> Json:
    return descriptor.model_dump(by_alias=True, include={"media_type", "digest", "size"})


def _add(archive: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.path)
    info.mode = member.mode
    if member.target is not None:
        info.type, info.linkname = tarfile.SYMTYPE, member.target
        archive.addfile(info)
    elif member.content is None:
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    elif isinstance(member.content, bytes):
        info.size = len(member.content)
        archive.addfile(info, io.BytesIO(member.content))
    else:
        info.size = member.content.stat().st_size
        with member.content.open("rb") as file:
            archive.addfile(info, file)


def _bytes(document: Json) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
