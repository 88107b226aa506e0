"""Read which packages a bundle takes from each release of a distribution."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML

from grader.adapters.catalogue import folder
from grader.errors import UsageError
from grader.model.base import first_mistake
from grader.model.bundle import Distribution, Distributions

PACKAGES = "packages.yml"


def load_distribution(release: str, path: Path | None = None) -> Distribution:
    """Return the release with this code name.  Raises: UsageError."""
    file = path or folder() / PACKAGES
    try:
        found = Distributions.model_validate(YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UsageError(first_mistake(error), where=str(file)) from error
    if release not in found.releases:
        listed = ", ".join(f"`{name}` ({about.name})" for name, about in found.releases.items())
        raise UsageError(f"no release `{release}`", where="--release", hint=f"one of {listed}")
    return found.releases[release]
