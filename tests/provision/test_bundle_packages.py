"""A bundle takes along the packages that the roles install: the two lists cannot drift apart."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from grader.adapters.catalogue import folder
from grader.adapters.packages import load_distribution
from grader.errors import UsageError
from tests.project.conftest import ROOT

HOSTS = {
    "bookworm": {"distribution": "Debian", "distribution_major_version": "12"},
    "trixie": {"distribution": "Debian", "distribution_major_version": "13"},
    "noble": {"distribution": "Ubuntu", "distribution_major_version": "24"},
}
FIXED = {"lab_packages": ("python3-apt",)}
"""What Ansible itself needs for packages."""


def read(role: str, file: str) -> dict[str, Any]:
    found = YAML(typ="safe", pure=True).load(ROOT / "roles" / role / file / "main.yml")
    assert isinstance(found, dict)
    return found


def rendered(role: str, name: str, facts: dict[str, str], **said: str) -> tuple[str, ...]:
    """Return a list of packages as Ansible renders it for a host with the role's defaults, but for what is said."""
    template = pytest.importorskip("ansible.template", reason="needs: ansible")
    loader = pytest.importorskip("ansible.parsing.dataloader", reason="needs: ansible").DataLoader()
    trust = pytest.importorskip("ansible.template", reason="needs: ansible").trust_as_template
    variables = {**read(role, "defaults"), **said, **read(role, "vars")}
    variables = {key: trust(value) if isinstance(value, str) else value for key, value in variables.items()}
    engine = template.Templar(loader=loader, variables={**variables, "ansible_facts": facts})
    value = engine.template(variables[name])
    return tuple(sorted(str(package) for package in value))


@pytest.mark.parametrize("release", sorted(HOSTS))
def test_the_packages_of_a_release_are_those_that_the_roles_install_there(release: str) -> None:
    wanted = {
        "containerd": (
            *rendered("containerd", "_containerd_packages", HOSTS[release]),
            *rendered("containerd", "_containerd_packages", HOSTS[release], containerd_version="2.3.4"),
        ),
        "docker": rendered("docker", "_docker_packages", HOSTS[release]),
        "grader_worker": rendered("grader_worker", "_grader_worker_packages", HOSTS[release]),
        "wasm_tools": rendered("wasm_tools", "_wasm_tools_packages", HOSTS[release]),
    }
    if release == "trixie":
        wanted["crun_wasmedge"] = rendered("crun_wasmedge", "_crun_wasmedge_packages", HOSTS[release])
    assert load_distribution(release).packages == wanted | FIXED


def test_a_release_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no release `sid`") as caught:
        load_distribution("sid")
    assert "`trixie` (Debian 13)" in caught.value.hint


def test_the_releases_are_those_that_the_roles_support() -> None:
    data = YAML(typ="safe", pure=True).load((folder() / "packages.yml").read_text(encoding="utf-8"))
    assert sorted(data["releases"]) == sorted(HOSTS)
