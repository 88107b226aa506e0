"""What an offline bundle holds, and how a folder can differ from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from grader.model.base import Record, digest
from grader.model.catalogue import Architecture, Catalogue, version_key

MANIFEST = "bundle.json"
PARTIAL = ".partial"
"""In a folder that is being filled, what is not whole yet."""
Part = Literal["files", "debs", "images", "wheels"]
PARTS: tuple[Part, ...] = ("files", "debs", "images", "wheels")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_SEGMENT = r"[A-Za-z0-9_+~%@-][A-Za-z0-9._+~%@-]*"
Path_ = Annotated[str, Field(pattern=rf"^(files|debs|images|wheels)(/{_SEGMENT})+$", max_length=1000)]
"""Relative, from one of the four folders; no part of it begins with a dot, so none is `..`."""
ImageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?@sha256:[0-9a-f]{64}$")]
"""`golang:1.21-alpine@sha256:…`: the tag is what it is called, the digest what it is."""


class Entry(Record):
    """One file of a bundle."""

    path: Path_
    size: int = Field(ge=0, description="Bytes.")
    sha256: Sha256


class Image(Record):
    """An image of a bundle; its archive is one of the files."""

    name: str = Field(min_length=1, description="As `docker images` shows it.")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    path: Path_


class Bundle(Record):
    """The contents of `bundle.json`.  Invariant: files are sorted, each once; every image's archive is among them.

    The digest of a bundle is the sha256 of this file, which names the sha256 of every other.
    """

    schema_: Annotated[Literal["grader/bundle/1"], Field(alias="schema")]
    edition: str = Field(min_length=1)
    architecture: Architecture
    release: str = Field(min_length=1, description="Code name of the distribution's release.")
    tools: dict[str, str]
    single: tuple[str, ...] = Field(description="Files that one source alone vouches for.")
    packages: tuple[str, ...]
    images: tuple[Image, ...]
    files: tuple[Entry, ...]

    @field_validator("files")
    @classmethod
    def _sorted(cls, files: tuple[Entry, ...]) -> tuple[Entry, ...]:
        paths = [entry.path for entry in files]
        if paths != sorted(set(paths)):
            raise ValueError("not sorted by path, or one path twice")
        return files

    @model_validator(mode="after")
    def _whole(self) -> Bundle:
        paths = {entry.path for entry in self.files}
        for image in self.images:
            if image.path not in paths:
                raise ValueError(f"the archive of `{image.name}` is not among the files")
        for path in paths:
            folders = path.split("/")
            if any("/".join(folders[:depth]) in paths for depth in range(1, len(folders))):
                raise ValueError(f"`{path}` lies below a file")
        return self

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)


def manifest_bytes(bundle: Bundle) -> bytes:
    """Return the file of a manifest; equal bundles give equal bytes."""
    data = bundle.model_dump(mode="json", by_alias=True)
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def digest_of(data: bytes) -> str:
    """Return a digest as people pass it on: `sha256:…`."""
    return f"sha256:{digest(data)}"


class Item(Record):
    """One file to have.  `size` is None where nobody said it, `sha256` where the parts of the file have theirs."""

    path: str
    size: int | None
    sha256: str | None


class Found(Record):
    """What lies in a folder under a path.  `sha256` is None for what is no plain file or has another size."""

    kind: Literal["file", "folder", "link", "special"]
    size: int = Field(default=0, ge=0)
    sha256: str | None = None


def differences(bundle: Bundle, found: Mapping[str, Found]) -> tuple[str, ...]:
    """Return how a folder differs from its manifest, one sentence each, by path; empty if it does not.

    Args:
        found: By path, everything in the folder but its top and `bundle.json`.
    """
    wanted = {entry.path: entry for entry in bundle.files}
    folders = {"/".join(path.split("/")[:depth]) for path in wanted for depth in range(1, path.count("/") + 1)}
    said = []
    for path in sorted(wanted.keys() | found.keys()):
        what = _difference(wanted.get(path), found.get(path), is_folder=path in folders)
        if what:
            said.append(f"`{path}` {what}")
    return tuple(said)


def _difference(wanted: Entry | None, found: Found | None, *, is_folder: bool) -> str:
    if found is None:
        return "is missing"
    if found.kind in ("link", "special"):
        return f"is a {'symbolic link' if found.kind == 'link' else 'device, pipe or socket'}; a bundle has plain files"
    if wanted is None:
        if found.kind == "folder":
            return "" if is_folder else "is a folder that is not in the manifest"
        return "is not in the manifest"
    if found.kind == "folder":
        return "is a folder, and a file in the manifest"
    if found.size < wanted.size:
        return f"is half written: {found.size} of {wanted.size} bytes"
    if found.size > wanted.size:
        return f"is longer than it should be: {found.size} bytes, expected {wanted.size}"
    if found.sha256 != wanted.sha256:
        return f"has sha256 {found.sha256}, expected {wanted.sha256}"
    return ""


class Source(Record):
    """A repository of packages, by the label in its `Release` file: where it is differs from host to host."""

    label: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    suites: tuple[str, ...] = Field(min_length=1)
    components: tuple[str, ...] = ("main",)


class Distribution(Record):
    """A release of a distribution that hosts may have."""

    name: str = Field(min_length=1)
    python: str = Field(pattern=r"^3\.[0-9]+$", description="Of its `python3`.")
    keyring: str = Field(pattern=r"^/", description="On the host that makes the bundle.")
    keyring_package: str = Field(min_length=1)
    sources: tuple[Source, ...] = Field(min_length=1)
    packages: dict[str, tuple[str, ...]] = Field(description="By role.")

    @property
    def all_packages(self) -> tuple[str, ...]:
        """The packages of all roles, sorted."""
        return tuple(sorted({name for names in self.packages.values() for name in names}))


class Distributions(Record):
    """The releases that bundles can be made for, by code name."""

    schema_: Annotated[Literal["grader/packages/1"], Field(alias="schema")]
    releases: dict[str, Distribution]


def with_overrides(catalogue: Catalogue, overrides: Mapping[str, object]) -> Catalogue:
    """Return a catalogue with a course's own releases (`lab_artifacts_overrides`) laid over it.

    What an override does not say it takes from the catalogue's file; one that says nothing about who vouches for it
    counts as `single`.

    Raises: ValidationError if the result is no catalogue.
    """
    data = catalogue.model_dump(mode="json", by_alias=True, exclude_none=True)
    for tool, releases in overrides.items():
        known = data["tools"].get(tool, {}).get("releases", {})
        for version, files in releases.items() if isinstance(releases, Mapping) else ():
            release = known.setdefault(version, {})
            for architecture, file in files.items() if isinstance(files, Mapping) else ():
                before = release.get(architecture, {})
                kept = {} if "absent" in before else {key: before[key] for key in before if key != "checked"}
                release[architecture] = {"checked": "single"} | kept | dict(file)
            for architecture in ("amd64", "arm64"):
                release.setdefault(architecture, {"absent": "the course's own release has none"})
        if tool in data["tools"]:
            ordered = sorted(known, key=version_key, reverse=True)
            data["tools"][tool]["releases"] = {version: known[version] for version in ordered}
    return Catalogue.model_validate(data)
