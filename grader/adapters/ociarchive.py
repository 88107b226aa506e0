"""Open an image archive that nobody trusts: any member by name, its image, and files out of its layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from grader.adapters.tarstream import read_tar
from grader.errors import IntakeError, SubmissionError
from grader.model.base import Message
from grader.model.image import ImageSize
from grader.recipes.oci import (
    MAX_JSON_BYTES,
    Descriptor,
    ImageConfig,
    Platform,
    as_ctr_prints,
    find_image,
    listed_size,
    read_config,
    saved_image,
)

MAX_BYTES = 4 << 30
"""Of an archive, and of what its layers unpack to: an image on the official Go image has 1 GiB."""
MAX_MEMBERS = 10_000
"""Of an archive: a layer has one to three, and Docker allows 127 layers."""
MAX_FILES = 500_000
"""Of a layer: the official Go image has 15,000."""
_MAX_LINKS = 8
_CHUNK = 1 << 16


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Member:
    """Where a member's data lies in the file; `target` is set for a link instead."""

    offset: int
    size: int
    target: str | None = None


@dataclass(frozen=True)
class ArchivedImage:
    """The image of one platform in an archive.

    `digest` is its identity: of the manifest, or of the configuration where the archive has no manifest.
    `settings` is the member that holds the configuration, `layers` are those of the layers, the lowest first.
    """

    form: Literal["layout", "docker-save"]
    digest: str
    platform: Platform
    config: ImageConfig
    settings: str
    layers: tuple[str, ...]
    sizes: tuple[ImageSize, ...]


class OciArchive:
    """An open archive.  Invariant: `_members` holds every member once, the last of a name, and none is a folder."""

    def __init__(self, file: BinaryIO, members: dict[str, _Member]) -> None:
        self._file = file
        self._members = members

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[OciArchive]:
        """Open a tar file.  Raises: SubmissionError if it is no whole one; OSError if it cannot be opened."""
        with path.open("rb") as file:
            if path.stat().st_size > MAX_BYTES:
                raise SubmissionError(f"the archive has more than {MAX_BYTES} bytes", where=path.name)
            yield cls(file, _index(file))

    def image(self, wanted: Platform, host: Platform) -> ArchivedImage:
        """Return the image of a platform, with its sizes that the archive decides.

        Args:
            host: Of the machine on which `ctr images ls` would list it.
        Raises: SubmissionError if the archive holds no such image, or a blob of it is not what its digest says.
        """
        if "index.json" in self._members:
            return self._of_layout(wanted, host)
        if "manifest.json" in self._members:
            return self._of_save(wanted)
        raise SubmissionError("an archive without `index.json` or `manifest.json` holds no image")

    def document(self, name: str) -> bytes:
        """Return a member that is no larger than a document may be.  Raises: SubmissionError."""
        return self._small(name)

    def copy(self, name: str, target: tarfile.TarFile, as_name: str) -> None:
        """Copy the data of a member into another archive.  Raises: SubmissionError if it is not there."""
        member = self._member(name)
        info = tarfile.TarInfo(as_name)
        info.size, info.mode = member.size, 0o644
        target.addfile(info, self._section(member))

    def unpacked(self, image: ArchivedImage) -> int:
        """Return the bytes of all files in all layers, replaced ones included.

        Source: moby, pkg/archive `UnpackLayer`, whose sum is the size of a layer in the classic store.
        Raises: SubmissionError if a layer cannot be read, or unpacks to more than `MAX_BYTES`.
        """
        total = 0
        for layer in image.layers:
            for _, _, chunks in self._files(layer):
                for chunk in chunks:
                    total += len(chunk)
                    if total > MAX_BYTES:
                        raise SubmissionError(f"its layers unpack to more than {MAX_BYTES} bytes", where=layer)
        return total

    def extract(self, image: ArchivedImage, name: str, target: Path, cap: int) -> Message | None:
        """Write the file that a container sees at `name` to `target`; return why there is none.

        The last layer that says something about the name decides; links are not followed, as a program that hides
        behind one is nobody's usual build.
        """
        wanted = posixpath.normpath("/" + name).lstrip("/")
        for layer in reversed(image.layers):
            verdict = self._search(layer, wanted, target, cap)
            if verdict is not None:
                return None if verdict == "written" else Message(code="image.no-file", params={"file": name})
        return Message(code="image.no-file", params={"file": name})

    def _search(self, layer: str, wanted: str, target: Path, cap: int) -> Literal["written", "gone"] | None:
        """Return what this layer says about a name; None if nothing."""
        whiteouts, folders = _whiteouts(wanted)
        verdict: Literal["written", "gone"] | None = None
        for path, kind, chunks in self._files(layer):
            if path == wanted:
                verdict = "written" if kind == "file" and _kept(chunks, target, cap) else "gone"
            elif verdict is None and (path in whiteouts or (path in folders and kind != "folder")):
                verdict = "gone"
        return verdict

    def _of_layout(self, wanted: Platform, host: Platform) -> ArchivedImage:
        found = find_image(self._small("index.json"), self._blob, wanted)
        for layer in found.layers:
            self._verify(layer)
        listed = listed_size(found.target, self._blob, host)
        sizes = (
            ImageSize(
                notion="content",
                size_bytes=found.content_size,
                method=f"sum of the manifest's descriptors for {found.platform}, and the manifest",
            ),
            ImageSize(
                notion="ctr_ls",
                size_bytes=listed,
                method=f"what `ctr images ls` counts on {host}",
                printed=as_ctr_prints(listed),
            ),
            ImageSize(notion="oci_archive", size_bytes=self._file.seek(0, io.SEEK_END), method="size of the archive"),
        )
        return ArchivedImage(
            form="layout",
            digest=found.manifest.digest,
            platform=found.platform,
            config=found.config,
            settings=_blob_name(found.config_descriptor),
            layers=tuple(_blob_name(layer) for layer in found.layers),
            sizes=sizes,
        )

    def _of_save(self, wanted: Platform) -> ArchivedImage:
        saved = saved_image(self._small("manifest.json"))
        data = self._small(saved.config)
        config = read_config(data, saved.config)
        platform = config.plain()
        if not wanted.accepts(platform):
            raise SubmissionError(f"the archive holds no image for {wanted}, only for {platform}", where=saved.config)
        stored = len(data) + sum(member.size for member in {self._member(layer) for layer in saved.layers})
        how = "configuration and layers as they lie in the archive, which has no manifest"
        return ArchivedImage(
            form="docker-save",
            digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
            platform=platform,
            config=config,
            settings=saved.config,
            layers=saved.layers,
            sizes=(ImageSize(notion="content", size_bytes=stored, method=how),),
        )

    def _blob(self, descriptor: Descriptor) -> bytes:
        data = self._small(_blob_name(descriptor))
        if len(data) != descriptor.size or hashlib.sha256(data).hexdigest() != descriptor.digest[7:]:
            raise _damaged(descriptor)
        return data

    def _verify(self, descriptor: Descriptor) -> None:
        member = self._member(_blob_name(descriptor))
        found = hashlib.sha256()
        for chunk in _chunks(self._section(member)):
            found.update(chunk)
        if member.size != descriptor.size or found.hexdigest() != descriptor.digest[7:]:
            raise _damaged(descriptor)

    def _small(self, name: str) -> bytes:
        member = self._member(name)
        if member.size > MAX_JSON_BYTES:
            raise SubmissionError(f"a document of {member.size} bytes, more than {MAX_JSON_BYTES}", where=name)
        return self._section(member).read(member.size)

    def _member(self, name: str) -> _Member:
        """Return a member that has data; `docker save` once wrote equal layers as links."""
        at = name
        for _ in range(_MAX_LINKS):
            found = self._members.get(at)
            if found is None:
                break
            if found.target is None:
                return found
            at = posixpath.normpath(posixpath.join(posixpath.dirname(at), found.target))
        raise SubmissionError("the archive lacks a part of the image", where=name, hint="save or build it again")

    def _section(self, member: _Member) -> _Section:
        return _Section(self._file, member.offset, member.size)

    def _files(self, layer: str) -> Iterator[tuple[str, str, Iterator[bytes]]]:
        """Yield name, kind and data of everything in a layer."""
        section = self._section(self._member(layer))
        source: _Readable = section
        magic = section.peek(4)
        if magic[:2] == b"\x1f\x8b":
            source = gzip.GzipFile(fileobj=section, mode="rb")
        elif magic == b"\x28\xb5\x2f\xfd":
            raise SubmissionError("a layer compressed by zstd cannot be read here", where=layer, hint="use gzip")
        try:
            for number, member in enumerate(read_tar(source.read)):
                if number >= MAX_FILES:
                    raise SubmissionError(f"a layer has more than {MAX_FILES} files", where=layer)
                path = posixpath.normpath("/" + member.path).lstrip("/")
                yield path, member.kind, member.chunks
        except IntakeError as error:
            raise SubmissionError(f"a layer cannot be read: {error.what}", where=layer) from error
        except (OSError, EOFError, zlib.error) as error:
            raise SubmissionError(f"a layer cannot be unpacked: {error}", where=layer) from error


class _Section:
    """A part of a file, read from its own place each time, so that several can be read by turns."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._begin = self._at = offset
        self._end = offset + size

    def seek(self, offset: int, /) -> int:
        self._at = self._begin + offset
        return offset

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them."""
        self._file.seek(self._at)
        return self._file.read(min(size, self._end - self._at))

    def read(self, size: int = -1, /) -> bytes:
        left = self._end - self._at
        self._file.seek(self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


def _index(file: BinaryIO) -> dict[str, _Member]:
    members: dict[str, _Member] = {}
    try:
        for member in read_tar(file.read):
            if len(members) >= MAX_MEMBERS:
                raise SubmissionError(f"the archive has more than {MAX_MEMBERS} members")
            name = posixpath.normpath(member.path)
            if member.kind == "file":
                # The reader takes exactly the header, so that the data begins here.
                offset = file.tell()
                members[name] = _Member(offset, sum(len(chunk) for chunk in member.chunks))
            elif member.kind in ("link", "hard-link"):
                target = member.target if member.kind == "link" else posixpath.relpath(member.target, _folder(name))
                members[name] = _Member(0, 0, target)
    except IntakeError as error:
        raise SubmissionError(error.what, where=error.where, hint=error.hint) from error
    return members


def _whiteouts(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of a layer that hide a file of the layers below, and the folders above it.

    Source: OCI Image Format Specification 1.1, layer, "Whiteouts".
    """
    folder, base = posixpath.split(name)
    whiteouts, folders = {posixpath.join(folder, f".wh.{base}")}, set[str]()
    while folder:
        parent, own = posixpath.split(folder)
        whiteouts |= {posixpath.join(parent, f".wh.{own}"), posixpath.join(folder, ".wh..wh..opq")}
        folders.add(folder)
        folder = parent
    return frozenset(whiteouts), frozenset(folders)


def _folder(name: str) -> str:
    return posixpath.dirname(name) or "."


def _blob_name(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest[7:]}"


def _chunks(section: _Section) -> Iterator[bytes]:
    while data := section.read(_CHUNK):
        yield data


def _kept(chunks: Iterator[bytes], target: Path, cap: int) -> bool:
    """Write the data; False, and nothing is left, if there is more than `cap`."""
    total = 0
    with target.open("wb") as file:
        for chunk in chunks:
            total += len(chunk)
            if total > cap:
                break
            file.write(chunk)
    if total > cap:
        target.unlink()
        return False
    target.chmod(0o755)
    return True


def _damaged(descriptor: Descriptor) -> SubmissionError:
    return SubmissionError("a blob is not what its digest says", where=descriptor.digest, hint="save or build it again")
