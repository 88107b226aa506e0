"""The variables that decide what hosts are given: the roles' defaults with those of an inventory's groups over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grader.adapters.catalogue import read_yaml
from grader.adapters.shipped import shipped
from grader.errors import UsageError

COMMON_GROUPS = ("all", "grading", "student")
_ENDS = ("", ".yml", ".yaml")
_NO_EDITION = frozenset({*COMMON_GROUPS, "ungrouped", "mirror", "workers"})


def load_variables(inventory: Path, edition: str) -> dict[str, object]:
    """Return the variables of a host of an edition, by `group_vars` alone; what single hosts say is theirs.

    Args:
        inventory: A folder, or a file with `group_vars` beside it.

    Raises: UsageError if there is no such inventory or group, or a file cannot be read.
    """
    if not inventory.exists():
        raise UsageError("no such inventory", where=str(inventory), hint="copy inventory/example and edit it")
    there = editions(inventory)
    if edition not in there:
        listed = ", ".join(f"`{name}`" for name in sorted(there))
        raise UsageError(
            f"no edition `{edition}`: its versions would be in `group_vars/{edition}.yml`",
            where=str(inventory),
            hint=f"name one of {listed}" if there else "name an inventory with `group_vars`, such as inventory/example",
        )
    groups = _groups(inventory)
    found = role_defaults()
    for group in (*COMMON_GROUPS, edition):
        for path in _files(groups, group):
            found.update(_read(path))
    return found


def role_defaults() -> dict[str, object]:
    """Return the defaults of all roles.  Raises: UsageError."""
    found: dict[str, object] = {}
    for path in sorted(shipped("roles").glob("*/defaults/main.yml")):
        found.update(_read(path))
    return found


def editions(inventory: Path) -> frozenset[str]:
    """Return the groups of an inventory that set a tested set of versions."""
    shown = (path for path in _groups(inventory).glob("*") if not path.name.startswith(".") and path.suffix in _ENDS)
    return frozenset(path.stem for path in shown) - _NO_EDITION


def _groups(inventory: Path) -> Path:
    return (inventory if inventory.is_dir() else inventory.parent) / "group_vars"


def _files(groups: Path, name: str) -> tuple[Path, ...]:
    """Return the files of a group: `NAME`, `NAME.yml`, `NAME.yaml`, and those in a folder `NAME`."""
    direct = [groups / f"{name}{end}" for end in _ENDS]
    inside = sorted(path for path in (groups / name).glob("*.y*ml")) if (groups / name).is_dir() else []
    return tuple(path for path in (*direct, *inside) if path.is_file())


def _read(path: Path) -> Mapping[str, object]:
    data = read_yaml(path)
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise UsageError("holds no variables by name", where=str(path))
    return data
