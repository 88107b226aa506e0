"""Each pitfall is found on a host that has it and not on another; programs are stand-ins that answer alike."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.adapters.catalogue import folder

PROGRAM = folder() / "pitfalls.py"
SHIM = "containerd-shim-wasmtime-v1"
DUMP = """
version = 3
[plugins.'io.containerd.cri.v1.images']
  use_local_image_pull = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.wasmtime]
  runtime_type = 'io.containerd.wasmtime.v1'
"""
STANZA = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.wasmtime]\n"
OCI = "application/vnd.oci.image"
ORDINARY = f"{OCI}.layer.v1.tar+gzip"
WASM_LAYER = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"


class Host:
    """A tree of files and programs; `lists` are what `ctr images ls` says by namespace."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "usr/local/bin"
        self.lists: dict[str, list[str]] = {"default": []}
        for path in (
            "usr/local/bin",
            "etc/containerd/conf.d",
            "sys/fs/cgroup",
            "run/containerd",
            "run/docker",
            "proc",
            "blobs",
            "said",
        ):
            (root / path).mkdir(parents=True)
        self.file("sys/fs/cgroup/cgroup.controllers", "memory")
        self.file("run/containerd/containerd.sock", "")
        self.file("etc/containerd/config.toml", STANZA)
        self.program(SHIM, "exit 0")
        self.program(
            "containerd", f'[ "$1" = config ] && cat {root}/dump.toml || echo "containerd x/containerd v2.3.4 abc"'
        )
        self.file("dump.toml", DUMP)
        self.program(
            "docker",
            'case "$1 $2" in\n'
            '"info --format") echo \'[["driver-type","io.containerd.snapshotter.v1"]]\' ;;\n'
            '"buildx inspect") echo "Driver:        docker" ;;\n'
            "esac",
        )
        self.program("spin", "echo 'spin 3.4.0 (abc 2025-01-01)'")
        self.program(
            "ctr",
            '[ "$1" = --namespace ] && { space=$2; shift 2; }\n'
            f"cd {root}\n"
            'case "$1 $2" in\n'
            '"--version ") echo "ctr containerd 2.3.4" ;;\n'
            '"version ") cat said/version ;;\n'
            '"images import") cat said/import ;;\n'
            '"images ls") cat "said/images.$space" ;;\n'
            '"content get") cat "blobs/$3" ;;\n'
            '"containers ls") cat said/containers ;;\n'
            '"tasks ls") cat said/tasks ;;\n'
            "esac",
        )
        self.file("said/version", "Client:\n  Version:  2.3.4\nServer:\n  Version:  2.3.4\n")
        self.file("said/import", "   --local   run import locally\n")
        self.file("said/containers", "runs\n")
        self.file("said/tasks", "TASK PID STATUS\nruns 12 RUNNING\n")
        self.image("good:1")

    def file(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def program(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def blob(self, document: object) -> str:
        data = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        (self.root / "blobs" / digest).write_bytes(data)
        return digest

    def image(
        self, name: str, *, space: str = "default", platform: str = "wasi/wasm", entry: str = "/main.wasm",
        exposes: str = "", layer: str = WASM_LAYER, index: bool = False,
    ) -> None:  # fmt: skip
        system, _, architecture = platform.partition("/")
        run = {"Entrypoint": [entry], **({"ExposedPorts": {exposes: {}}} if exposes else {})}
        config = self.blob({"os": system, "architecture": architecture, "config": run})
        digest = self.blob({"config": {"digest": config}, "layers": [{"mediaType": layer}]})
        kind = f"{OCI}.manifest.v1+json"
        if index:
            kind = f"{OCI}.index.v1+json"
            absent = f"sha256:{'0' * 64}"  # of another platform, not imported
            digest = self.blob({"manifests": [{"digest": digest}, {"digest": absent}]})
        self.lists.setdefault(space, []).append(f"{name} {kind} {digest} 361.0 B {platform} -")

    def look(self, *wanted: str, **environ: str) -> dict[str, tuple[str, str, str]]:
        """Return state, found and expected by id."""
        for space in ("moby", "k8s.io", *self.lists):
            lines = ["REF TYPE DIGEST SIZE PLATFORMS LABELS", *self.lists.get(space, [])]
            self.file(f"said/images.{space}", "\n".join(lines) + "\n")
        path = f"{self.bin}:{environ.pop('more', '')}:/usr/bin:/bin"
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM), *wanted], capture_output=True, text=True, check=True,
            env={"PATH": path, "HOME": str(self.root), "LAB_PITFALLS_ROOT": str(self.root), **environ},
        )  # fmt: skip
        checks = json.loads(done.stdout)["checks"]
        ids = [check["id"] for check in checks]
        assert len(ids) == len(set(ids))
        return {check["id"]: (check["state"], check["found"], check["expected"]) for check in checks}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


PITFALLS: dict[str, tuple[Callable[[Host], object], str]] = {
    "host-cgroup": (lambda h: (h.root / "sys/fs/cgroup/cgroup.controllers").unlink(), "cgroup v1"),
    "containerd-shim": (lambda h: (h.bin / SHIM).chmod(0o644), "without its run bit"),
    "containerd-config": (
        lambda h: h.file("etc/containerd/conf.d/x.toml", "[plugins.'other'.containerd.runtimes.wasmedge]\n"),
        "not wasmedge",
    ),
    "containerd-shim-options": (
        lambda h: h.file("dump.toml", DUMP + "options = {BinaryName = '/x'}\n"),
        "for wasmtime",
    ),
    "containerd-cgroup-driver": (
        lambda h: h.file("dump.toml", DUMP + "options = {SystemdCgroup = true}\n"),
        "SystemdCgroup = false for runc, and not for wasmtime",
    ),
    "containerd-cri-pull": (
        lambda h: h.file("dump.toml", DUMP.replace("pull = true", "pull = false")),
        "use_local_image_pull = false",
    ),
    "containerd-socket": (
        lambda h: (h.root / "run/containerd").rename(h.root / "run/docker/containerd"),
        "Docker's own",
    ),
    "docker-oci-output": (
        lambda h: h.program("docker", '[ "$1 $2" = "buildx inspect" ] && echo "Driver: docker"; exit 0'),
        "without the containerd image store",
    ),
    "nerdctl-hook": (lambda h: h.program("nerdctl", "exit 0"), "nerdctl is installed"),
    "spin-version": (lambda h: h.program("spin", "echo 'Spin Version 6.5.2 -- 6 December 2019'"), "Spin Version 6.5.2"),
    "ctr-import": (lambda h: h.file("said/import", "   --no-unpack   skip\n"), "ctr 2.3.4 without"),
    "containerd-access": (
        lambda h: h.program("ctr", "[ $1 = version ] || exec echo ' --local'; echo 'permission denied' >&2; exit 1"),
        "closed to this user",
    ),
    "image-namespace": (lambda h: h.image("away:1", space="moby"), "only elsewhere: away:1"),
    "image-platform": (lambda h: h.image("odd:1", platform="wasip1/wasm"), "odd:1 is wasip1/wasm"),
    "image-entrypoint": (lambda h: h.image("odd:1", entry="main.wasm"), "odd:1 has `main.wasm`"),
    "image-index": (lambda h: h.image("list:1", index=True), "list:1"),
    "image-expose": (lambda h: h.image("server:1", exposes="8080/tcp"), "server:1 has 8080/tcp"),
    "image-layers": (lambda h: h.file("said/version", "Server:\n  Version:  1.7.6~ds1\n"), f"good:1 has {WASM_LAYER}"),
    "image-compiled": (lambda h: h.image("plain:1", layer=ORDINARY), "plain:1"),
    "ctr-leftovers": (lambda h: h.file("said/tasks", "TASK PID STATUS\nruns 12 STOPPED\n"), "runs"),
}  # fmt: skip


@pytest.mark.parametrize("check", PITFALLS)
def test_a_pitfall_is_told_where_it_is_and_only_there(host: Host, check: str) -> None:
    breaks, found = PITFALLS[check]
    assert {state for state, _, _ in host.look().values()} == {"ok"}
    breaks(host)
    said = host.look()
    assert said[check][0] == "warning"
    assert found in said[check][1]
    assert said[check][2]
    assert {id_ for id_, (state, _, _) in said.items() if state != "ok"} == {check}


def test_every_check_of_the_program_is_tried_here_and_told_in_the_list() -> None:
    listed = {check["id"] for check in json.loads((folder() / "checks.json").read_text(encoding="utf-8"))["checks"]}
    said = set(
        re.findall(r"""(?:judged\(\s*|^ +\()"([a-z]+-[a-z-]+)",""", PROGRAM.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(PITFALLS) == said
    assert said <= listed


def test_a_shim_that_containerd_does_not_look_for_is_told_with_its_place(host: Host, tmp_path: Path) -> None:
    (tmp_path / "go").mkdir()
    (host.bin / SHIM).rename(tmp_path / "go" / SHIM)
    state, found, _ = host.look(more=str(tmp_path / "go"))["containerd-shim"]
    assert (state, found) == ("warning", f"{tmp_path}/go/{SHIM}, where containerd does not look")


def test_a_shim_that_is_wanted_and_nowhere_is_told(host: Host) -> None:
    (host.bin / SHIM).unlink()
    assert "containerd-shim" not in host.look()
    assert host.look(SHIM)["containerd-shim"][:2] == ("warning", f"no {SHIM}")


def test_root_knows_the_path_of_the_daemon_itself(host: Host, tmp_path: Path) -> None:
    (host.root / "proc/12").mkdir()
    host.file("proc/12/comm", "containerd\n")
    host.file("proc/12/environ", "A=b\0PATH=/opt/only\0")
    assert host.look()["containerd-shim"][0] == "warning"
    (host.root / "opt/only").mkdir(parents=True)
    (host.bin / SHIM).rename(host.root / "opt/only" / SHIM)
    assert host.look()["containerd-shim"][0] == "ok"


def test_a_builder_of_its_own_writes_archives_too(host: Host) -> None:
    host.program("docker", 'case "$*" in "buildx inspect") echo "Driver:  docker-container";; esac; exit 0')
    assert host.look()["docker-oci-output"][0] == "ok"


def test_another_namespace_in_the_environment_is_told(host: Host) -> None:
    host.lists["mine"] = []
    assert host.look(CONTAINERD_NAMESPACE="mine")["image-namespace"][:2] == ("warning", "the namespace `mine`")


def test_a_configuration_that_containerd_refuses_is_told_in_its_words(host: Host) -> None:
    host.program("containerd", "echo 'containerd: failed to load TOML: duplicated tables' >&2; exit 1")
    assert host.look()["containerd-config"][:2] == ("warning", "containerd: failed to load TOML: duplicated tables")


def test_a_host_without_any_of_the_programs_has_no_pitfalls(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(PROGRAM)], capture_output=True, text=True, check=True,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "LAB_PITFALLS_ROOT": str(tmp_path)},
    )  # fmt: skip
    assert json.loads(done.stdout)["checks"] == []


def test_this_very_host_is_looked_at_without_a_change_or_a_traceback(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-I", str(PROGRAM)], capture_output=True, text=True, check=True, env=environ)
    assert done.stderr == ""
    assert all(check["found"] and check["expected"] for check in json.loads(done.stdout)["checks"])
    assert list(tmp_path.iterdir()) == []
