"""Roles are what their documents say, and check mode changes nothing.

After a change of a role's variables: GRADER_WRITE_TABLE=1 bin/test tests/project/test_roles.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from grader.adapters.catalogue import load_catalogue, load_rules
from grader.adapters.roster import load_roster
from grader.model.catalogue import archives, chosen, refusals
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


@pytest.mark.slow
@pytest.mark.once
def test_the_production_profile_of_ansible_lint_has_nothing_to_say(tmp_path: Path) -> None:
    """Without a network; a copy, because it keeps a cache beside what it reads."""
    for name in (".ansible-lint", "ansible.cfg", "roles", "playbooks", "inventory"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, tmp_path / name)
    bare = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    argv = [str(Path(sys.executable).with_name("ansible-lint")), "--offline", "--nocolor", "-q", "--project-dir", "."]
    done = subprocess.run(argv, cwd=tmp_path, env=bare, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@each_role
def test_a_role_can_be_taken_back(role: Path) -> None:
    """All but those that only ask, or that others use with a state of their own."""
    assert f"{role.name}_state" in options(role) or role.name == "lab_preflight"


@each_role
def test_what_changes_a_service_waits_until_it_answers(role: Path) -> None:
    for file in (role / "handlers").glob("*.yml"):
        handlers = load(file)
        restarts = [h for h in handlers if h.get("ansible.builtin.systemd_service", {}).get("state") == "restarted"]
        for restart in restarts:
            same = [h for h in handlers if h["listen"] == restart["listen"] and h is not restart]
            assert any("until" in h or "ansible.builtin.wait_for" in h for h in same), (role.name, restart["name"])


@each_role
def test_no_task_hides_a_failure(role: Path) -> None:
    for file in (role / "tasks").glob("*.yml"):
        for task in tasks(load(file)):
            assert "ignore_errors" not in task, (file.name, task["name"])


@each_role
def test_nothing_is_fetched_without_a_digest(role: Path) -> None:
    """The module `lab_artifact` cannot, and every other way of fetching is seen here."""
    for file in (role / "tasks").glob("*.yml"):
        for task in tasks(load(file)):
            place = (role.name, file.name, task["name"])
            if "ansible.builtin.get_url" in task:
                assert task["ansible.builtin.get_url"]["checksum"].startswith("sha256:"), place
            unpacked = task.get("ansible.builtin.unarchive", {})
            assert "://" not in str(unpacked.get("src", "")), place
            assert not {"ansible.builtin.shell", "ansible.builtin.raw", "ansible.builtin.pip"} & set(task), place
            argv = str(task.get("ansible.builtin.command", ""))
            assert not any(program in argv for program in ("curl", "wget", "git clone")), place


@pytest.mark.parametrize("edition", ["f25", "m26"])
def test_an_edition_is_a_set_of_versions_that_the_catalogue_has_and_no_rule_refuses(edition: str) -> None:
    variables = {name: value for role in ROLES for name, value in load(role / "defaults/main.yml").items()}
    variables |= load(ROOT / f"inventory/example/group_vars/{edition}.yml")
    versions = chosen(load_catalogue(), variables)
    assert {"golang", "tinygo", "spin"} <= set(versions)
    found = list(archives(load_catalogue(), versions, "amd64"))
    assert len(found) == len(versions)
    assert refusals(load_rules(), versions, variables["lab_preflight_needs"]) == ()


@pytest.mark.parametrize("file", sorted((ROOT / "playbooks").glob("*.yml")), ids=lambda path: path.name)
def test_a_playbook_is_well_formed_with_the_example_inventory(file: Path) -> None:
    done = playbook("--syntax-check", str(file), inventory=str(ROOT / "inventory/example"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_plain_ansible_passes_over_the_example_of_a_roster() -> None:
    done = playbook("--list-hosts", "playbooks/site.yml", inventory=str(ROOT / "inventory/example"))
    assert done.returncode == 0, done.stderr
    assert "roster" not in done.stdout + done.stderr
    assert "parse" not in done.stdout + done.stderr
    assert "student-1.example.org" in done.stdout
    assert "student-3.example.org" not in done.stdout


def test_every_row_of_the_example_of_a_roster_is_good_and_names_another_host() -> None:
    roster = load_roster(ROOT / "inventory/example")
    assert roster is not None
    assert roster.refused == ()
    assert len(roster.hosts) == 3
    plain = (ROOT / "inventory/example/hosts.yml").read_text(encoding="utf-8")
    assert not any(host.host in plain for host in roster.hosts)


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


def test_no_task_reads_an_answer_from_a_terminal() -> None:
    """The module `script` has one, on which sudo's warnings stand before what the program prints."""
    tasks = [path for name in ("playbooks", "roles") for path in (ROOT / name).rglob("*.yml")]
    assert tasks
    of_scripts = re.compile(r"^\s+(- )?(ansible\.builtin\.)?script:", re.MULTILINE)
    assert [str(path) for path in tasks if of_scripts.search(path.read_text("utf-8"))] == []
