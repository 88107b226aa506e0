"""A machine with a kernel of its own and no network, made fit from a bundle: where `--require vm` asks for it.

The bundle holds Debian's real packages, real wheels, stand-ins for the catalogue's files, and, pulled from a registry,
the image that the lab's Dockerfile starts from.  What each step took is printed (`pytest -rP`), for docs/hosts.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grader.adapters.registry import Registry
from grader.adapters.standin import GO_IMAGE
from tests.engines import shim
from tests.hosts import machines, rig, workloads
from tests.hosts.test_molecule import wanted

ROOT = Path(__file__).resolve().parents[2]
HOST = "debian13"
RELEASE = "trixie"
OUTSIDE = "10.0.2.2"
"""Where a machine with a network finds this one's loopback."""
GRADE = ROOT / "playbooks/grade.yml"


@dataclass(frozen=True)
class Machine:
    """The rig of one machine, and the inventory of a course with that machine as its only worker."""

    rig: Path
    inventory: Path

    def port(self, service: str) -> str:
        return (self.rig / f"{service}.port").read_text("ascii")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there as root."""
        return rig.ssh(self.rig, self.rig / "hosts" / HOST, *command, timeout_s=300)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    wanted("vm", machines.missing())
    monkeypatch.setenv("LAB_HOSTS_NETWORK", "none")
    monkeypatch.setenv("LAB_HOSTS_KIND", "machine")
    made = Machine(rig=tmp_path / "rig", inventory=tmp_path / "inventory")
    try:
        with took("boot"):
            ask_rig("create", made.rig, HOST)
        workloads.write_archives(made.rig / "images")
        workloads.push_go_image(f"http://127.0.0.1:{made.port('registry')}")
        write_inventory(made)
        yield made
    finally:
        ask_rig("destroy", made.rig)


def ask_rig(action: str, folder: Path, *hosts: str) -> None:
    """Do it by the command: what it starts outlives it, and is no child of the tests."""
    subprocess.run([sys.executable, "-m", "tests.hosts.rig", action, str(folder), *hosts], cwd=ROOT, check=True)


def write_inventory(machine: Machine) -> None:
    """Write what docs/hosts.md asks for: a copy of the example with hosts and, here, stand-ins of one's own."""
    shutil.copytree(ROOT / "inventory/example", machine.inventory)
    (machine.inventory / "roster.csv").unlink(missing_ok=True)
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": int((machine.rig / "hosts" / HOST / "port").read_text("ascii")),
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(machine.rig / "key"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        "lab_artifacts_catalogue": str(machine.rig / "mirror/artifacts.yml"),
        # The toolkit would take a stand-in on PATH for the real `wasmtime`, which it brings along.
        "wasm_tools_list": [{"name": "hyperfine", "version": "1.20.0"}],
    }
    if shim.is_built():  # else it is a stand-in too, which runs nothing
        host |= {
            "containerd_shims_smoke_image": workloads.SMOKE,
            "containerd_shims_smoke_archive": str(machine.rig / "images/smoke.tar"),
            "containerd_shims_smoke_expected": "HELLO=there",
        }
    groups = {"grading": {"hosts": {HOST: host}}, "f25": {"children": {"grading": {}}}}
    yaml = YAML(typ="safe", pure=True)
    with (machine.inventory / "hosts.yml").open("w", encoding="utf-8") as file:
        yaml.dump(groups, file)
    edition = machine.inventory / "group_vars/f25.yml"
    digest = Registry(f"http://127.0.0.1:{machine.port('registry')}").digest_of(f"library/{GO_IMAGE}")
    images = {"lab_bundle_images": [f"{GO_IMAGE}@{digest}"]}
    with edition.open("a", encoding="utf-8") as file:
        yaml.dump(images, file)


@contextmanager
def took(step: str) -> Iterator[None]:
    """Print how long a step took."""
    began = time.monotonic()
    yield
    print(f"{step}: {time.monotonic() - began:.0f} s", flush=True)


def grader(folder: Path, *words: str) -> str:
    """Run the command at the lowest priority; it must end well.  Returns what it printed."""
    done = subprocess.run(
        ["nice", "-n", "19", sys.executable, "-m", "grader", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "ANSIBLE_HOST_KEY_CHECKING": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.once
@pytest.mark.timeout(5400)
def test_a_machine_without_a_network_is_made_fit_from_a_bundle_and_grades(machine: Machine, tmp_path: Path) -> None:
    assert machine.run("stat", "--file-system", "--format=%T", "/sys/fs/cgroup").stdout.strip() == "cgroup2fs"
    assert machine.run("cat", "/proc/1/comm").stdout.strip() == "systemd"
    outside = machine.run("bash", "-c", f"'exec 3<>/dev/tcp/{OUTSIDE}/{machine.port('mirror')}'")
    assert outside.returncode != 0, "the machine has a network"

    inventory, bundle = f"--inventory={machine.inventory}", str(tmp_path / "bundle")
    mirror, registry = (f"http://127.0.0.1:{machine.port(name)}" for name in ("mirror", "registry"))
    with took("bundle create"):
        printed = grader(
            tmp_path, "bundle", "create", bundle, inventory, "--edition=f25", f"--release={RELEASE}",
            f"--mirror={mirror}", f"--registry={registry}", f"--catalogue={machine.rig}/mirror/artifacts.yml",
        )  # fmt: skip
    digest = f"--digest={printed.splitlines()[-1]}"
    print(printed.splitlines()[0])

    apply = ("bundle", "apply", bundle, digest, inventory, "--json", "--quiet")
    with took("bundle apply"):
        (first,) = json.loads(grader(tmp_path, *apply))["hosts"]
    assert (first["outcome"], first["attempts"]) == ("ready", 1)
    ask_rig("restart", machine.rig)
    with took("bundle apply, the second time, after a restart"):
        (second,) = json.loads(grader(tmp_path, *apply))["hosts"]
    assert (second["outcome"], second["changed"]) == ("ready", 0)

    with took("doctor"):
        health = json.loads(grader(tmp_path, "doctor", f"--host={HOST}", inventory, "--json"))
    assert health["ready"]
    failed = [check for host in health["hosts"] for check in host["checks"] if check["state"] == "failed"]
    assert failed == []

    grade_there(machine, tmp_path)


def grade_there(machine: Machine, folder: Path) -> None:
    """Have the worker grade the example's submission with its own engines, and look at what comes back."""
    submission = folder / "in/submission"
    shutil.copytree(ROOT / "examples/submission", submission)
    shutil.copy(machine.rig / "images/main.wasm", submission)
    (folder / "results").mkdir()
    places = {"grade_submissions": f"{folder}/in", "grade_results": f"{folder}/results", "grade_engine": "containers"}
    playbook = ["nice", "-n", "19", str(Path(sys.executable).with_name("ansible-playbook")), str(GRADE)]
    playbook += [f"--inventory={machine.inventory}", "--extra-vars", json.dumps(places)]
    with took("grade"):
        done = subprocess.run(
            playbook, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    with tarfile.open(folder / "results/submission.tar.gz") as results:
        member = results.extractfile("./grade.json")
        assert member is not None
        facts = json.load(member)["facts"]
    started = {"native.startup_time@docker", "native.startup_time@ctr-runc", "wasm.startup_time@ctr-crun-wasmedge"}
    started |= {"wasm.startup_time@ctr-wasmtime"} if shim.is_built() else set()
    reasons = {fact["id"]: fact.get("reason") for fact in facts if fact["state"] != "measured"}
    assert {name: reasons[name] for name in started & set(reasons)} == {}
