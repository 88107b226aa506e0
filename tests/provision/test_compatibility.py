"""The role `lab_preflight` and the command refuse the same sets of versions."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

from grader.adapters.catalogue import load_catalogue, load_rules
from grader.model.catalogue import chosen, refusals
from tests.project.conftest import ROOT

SETS = [
    {"golang_version": go, "tinygo_version": tinygo, "spin_version": spin, "containerd_version": containerd}
    for go, tinygo, spin, containerd in itertools.product(
        ("1.18", "1.21.13", "1.26.4"),
        ("0.35", "0.39.0", "0.41.1"),
        ("3.6.2", "4.0.1"),
        ("", "1.6.20", "1.7.6", "2.3.4"),
    )
]
NEEDS: tuple[list[str], ...] = ([], ["wasm-layers", "spin-tinygo-template"])


def test_the_role_and_the_command_refuse_the_same_sets(tmp_path: Path) -> None:
    """The role's own expressions are asked, in one run of Ansible."""
    rules, catalogue = load_rules(), load_catalogue()
    tasks = []
    refused_in_all = []
    for versions, needs in list(itertools.product(SETS, NEEDS))[::5]:  # each takes a tenth of a second
        refused = [rule.id for rule in refusals(rules, chosen(catalogue, versions), needs)]
        refused_in_all.append(refused)
        asked = {**versions, "lab_preflight_needs": needs, "expected": refused}
        that = "_lab_preflight_refused | map(attribute='id') | list == expected"
        tasks.append({"ansible.builtin.assert": {"that": that, "quiet": True}, "vars": asked})
    assert any(refused_in_all)
    assert not all(refused_in_all)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles/lab_preflight/vars/main.yml")],
        "vars": {
            "lab_preflight_rules": str(ROOT / "roles/lab_artifacts/files/compatibility.yml"),
            "lab_preflight_catalogue": str(ROOT / "roles/lab_artifacts/files/artifacts.yml"),
            "ansible_facts": {"distribution": "Other", "distribution_version": "1"},
            "__lab_preflight_policy": {"stdout": ""},
        },
        "tasks": tasks,
    }
    file = tmp_path / "play.yml"
    file.write_text(json.dumps([play]), encoding="utf-8")
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(file)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert f"ok={len(tasks)} " in done.stdout
