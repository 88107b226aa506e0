"""Where the data lies that comes with this package: labs, roles, playbooks, locked requirements."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """Return a file or folder by its path in a checkout: there, or inside the package where that is a wheel."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_share"
    return (inside if inside.is_dir() else package.parent) / name
