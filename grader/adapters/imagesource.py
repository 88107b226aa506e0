"""Take an image that somebody names out of a file or a daemon, as an archive of our own; theirs stays as it is.

What an archive calls its image is left behind: a daemon that loads it would give that name to what it has loaded, and
take it from whatever image had it before.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from grader.adapters.containerd import Containerd
from grader.adapters.containerfile import host_platform, odd_volume
from grader.adapters.ctr import MOVE_S
from grader.adapters.docker import Docker
from grader.adapters.imagelayout import MANIFEST
from grader.adapters.ociarchive import MAX_BYTES, ArchivedImage, OciArchive
from grader.errors import SubmissionError, UsageError
from grader.model.base import Record
from grader.model.run import Artifact
from grader.recipes.oci import Platform

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_SHORTEST_FOLDER = re.compile(r"\.{0,2}/")
_HOME = "docker.io/library/"
"""What Docker leaves out of the names of its own images, and containerd does not."""


class Unfit(Record):
    """Why an image that is there cannot be run on a platform."""

    why: str


class ImageSources:
    """Where an image is looked for by the name that somebody gives: a file, then Docker, then containerd.

    Each is taken once, however many arms run it.

    Args:
        docker, containerd: Open daemons, None where there is none or none of its images is wanted.
        namespace: That of containerd in which images are looked for.
        folder: Holds the archives; the caller keeps it as long as they are needed.
    """

    def __init__(self, docker: Docker | None, containerd: Containerd | None, namespace: str, folder: Path) -> None:
        self._docker = docker
        self._containerd = containerd
        self._namespace = namespace
        self._folder = folder
        self._taken: dict[tuple[str, str], Artifact | Unfit] = {}
        self._saved: dict[str, Path] = {}

    def take(self, name: str, wanted: Platform) -> Artifact | Unfit:
        """Return the image of a platform, or why what has that name is none.

        Raises: UsageError if nothing has that name; HostError if a daemon fails.
        """
        key = (name, str(wanted))
        if key not in self._taken:
            self._taken[key] = self._take(name, wanted)
        return self._taken[key]

    def _take(self, name: str, wanted: Platform) -> Artifact | Unfit:
        wrong: list[str] = []
        for archive in self._archives(name, wanted):
            try:
                return copy_image(archive, wanted, self._new())
            except SubmissionError as error:
                wrong.append(error.what)
            except OSError as error:
                wrong.append(f"it cannot be read: {error.strerror or error}")
        if not wrong:
            raise UsageError(f"there is no image `{name}`", where="--image", hint=self._looked(name))
        return Unfit(why="; ".join(dict.fromkeys(wrong)))

    def _archives(self, name: str, wanted: Platform) -> Iterator[Path]:
        """Yield archives that may hold the image, the next one only if the last does not."""
        path = Path(name)
        if path.is_file():
            yield path
        if path.exists() or _SHORTEST_FOLDER.match(name) or _REFERENCE.fullmatch(name) is None:
            return
        if self._docker is not None and (there := self._docker.api.image(name)) is not None:
            if there.id not in self._saved:
                # By its id, so that the archive has none of its names.
                self._docker.api.save(there.id, target := self._new(), MAX_BYTES)
                self._saved[there.id] = target
            yield self._saved[there.id]
        if self._containerd is not None:
            theirs = self._containerd.ctr.of(self._namespace)
            listed = set(theirs.listed("images", "ls", "-q"))
            for full in {name: None, f"{_HOME}{name}": None, f"{_HOME}{name}:latest": None}:
                if full in listed:
                    target = self._new()
                    theirs.ask("images", "export", "--platform", str(wanted), str(target), full, timeout_s=MOVE_S)
                    yield target

    def _new(self) -> Path:
        return self._folder / f"{len(list(self._folder.iterdir()))}.tar"

    def _looked(self, name: str) -> str:
        """Return what to do about a name that nobody knows."""
        if Path(name).is_dir():
            return "it is a folder: name an archive, as `docker save` or `buildah push … oci-archive:` writes one"
        if _SHORTEST_FOLDER.match(name) or _REFERENCE.fullmatch(name) is None:
            return "there is no file of that name, and no image can have it"
        daemons = ["Docker"] if self._docker is not None else []
        daemons += [f"containerd's namespace `{self._namespace}`"] if self._containerd is not None else []
        where = " and ".join(["no file of that name is here", *(f"{daemon} does not have it" for daemon in daemons)])
        return f"{where}: build or pull it first"


def copy_image(source: Path, wanted: Platform, target: Path) -> Artifact:
    """Write the image of a platform from one archive as another that holds nothing else, and no name.

    An image with a manifest is written so that containerd reads it as an OCI layout and every Docker, which before
    version 25 knows none, as what `docker save` writes.

    Raises: SubmissionError if the archive holds no such image, or none that a container can be made of as it asks;
        OSError.
    """
    with OciArchive.open(source) as archive:
        found = archive.image(wanted, host_platform())
        odd = odd_volume(found.config.volumes, found.config.entrypoint or found.config.command)
        if odd is not None:
            raise SubmissionError(f"the image declares the volume `{odd[:80]}`, which no container is given")
        with tarfile.open(target, "w") as out:
            names = _layout(archive, found, out) if found.form == "layout" else _plain_names(found)
            for name, new in names.items():
                archive.copy(name, out, new)
            saved = {
                "Config": names[found.settings],
                "RepoTags": None,
                "Layers": [names[layer] for layer in found.layers],
            }
            _add(out, "manifest.json", [saved])
    digest = found.digest.removeprefix("sha256:")
    return Artifact(subject="", label="image", sha256=digest, size=target.stat().st_size, path=str(target))


def _layout(archive: OciArchive, found: ArchivedImage, out: tarfile.TarFile) -> dict[str, str]:
    """Write what makes the archive a layout, and return the members that it needs by name, here and there."""
    manifest = f"blobs/sha256/{found.digest.removeprefix('sha256:')}"
    data = archive.document(manifest)
    entry = {
        "mediaType": json.loads(data).get("mediaType") or MANIFEST,
        "digest": found.digest,
        "size": len(data),
        "platform": {name: part for name, part in found.platform.model_dump().items() if part},
    }
    _add(out, "oci-layout", {"imageLayoutVersion": "1.0.0"})
    _add(out, "index.json", {"schemaVersion": 2, "manifests": [entry]})
    return {name: name for name in (manifest, found.settings, *found.layers)}


def _plain_names(found: ArchivedImage) -> dict[str, str]:
    """Return what members are called here, and in the copy, where nobody else has chosen how."""
    layers = {name: f"{number}.tar" for number, name in enumerate(dict.fromkeys(found.layers))}
    return {found.settings: f"{found.digest.removeprefix('sha256:')}.json"} | layers


def _add(out: tarfile.TarFile, name: str, document: object) -> None:
    data = json.dumps(document, separators=(",", ":")).encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    out.addfile(info, io.BytesIO(data))
