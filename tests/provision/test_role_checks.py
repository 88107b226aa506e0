"""Every check of every role is made to fail once, by real Ansible on local connections: a host per check.

Programs are stand-ins on a PATH of the test's own, facts are laid over those of this host, and nothing is installed:
what stands in front of an installation is run in check mode.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grader.adapters.catalogue import load_checks
from grader.model.hostcheck import failed_check
from tests.project.conftest import ROOT
from tests.provision.test_pitfalls import PITFALLS

ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
pytestmark = [
    pytest.mark.skipif(not ANSIBLE.exists(), reason="needs: ansible: not installed in this environment"),
    pytest.mark.slow,
    pytest.mark.once,
]
DIGEST = f"sha256:{'0' * 64}"
BUNDLE = {"lab_bundle_release": "here", "lab_bundle_digest": DIGEST}
HERE = {"distribution_release": "here"}
TOOL = {"name": "wasmtime", "version": "47.0.3"}
MODERN = {"name": "containerd-shim-wasmtime", "version": "0.6.1", "needs_cgroup_v2": True}
IMAGE = {"name": "i:1", "archive": "/x", "sha256": "0", "into": "docker"}
ACCOUNT = {"lab_user_accounts": [{"name": "no-such-account-here"}]}
CAPPED = "echo LoadState=loaded; echo TasksMax=1024"

CASES: dict[str, dict[str, Any]] = {
    "bundle-architecture": {"role": "lab_bundle", "tasks": "preflight", "facts": HERE,
                            "vars": {**BUNDLE, "lab_bundle_architecture": "mips"}},
    "bundle-digest": {"role": "lab_bundle", "tasks": "preflight", "facts": HERE,
                      "vars": {**BUNDLE, "lab_bundle_digest": "sha256:12"}},
    "bundle-edition": {"role": "lab_bundle", "tasks": "preflight", "facts": HERE,
                       "vars": {**BUNDLE, "lab_bundle_edition": "m26"}},
    "bundle-release": {"role": "lab_bundle", "tasks": "preflight", "vars": BUNDLE},
    "containerd-answers": {"role": "containerd", "programs": {"ctr": "exit 1", "containerd": "exit 0"}},
    "containerd-config": {"role": "containerd", "vars": {"containerd_runtimes": [{"name": "lost", "type": "x.v1"}]},
                          "programs": {"ctr": "exit 0", "containerd": "echo '[x.runtimes.runc]'"}},
    "containerd-shim": {"role": "containerd_shims",
                        "vars": {"containerd_shims_list": [{"name": "containerd-shim-wasmtime", "version": "0.6.1"}]},
                        "programs": {"systemctl": "echo 0"}},
    "content-image": {"role": "lab_content", "programs": {"docker": "exit 1"},
                      "vars": {"lab_content_images": [IMAGE]}},
    "content-lab": {"role": "lab_content", "tasks": "preflight", "vars": {"lab_content_labs": ["no-such-lab"]}},
    "crun-wasmedge": {"role": "crun_wasmedge", "facts": {"distribution": "Debian", "distribution_major_version": "13"},
                      "programs": {"crun": "echo 'crun 1.8.1'; echo '+SYSTEMD +SELINUX'"}},
    "docker-answers": {"role": "docker", "programs": {"docker": "echo 'Cannot connect' >&2; exit 1"}},
    "docker-buildx": {"role": "docker", "vars": {"docker_buildx_version": "0.36.0"},
                      "programs": {"docker": "echo github.com/docker/buildx v0.10.0"}},
    "golang-version": {"role": "golang", "vars": {"golang_version": "1.21.13"},
                       "programs": {"go": "echo go version go1.26.4 linux/amd64"}},
    "host-architecture": {"role": "lab_preflight", "facts": {"architecture": "riscv64"}},
    "host-cgroup": {"role": "lab_preflight", "vars": {"containerd_shims_list": [MODERN]}},
    "host-clock": {"role": "lab_preflight", "programs": {"date": "echo 12"}},
    "host-disk": {"role": "lab_preflight", "vars": {"lab_preflight_min_disk_gb": 999999}},
    "host-distribution": {"role": "lab_preflight", "facts": {"distribution": "Slackware"}},
    "host-groups": {"role": "lab_preflight"},
    "host-memory": {"role": "lab_preflight", "vars": {"lab_preflight_min_ram_mb": 99999999}},
    "host-port": {"role": "lab_preflight"},
    "host-root": {"role": "lab_preflight", "facts": {"effective_user_id": 1000}},
    "host-systemd": {"role": "lab_preflight", "facts": {"service_mgr": "openrc"}},
    "hyperfine-version": {"role": "wasm_tools", "vars": {"wasm_tools_list": [{**TOOL, "name": "hyperfine"}]}},
    "mirror-answers": {"role": "lab_mirror", "vars": {"lab_mirror_listen": "127.0.0.1"}},
    "shim-known": {"role": "containerd_shims", "tasks": "install", "vars": {"containerd_shims_list": [TOOL]}},
    "spin-version": {"role": "spin", "vars": {"spin_version": "3.4.0"},
                     "programs": {"spin": "echo Spin Version 6.5.2"}},
    "tinygo-go": {"role": "tinygo", "tasks": "install",
                  "vars": {"golang_version": "1.26.4", "tinygo_version": "0.39.0"}},
    "tinygo-version": {"role": "tinygo", "vars": {"tinygo_version": "0.39.0", "golang_version": "1.21.13"},
                       "programs": {"tinygo": "echo tinygo version 0.41.1"}},
    "user-account": {"role": "lab_user", "vars": ACCOUNT, "programs": {"systemctl": CAPPED}},
    "user-caps": {"role": "lab_user", "vars": ACCOUNT, "programs": {"systemctl": "echo TasksMax=infinity"}},
    "user-name": {"role": "lab_user", "tasks": "preflight", "vars": {"lab_user_accounts": [{"name": "$(id)"}]}},
    "wasmedge-version": {"role": "wasm_tools", "vars": {"wasm_tools_list": [{**TOOL, "name": "wasmedge"}]}},
    "wasmtime-version": {"role": "wasm_tools", "vars": {"wasm_tools_list": [TOOL]},
                         "programs": {"wasmtime": "echo wasmtime 12.0.0"}},
    "worker-ready": {"role": "grader_worker", "vars": {"grader_worker_link": "{{ programs }}/grader"},
                     "programs": {"grader": "echo no module named grader >&2; exit 1"}},
}  # fmt: skip
ELSEWHERE = {"artifact-known"}
"""Said by a module, and tried with it."""
FINE = {"architecture": "x86_64", "distribution": "Debian", "distribution_major_version": "12",
        "service_mgr": "systemd", "effective_user_id": 0}  # fmt: skip

PLAY = """
- hosts: all
  gather_facts: true
  environment: {PATH: "{{ programs }}:/usr/sbin:/usr/bin:/sbin:/bin"}
  tasks:
    - ansible.builtin.set_fact:
        seen: "{{ ansible_facts | combine(facts) }}"
    - ansible.builtin.include_tasks: "{{ inventory_hostname }}.yml"
    - ansible.builtin.copy:
        content: "{{ said | default([]) | to_json }}"
        dest: "{{ answers }}/{{ inventory_hostname }}.json"
        mode: "0644"
"""
# A file per host: an include of one role with several `tasks_from` would be one include for all hosts.
CASE = """
- block:
    - ansible.builtin.include_role:
        name: {roles}/{role}
        tasks_from: {tasks}
        apply: {{check_mode: {check_mode}}}
      vars: {{ansible_facts: "{{{{ seen }}}}"}}
  rescue:
    - ansible.builtin.set_fact:
        said: >-
          {{{{ ansible_failed_result.results | default([ansible_failed_result]) | selectattr('failed', 'defined')
             | selectattr('failed') | map(attribute='msg') | list }}}}
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return by check what its host said, of one run over all of them."""
    folder = tmp_path_factory.mktemp("checks")
    (folder / "answers").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = {"lab_preflight_ports_free": [taken.getsockname()[1]]}
        nobody = {"lab_mirror_port": closed.getsockname()[1], "lab_mirror_registry_port": closed.getsockname()[1]}
        more = {"host-port": ports, "mirror-answers": nobody}
        hosts = {check: _host(folder, check, case, more.get(check, {})) for check, case in CASES.items()}
        groups = {name: {"hosts": {"host-groups": None}} for name in ("student", "grading")}
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "children": groups}}), encoding="utf-8")
        (folder / "play.yml").write_text(PLAY, encoding="utf-8")
        environ = {**os.environ, "ANSIBLE_PIPELINING": "1", "ANSIBLE_INJECT_FACT_VARS": "0"}
        done = subprocess.run(
            [ANSIBLE, "--inventory", folder / "hosts.json", "--forks", "4", folder / "play.yml"],
            capture_output=True, text=True, check=False, env=environ, cwd=folder,
        )  # fmt: skip
    answers = {file.stem: json.loads(file.read_text("utf-8")) for file in (folder / "answers").iterdir()}
    assert set(answers) == set(CASES), done.stdout[-4000:] + done.stderr[-4000:]
    return answers


def _host(folder: Path, check: str, case: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    programs = folder / "programs" / check
    programs.mkdir(parents=True)
    for name, script in case.get("programs", {}).items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    tasks = case.get("tasks", "verify")
    text = CASE.format(roles=ROOT / "roles", role=case["role"], tasks=tasks, check_mode=tasks == "install")
    (folder / f"{check}.yml").write_text(text, encoding="utf-8")
    return {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
        "answers": str(folder / "answers"), "programs": str(programs), "lab_artifacts_bin_dir": str(programs),
        "facts": {**FINE, **case.get("facts", {})},
        "_containerd_program": str(programs / "containerd"), **case.get("vars", {}), **more,
    }  # fmt: skip


@pytest.mark.parametrize("check", CASES)
def test_a_check_fails_on_a_host_that_is_not_as_it_wants_and_says_what_it_found(
    said: dict[str, list[str]], check: str
) -> None:
    if check == "host-cgroup" and Path("/sys/fs/cgroup/cgroup.controllers").exists():
        pytest.skip("needs: cgroup-v1: this host has version 2")
    found = [failed_check(message, load_checks()) for message in said[check]]
    assert {one and one.id for one in found} == {check}, said[check]
    assert all(one.found and one.expected and one.prevents and one.remedy for one in found if one is not None)


def test_every_check_of_the_roles_is_made_to_fail() -> None:
    assert set(CASES) | ELSEWHERE | set(PITFALLS) == set(load_checks())
