"""Fetch the parts of an offline bundle into its folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grader.adapters import bundlefolder, debs, registrypull, wheels
from grader.adapters.debs import Deb
from grader.adapters.fetch import disk_full, fetch
from grader.adapters.registrypull import Pull
from grader.errors import HostError
from grader.model.bundle import Bundle, Distribution, Entry, Image, Item
from grader.model.catalogue import Architecture, Archive


@dataclass
class BundleDepot:
    """Everything for one release and architecture; `partial` is the folder's own for what is not whole.

    `archives` are the catalogue's files by their path in the bundle, `mirror` one to fetch them from, `apt` the
    addresses of repositories by label, `registry` is asked for images instead of the ones that their names say.
    """

    folder: Path
    partial: Path
    distribution: Distribution
    release: str
    architecture: Architecture
    archives: Mapping[str, Archive]
    lock: Path
    apt: Mapping[str, str]
    mirror: str = ""
    registry: str = ""
    _debs: dict[str, Deb] = field(default_factory=dict)
    _pulls: dict[str, Pull] = field(default_factory=dict)

    def packages(self, names: Sequence[str]) -> tuple[Item, ...]:
        """Ask apt."""
        found = debs.closure(self.distribution, self.architecture, names, self.apt)
        self._debs = {f"debs/{deb.file_name}": deb for deb in found}
        return tuple(Item(path=path, size=deb.size, sha256=deb.sha256) for path, deb in self._debs.items())

    def image(self, name: str) -> tuple[Image, Item]:
        """Ask the registry for the manifest, which names size and digest of every part."""
        pull = registrypull.look_up(name, self.architecture, self.registry)
        path = f"images/{registrypull.archive_name(pull.name, pull.digest)}"
        self._pulls[path] = pull
        return Image(name=pull.name, digest=pull.digest, path=path), Item(path=path, size=pull.size, sha256=None)

    def present(self) -> int:
        """Add up what is in the folder; of its own files nothing is hashed for this."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def require_room(self, needed: int) -> None:
        """Look at the disk before the first byte."""
        bundlefolder.require_room(self.folder, needed)

    def fetch(self, item: Item) -> None:
        """Fetch it by digest, whatever it is."""
        target = self.folder / item.path
        with self._room():
            if item.path in self._pulls:
                registrypull.pull(self._pulls[item.path], target, self.partial)
            elif item.path in self._debs:
                fetch(self._debs[item.path].url, target, self.partial, sha256=self._debs[item.path].sha256)
            else:
                archive = self.archives[item.path]
                fetch(archive.mirrored(self.mirror), target, self.partial, sha256=archive.sha256)

    def sign(self) -> tuple[str, ...]:
        """Sign with a key that nobody keeps."""
        if not self._debs:
            return ()
        with self._room():
            debs.write_repository(self.folder / "debs", tuple(self._debs.values()), self.release)
        return tuple(f"debs/{name}" for name in debs.INDEX)

    def wheels(self) -> tuple[str, ...]:
        """Ask pip."""
        folder = self.folder / "wheels"
        with self._room():
            names = wheels.download(
                self.lock, folder, self.partial, python=self.distribution.python, architecture=self.architecture
            )
        return tuple(f"wheels/{name}" for name in names)

    def entry(self, path: str) -> Entry:
        """Hash it."""
        return bundlefolder.entry_of(self.folder, path)

    def keep_only(self, paths: Sequence[str]) -> None:
        """Remove the rest of the bundle's own folders."""
        bundlefolder.keep_only(self.folder, paths)

    def finish(self, bundle: Bundle) -> str:
        """Write it whole or not at all."""
        return bundlefolder.finish(self.folder, bundle)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise disk_full(self.partial) from error
            raise HostError(f"cannot be written: {error.strerror}", where=error.filename or str(self.folder)) from error
