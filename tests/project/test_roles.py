"""Roles are what their documents say, and check mode changes nothing.

After a change of a role's variables: GRADER_WRITE_TABLE=1 bin/test tests/project/test_roles.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.project.conftest import ROOT

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TABLE = re.compile(r"(<!-- made by .* -->\n).*(<!-- end -->)", re.DOTALL)
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def options(role: Path) -> dict[str, dict[str, Any]]:
    found = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert isinstance(found, dict)
    return found


def table(role: Path) -> str:
    lines = ["", "| variable | type | default | |", "|---|---|---|---|"]
    for name, spec in options(role).items():
        default = spec["default"]
        shown = "`{}`" if default == {} else '`""`' if default == "" else f"`{default}`"
        kind = " or ".join(f"`{choice}`" for choice in spec.get("choices", ())) or spec["type"]
        lines.append(f"| `{name}` | {kind} | {shown} | {spec['description']} |")
    return "\n".join([*lines, "", ""])


@each_role
def test_the_readme_holds_the_table_of_variables(role: Path) -> None:
    readme = role / "README.md"
    text = readme.read_text(encoding="utf-8")
    made = TABLE.sub(lambda match: f"{match[1]}{table(role)}{match[2]}", text)
    if os.environ.get("GRADER_WRITE_TABLE"):
        readme.write_text(made, encoding="utf-8")
        text = made
    assert text == made
    assert all(f"`{name}`" in text for name in options(role))


@each_role
def test_defaults_are_those_of_the_specification(role: Path) -> None:
    assert load(role / "defaults/main.yml") == {name: spec["default"] for name, spec in options(role).items()}


@each_role
def test_variables_carry_the_roles_name(role: Path) -> None:
    assert all(name.startswith(f"{role.name}_") for name in options(role))
    assert all(name.startswith(f"_{role.name}_") for name in load(role / "vars/main.yml"))


@each_role
def test_every_command_says_when_it_changes_something(role: Path) -> None:
    for file in (role / "tasks").glob("*.yml"):
        for task in tasks(load(file)):
            assert task["name"][0].isupper(), task["name"]
            command = task.get("ansible.builtin.command")
            assert command is None or "creates" in command or "changed_when" in task, (file.name, task["name"])


def tasks(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all tasks, those in blocks too."""
    inner = [task for item in items for part in ("block", "rescue", "always") for task in tasks(item.get(part, []))]
    return [*items, *inner]


def playbook(*arguments: str, inventory: str) -> subprocess.CompletedProcess[str]:
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", inventory, *arguments]
    plain = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
    }
    return subprocess.run(
        argv, cwd=ROOT, env=plain, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("file", sorted((ROOT / "playbooks").glob("*.yml")), ids=lambda path: path.name)
def test_a_playbook_is_well_formed_with_the_example_inventory(file: Path) -> None:
    done = playbook("--syntax-check", str(file), inventory=str(ROOT / "inventory/example"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.serial
@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: the role asks for it")
def test_check_mode_on_this_host_goes_through_and_changes_nothing(tmp_path: Path) -> None:
    places = {"dir": tmp_path / "toolkit", "link": tmp_path / "grader"}
    chosen = [f"-egrader_worker_{name}={path}" for name, path in places.items()]
    hosts = tmp_path / "hosts"
    hosts.write_text("[workers]\nthis ansible_connection=local\n", encoding="utf-8")
    boot = Path("/etc/tmpfiles.d/lab-grader.conf")
    before = boot.exists()
    interpreter = f"-eansible_python_interpreter={os.path.realpath(sys.executable)}"
    done = playbook("--check", interpreter, *chosen, "playbooks/site.yml", inventory=str(hosts))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout
    assert not any(path.exists() for path in places.values())
    assert boot.exists() == before
