"""Pull an image by its digest into one archive that `docker load` and `ctr images import` take.

Every part is checked by its own sha256, which the manifest names, and the manifest by the digest that was asked for;
so a registry, a mirror or a proxy need not be trusted.

Source: OCI Distribution Specification 1.1, "Pull"; CNCF Distribution, "Token Authentication"; OCI Image Layout 1.1.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import Field, ValidationError

from grader.adapters.fetch import fetch
from grader.errors import HostError, UsageError
from grader.model.base import Record, first_mistake
from grader.model.bundle import digest_of
from grader.model.catalogue import Architecture

HUB = "docker.io"
"""Where an image is whose name says no registry."""
_HUB_URL = f"https://registry-1.{HUB}"
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_LARGEST_MANIFEST = 4 << 20
_TIMEOUT_S = 60.0
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class _Blob(Record, extra="ignore"):
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    size: int = Field(ge=0)


class _Platform(Record, extra="ignore"):
    os: str
    architecture: str


class _OfPlatform(_Blob):
    platform: _Platform | None = None


class _Index(Record, extra="ignore"):
    manifests: tuple[_OfPlatform, ...]


class _Manifest(Record, extra="ignore"):
    config: _Blob
    layers: tuple[_Blob, ...]


@dataclass(frozen=True)
class Pull:
    """An image to pull: where its parts are, and the bytes of its manifest."""

    name: str
    digest: str
    base: str
    manifest: bytes
    media_type: str
    config: str
    layers: tuple[str, ...]
    sizes: Mapping[str, int]
    token: str

    @property
    def size(self) -> int:
        """Bytes of the archive, but for its headers."""
        return sum(self.sizes.values()) + len(self.manifest)


def look_up(image: str, architecture: Architecture, registry: str = "") -> Pull:
    """Ask for the manifest of `NAME[:TAG]@sha256:…`, of an index the one for the architecture (else `wasi/wasm`).

    Args:
        registry: Asked instead of the one that the name says, for example a course's own mirror.
    Raises: UsageError, HostError.
    """
    name, _, digest = image.partition("@")
    host, repository = _place(name)
    base = f"{registry.rstrip('/') or (_HUB_URL if host == HUB else f'https://{host}')}/v2/{repository}"
    token, data, media_type = _manifest(base, digest, "")
    if media_type in _INDEXES:
        found = _read(_Index, data, base).manifests
        match = [m for m in found if m.platform and (m.platform.os, m.platform.architecture) == ("linux", architecture)]
        match += [m for m in found if m.platform and (m.platform.os, m.platform.architecture) == ("wasi", "wasm")]
        if not match:
            there = ", ".join(f"`{m.platform.os}/{m.platform.architecture}`" for m in found if m.platform)
            raise UsageError(f"there is no image for `linux/{architecture}`; there is {there}", where=image)
        token, data, media_type = _manifest(base, match[0].digest, token)
    manifest = _read(_Manifest, data, base)
    return Pull(
        name=name,
        digest=digest,
        base=base,
        manifest=data,
        media_type=media_type,
        config=manifest.config.digest,
        layers=tuple(layer.digest for layer in manifest.layers),
        sizes={blob.digest: blob.size for blob in (manifest.config, *manifest.layers)},
        token=token,
    )


def pull(image: Pull, target: Path, partial: Path) -> None:
    """Fetch the parts, going on where an earlier run was cut off, and write the archive.

    The same image gives the same bytes.  Raises: HostError.
    """
    blobs = {digest: partial / f"blob-{digest.removeprefix('sha256:')}" for digest in image.sizes}
    for digest, path in blobs.items():
        headers = {"Authorization": f"Bearer {image.token}"} if image.token else {}
        fetch(f"{image.base}/blobs/{digest}", path, partial, sha256=digest.removeprefix("sha256:"), headers=headers)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = partial / "image.tar"
    with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(_documents(image).items()):
            _add(archive, name, io.BytesIO(content), len(content))
        for digest, path in sorted(blobs.items()):
            with path.open("rb") as file:
                _add(archive, _blob_path(digest), file, image.sizes[digest])
    unfinished.replace(target)
    for path in blobs.values():
        path.unlink(missing_ok=True)


def archive_name(name: str, digest: str) -> str:
    """Return the file's name for an image: readable, and of its own for each digest."""
    return f"{re.sub('[^A-Za-z0-9]+', '-', name).strip('-')}-{digest.removeprefix('sha256:')[:12]}.tar"


def _documents(image: Pull) -> dict[str, bytes]:
    """Return what lies beside the blobs: the layout for containerd, `manifest.json` for Docker before 25."""
    digest = digest_of(image.manifest)
    host, repository = _place(image.name)
    tag = image.name.rpartition(":")[2] if ":" in image.name.rpartition("/")[2] else "latest"
    full = f"{host}/{repository}:{tag}"
    entry = {
        "mediaType": image.media_type,
        "digest": digest,
        "size": len(image.manifest),
        "annotations": {"io.containerd.image.name": full, "org.opencontainers.image.ref.name": tag},
    }
    short = full.removeprefix(f"{HUB}/").removeprefix("library/") if host == HUB else full
    docker = [
        {
            "Config": _blob_path(image.config),
            "RepoTags": [short],
            "Layers": [_blob_path(layer) for layer in image.layers],
        }
    ]
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": _json({"schemaVersion": 2, "mediaType": _INDEXES[0], "manifests": [entry]}),
        "manifest.json": _json(docker),
        _blob_path(digest): image.manifest,
    }


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    archive.addfile(entry, content)


def _place(name: str) -> tuple[str, str]:
    """Return registry and repository of a name: as Docker reads it, a first part without a dot or colon is no host."""
    first, slash, rest = name.partition("/")
    host, path = (first, rest) if slash and ("." in first or ":" in first or first == "localhost") else (HUB, name)
    repository = path.rpartition("/")[0] + "/" + path.rpartition("/")[2].partition(":")[0]
    repository = repository.lstrip("/")
    return host, f"library/{repository}" if host == HUB and "/" not in repository else repository


_Document = TypeVar("_Document", bound=Record)


def _read(kind: type[_Document], data: bytes, where: str) -> _Document:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise HostError(f"the registry's manifest cannot be read: {first_mistake(error)}", where=where) from error


def _manifest(base: str, digest: str, token: str) -> tuple[str, bytes, str]:
    """Return the token that was needed, the manifest and its type."""
    url = f"{base}/manifests/{digest}"
    for _ in range(2):
        headers = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            data, kind = _get(url, headers)
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code == 401 and not token and challenge.lower().startswith("bearer "):
                token = _token(challenge, url)
                continue
            raise HostError(f"the registry answered {error.code} {error.reason}", where=url, hint=_SEE) from error
        except (OSError, http.client.HTTPException) as error:
            raise HostError(f"the registry does not answer: {getattr(error, 'reason', error)}", where=url) from error
        if digest_of(data) != digest:
            raise HostError("the registry sent another manifest than that of the digest", where=url)
        return token, data, kind
    raise HostError("the registry refuses the token that it gave", where=url, hint=_SEE)


_SEE = "see that the image is there and anybody may pull it; `--registry` names another place"


def _token(challenge: str, where: str) -> str:
    """Return what anybody is given who asks to pull."""
    said = dict(_CHALLENGE.findall(challenge))
    realm = said.pop("realm", "")
    if not realm.startswith(("https://", "http://127.0.0.1")):
        raise HostError("the registry asks for a login in a way that is not understood", where=where, hint=_SEE)
    query = urlencode({key: said[key] for key in ("service", "scope") if key in said})
    try:
        data, _ = _get(f"{realm}{'&' if urlsplit(realm).query else '?'}{query}", {})
        answer = json.loads(data)
        return str(answer.get("token") or answer["access_token"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, AttributeError) as error:
        raise HostError("the registry's login gives no token", where=realm, hint=_SEE) from error


def _get(url: str, headers: Mapping[str, str]) -> tuple[bytes, str]:
    if not url.startswith(("http://", "https://")):
        raise OSError("no address of a registry")
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - checked just above
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        return answer.read(_LARGEST_MANIFEST), str(answer.headers.get_content_type())
