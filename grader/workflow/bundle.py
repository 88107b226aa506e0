"""Make an offline bundle: decide what is in it, say how large it is, fetch what is missing, write the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from grader.errors import UsageError
from grader.model.base import Record, first_mistake
from grader.model.bundle import Bundle, Distribution, Entry, Image, ImageName, Item
from grader.model.catalogue import Architecture, Archive, Catalogue, Rules, archives, chosen, refusals

_Names = TypeAdapter(tuple[ImageName, ...])


class Planned(Record):
    """What a bundle will hold, wheels aside: those are known when they are there."""

    tools: dict[str, str]
    single: tuple[str, ...]
    packages: tuple[str, ...]
    images: tuple[Image, ...]
    items: tuple[Item, ...]

    @property
    def known_bytes(self) -> int:
        """Bytes of the files whose size is known."""
        return sum(item.size or 0 for item in self.items)

    @property
    def unknown(self) -> int:
        """Number of files whose size is not known."""
        return sum(item.size is None for item in self.items)


class Depot(Protocol):
    """Where the parts of a bundle come from, and the folder that they go to."""

    def packages(self, names: Sequence[str]) -> tuple[Item, ...]:
        """Return the packages with all that they depend on."""

    def image(self, name: str) -> tuple[Image, Item]:
        """Return an image and its archive."""

    def present(self) -> int:
        """Return the bytes that the folder holds already, of finished files and of begun ones."""

    def require_room(self, needed: int) -> None:
        """Raises: HostError if the folder's disk has less free."""

    def fetch(self, item: Item) -> None:
        """Have the file, whole; one that is there already is only checked."""

    def sign(self) -> tuple[str, ...]:
        """Make a repository of the packages that were fetched; returns the paths of its own files."""

    def wheels(self) -> tuple[str, ...]:
        """Have the wheels of this toolkit; returns their paths."""

    def entry(self, path: str) -> Entry:
        """Return size and digest of a file of the folder."""

    def keep_only(self, paths: Sequence[str]) -> None:
        """Remove what an earlier list had."""

    def finish(self, bundle: Bundle) -> str:
        """Write the manifest; returns the bundle's digest."""


def files_of(
    catalogue: Catalogue, rules: Rules, variables: Mapping[str, object], architecture: Architecture
) -> tuple[dict[str, str], tuple[tuple[str, Archive], ...]]:
    """Return tool -> version, and the files with what they are of, for the variables of a host.

    Raises: UsageError for a set that does not work together or is not in the catalogue.
    """
    versions = chosen(catalogue, variables)
    needs = variables.get("lab_preflight_needs")
    refused = refusals(rules, versions, [str(need) for need in needs] if isinstance(needs, list) else [])
    if refused:
        rule = refused[0]
        found = ", ".join(f"{name} {versions[name]}" for name in sorted(rule.tools))
        raise UsageError(f"versions-{rule.id}: found {found}, which ends in `{rule.says}`", hint=rule.remedy)
    files = tuple((f"{tool} {version}", file) for tool, version, file in archives(catalogue, versions, architecture))
    return versions, files


def not_held(catalogue: Catalogue, versions: Mapping[str, str], hosts: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return a sentence per host that is to get what a bundle does not hold.

    Args:
        versions: What the bundle holds, by tool.
        hosts: The variables of each host of the edition, the defaults of the roles among them.
    """
    said = []
    for host, variables in hosts.items():
        try:
            own = chosen(catalogue, variables)
        except UsageError as error:
            said.append(f"{host}: {error.what}")
            continue
        other = {name: version for name, version in own.items() if versions.get(name) != version}
        told = ", ".join(f"{name} {other[name]} (it holds {versions.get(name, 'none')})" for name in sorted(other))
        if other:
            said.append(f"{host}: is to get what is not in this bundle, which will not do for it: {told}")
    return said


def image_names(variables: Mapping[str, object]) -> tuple[str, ...]:
    """Return `lab_bundle_images` of a host.  Raises: UsageError if one is not named with its digest."""
    said = variables.get("lab_bundle_images") or []
    try:
        return _Names.validate_python(said)
    except ValidationError as error:
        raise UsageError(
            f"{first_mistake(error)}",
            where="lab_bundle_images",
            hint="name each image as `NAME:TAG@sha256:DIGEST`; a tag alone may be another image tomorrow",
        ) from error


def plan(
    depot: Depot,
    versions: Mapping[str, str],
    files: Sequence[tuple[str, Archive]],
    distribution: Distribution,
    images: Sequence[str],
) -> Planned:
    """Ask for everything that is to be fetched; fetches nothing of it."""
    items = [
        Item(path=f"files/{file.mirrored('').removeprefix('https://')}", size=file.size, sha256=file.sha256)
        for _, file in files
    ]
    pulled = [depot.image(name) for name in images]
    items += [item for _, item in pulled]
    items += depot.packages(distribution.all_packages)
    return Planned(
        tools=dict(versions),
        single=tuple(sorted(name for name, file in files if file.checked == "single")),
        packages=distribution.all_packages,
        images=tuple(image for image, _ in pulled),
        items=tuple(items),
    )


def create(
    depot: Depot,
    planned: Planned,
    *,
    edition: str,
    architecture: Architecture,
    release: str,
    tell: Callable[[int, int, str], None],
) -> str:
    """Fetch what is planned and write the manifest; returns the bundle's digest.

    Args:
        tell: Hears number, count and path before each file.
    Raises: HostError.  What was fetched stays, and the next call goes on from there.
    """
    depot.require_room(max(0, planned.known_bytes - depot.present()))
    for number, item in enumerate(planned.items, 1):
        tell(number, len(planned.items), item.path)
        depot.fetch(item)
    paths = sorted({*(item.path for item in planned.items), *depot.sign(), *depot.wheels()})
    depot.keep_only(paths)
    bundle = Bundle(
        schema_="grader/bundle/1",
        edition=edition,
        architecture=architecture,
        release=release,
        tools=planned.tools,
        single=planned.single,
        packages=planned.packages,
        images=planned.images,
        files=tuple(depot.entry(path) for path in paths),
    )
    return depot.finish(bundle)
