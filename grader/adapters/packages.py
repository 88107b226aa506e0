"""Read which packages a bundle takes from each release of a distribution."""

from __future__ import annotations

from pathlib import Path

from grader.adapters.catalogue import folder, load_record
from grader.errors import UsageError
from grader.model.bundle import Distribution, Distributions

PACKAGES = "packages.yml"


def load_distribution(release: str, path: Path | None = None) -> Distribution:
    """Return the release with this code name.  Raises: UsageError."""
    file = path or folder() / PACKAGES
    found = load_record(file, Distributions)
    if release not in found.releases:
        listed = ", ".join(f"`{name}` ({about.name})" for name, about in found.releases.items())
        raise UsageError(f"no release `{release}`", where="--release", hint=f"one of {listed}")
    return found.releases[release]
