"""Make image archives as the common writers lay them out; every byte is decided here, so sizes can be counted."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Json = dict[str, Any]


def tar(files: Mapping[str, bytes | tuple[str, str]], mode: int = 0o644) -> bytes:
    """Return a tar of these files; a value `("link", target)` is a symbolic link, `("folder", "")` a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = mode
            if isinstance(content, tuple):
                kind, info.linkname = content
                info.type = tarfile.SYMTYPE if kind == "link" else tarfile.DIRTYPE
                out.addfile(info)
            else:
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


@dataclass
class Blobs:
    """Blobs by digest, to be laid out."""

    data: dict[str, bytes] = field(default_factory=dict)

    def add(self, data: bytes, media_type: str, **more: Any) -> Json:
        """Keep a blob and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.data[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def image(self, platform: str, layers: Sequence[bytes], config: Json | None = None) -> Json:
        """Keep an image of these layers (as stored) and return its manifest's descriptor, with the platform."""
        os, architecture = platform.split("/")
        described = self.add(configuration(platform, layers, config), CONFIG)
        kept = [self.add(layer, LAYER) for layer in layers]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": kept}
        return self.add(encoded(manifest), MANIFEST, platform={"os": os, "architecture": architecture})

    def attestation(self, of: Json) -> Json:
        """Keep what buildx stores beside an image and return its descriptor."""
        config = self.add(encoded({"os": "unknown", "architecture": "unknown"}), CONFIG)
        statement = self.add(b'{"_type":"statement"}', "application/vnd.in-toto+json")
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement]}
        return self.add(
            encoded(manifest),
            MANIFEST,
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={
                "vnd.docker.reference.digest": of["digest"],
                "vnd.docker.reference.type": "attestation-manifest",
            },
        )

    def index(self, manifests: Sequence[Json]) -> Json:
        return self.add(encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}), INDEX)

    def layout(self, path: Path, entries: Sequence[Json]) -> Path:
        """Write an OCI layout whose `index.json` lists these descriptors."""
        files: dict[str, bytes | tuple[str, str]] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        files["index.json"] = encoded({"schemaVersion": 2, "manifests": list(entries)})
        files |= {f"blobs/{digest.replace(':', '/')}": data for digest, data in self.data.items()}
        path.write_bytes(tar(files))
        return path


def configuration(platform: str, layers: Sequence[bytes], config: Json | None) -> bytes:
    """Return the configuration of an image of these layers, compressed or not."""
    os, architecture = platform.split("/")
    plain = [gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" and _whole(layer) else layer for layer in layers]
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in plain]
    rootfs = {"type": "layers", "diff_ids": digests}
    return encoded({"os": os, "architecture": architecture, "config": config or {}, "rootfs": rootfs})


def _whole(layer: bytes) -> bool:
    try:
        gzip.decompress(layer)
    except (EOFError, OSError):
        return False
    return True


def docker_save(
    path: Path,
    platform: str,
    layers: Sequence[bytes],
    config: Json | None = None,
    *,
    tags: Sequence[str] | None = ("made/here:1",),
) -> bytes:
    """Write what `docker save` wrote before Docker 25, equal layers as links; return the configuration."""
    described = configuration(platform, layers, config)
    name = f"{hashlib.sha256(described).hexdigest()}.json"
    files: dict[str, bytes | tuple[str, str]] = {}
    first: dict[bytes, str] = {}
    names = []
    for number, layer in enumerate(layers):
        names.append(f"{number:064x}/layer.tar")
        files[names[-1]] = ("link", f"../{first[layer]}") if layer in first else layer
        first.setdefault(layer, names[-1])
    files[name] = described
    files["manifest.json"] = encoded([{"Config": name, "RepoTags": tags and list(tags), "Layers": names}])
    path.write_bytes(tar(files))
    return described
