"""The variables that decide what hosts are given: the roles' defaults with those of an inventory's groups over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grader.adapters.catalogue import read_yaml
from grader.adapters.shipped import shipped
from grader.errors import UsageError

COMMON_GROUPS = ("all", "grading", "student")


def load_variables(inventory: Path, edition: str) -> dict[str, object]:
    """Return the variables of a host of an edition, by `group_vars` alone; what single hosts say is theirs.

    Raises: UsageError if the inventory has no such group, or a file cannot be read.
    """
    groups = inventory / "group_vars"
    if _files(groups, edition) == ():
        there = sorted({path.stem for path in groups.glob("*") if not path.name.startswith(".")} - {*COMMON_GROUPS})
        listed = ", ".join(f"`{name}`" for name in there) or "none"
        raise UsageError(
            f"no edition `{edition}`: its versions would be in `group_vars/{edition}.yml`",
            where=str(inventory),
            hint=f"name one of {listed}, or another inventory",
        )
    found: dict[str, object] = {}
    for path in sorted(shipped("roles").glob("*/defaults/main.yml")):
        found.update(_read(path))
    for group in (*COMMON_GROUPS, edition):
        for path in _files(groups, group):
            found.update(_read(path))
    return found


def _files(groups: Path, name: str) -> tuple[Path, ...]:
    """Return the files of a group: `NAME`, `NAME.yml`, `NAME.yaml`, and those in a folder `NAME`."""
    direct = [groups / f"{name}{suffix}" for suffix in ("", ".yml", ".yaml")]
    inside = sorted(path for path in (groups / name).glob("*.y*ml")) if (groups / name).is_dir() else []
    return tuple(path for path in (*direct, *inside) if path.is_file())


def _read(path: Path) -> Mapping[str, object]:
    data = read_yaml(path)
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise UsageError("holds no variables by name", where=str(path))
    return data
