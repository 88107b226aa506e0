"""Read `roster.csv` and hand its hosts to Ansible as data that is never a template."""

from __future__ import annotations

import json
import os
from pathlib import Path

from grader.adapters.ansible import NO_INVENTORY
from grader.adapters.rolevariables import editions
from grader.errors import UsageError
from grader.model.roster import LARGEST_ROSTER, Roster, RosterHost, parse_roster

FILE_NAME = "roster.csv"
_VARIABLES = ("group_vars", "host_vars")


def load_roster(inventory: Path) -> Roster | None:
    """Read the roster of an inventory folder; None where there is none.

    A row may name the editions that have a file in `group_vars`.

    Raises: UsageError with the file.
    """
    file = inventory / FILE_NAME
    if not inventory.is_dir() or not os.path.lexists(file):
        return None
    if not file.is_file():
        raise UsageError("is no plain file", where=str(file), hint="docs/hosts.md explains the table")
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            text = opened.read(LARGEST_ROSTER + 1)
        return parse_roster(text, editions(inventory))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except UnicodeDecodeError as error:
        raise UsageError("is no UTF-8 text", where=str(file), hint="save it as CSV UTF-8") from error
    except UsageError as error:
        where = f"{file}: {error.where}" if error.where else str(file)
        raise UsageError(error.what, where=where, hint="docs/hosts.md explains the table") from error


def sources(inventory: Path, roster: Roster | None, scratch: Path) -> tuple[Path, ...]:
    """Return what Ansible is to read, with the hosts of the roster written to a folder of their own.

    Where the table is all that the inventory has, Ansible would refuse its folder; the groups' variables are
    then linked to from beside the table's hosts.
    """
    if roster is None:
        return (inventory,)
    made = scratch / "roster.yml"
    write_inventory(roster, made)
    if any(_is_read(path) for path in inventory.iterdir()):
        return (inventory, made)
    for name in _VARIABLES:
        if (inventory / name).is_dir():
            (scratch / name).symlink_to(inventory / name)
    return (made,)


def _is_read(path: Path) -> bool:
    return path.name not in _VARIABLES and not path.name.startswith(".") and not path.name.endswith(NO_INVENTORY)


def write_inventory(roster: Roster, file: Path) -> None:
    """Write the hosts as an inventory, for the user alone; every cell is marked `!unsafe`, so nothing expands it."""
    text = inventory_text(roster.hosts)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)


def inventory_text(hosts: tuple[RosterHost, ...]) -> str:
    """Return YAML: strings as JSON writes them, which YAML reads alike, each with the tag."""
    lines = ["---"]
    for group in sorted({name for host in hosts for name in (host.group, host.edition)}):
        lines += [f"{json.dumps(group)}:", "  hosts:"]
        lines += [f"    {json.dumps(host.host)}: {{}}" for host in hosts if group in (host.group, host.edition)]
    lines += ["all:", "  hosts:"] if hosts else ["all: {}"]  # Ansible takes no empty file.
    for host in hosts:
        cells = {"ansible_host": host.host, "lab_roster_name": host.name, "ansible_user": host.user}
        lines.append(f"    {json.dumps(host.host)}:")
        lines += [f"      {name}: !unsafe {json.dumps(cell)}" for name, cell in cells.items() if cell]
        if host.port is not None:
            lines.append(f"      ansible_port: {host.port}")
    return "\n".join(lines) + "\n"
