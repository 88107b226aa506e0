"""What checks say while a playbook runs is kept by host, each once, and by its id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.adapters.catalogue import load_checks
from grader.cli.doctorhosts import CheckList
from grader.model.provision import TaskEnd
from tests.project.conftest import ROOT


def failed(message: str, host: str = "a") -> TaskEnd:
    return TaskEnd(host=host, role="golang", task="Refuse", status="failed", seconds=0.1, message=message)


def test_a_check_that_is_told_again_at_the_end_counts_once() -> None:
    seen = CheckList(load_checks())
    seen.attempt(1, ["a", "b"])
    seen.event(failed("golang-version: found none; expected 1.21.13"))
    seen.event(failed("host-disk: found 1; expected 10\ngolang-version: found none; expected 1.21.13"))
    assert [check.id for check in seen.of("a")] == ["golang-version", "host-disk"]
    assert seen.of("b") == ()


def test_what_the_playbook_goes_on_after_is_a_warning() -> None:
    seen = CheckList(load_checks())
    ignored = failed("image-index: found list:1; expected no index").model_copy(update={"ignored": True})
    seen.event(ignored)
    assert [(check.id, check.state) for check in seen.of("a")] == [("image-index", "warning")]


def test_another_attempt_forgets_what_was_said_before() -> None:
    seen = CheckList(load_checks())
    seen.event(failed("host-disk: found 1; expected 10"))
    seen.attempt(2, ["a"])
    assert seen.of("a") == ()


@pytest.mark.slow
@pytest.mark.once
def test_a_lab_host_is_asked_without_a_change_and_the_others_are_told_by_name(tmp_path: Path) -> None:
    """Real playbooks on a local connection, as the user who runs the tests: the checks only look."""
    pytest.importorskip("ansible_runner", reason="ansible-runner is not installed")
    local = (
        "{ansible_connection: local, ansible_become: false, ansible_python_interpreter: '{{ ansible_playbook_python }}'"
    )
    toolkit = tmp_path / "grader"
    toolkit.write_text('#!/bin/sh\necho "asked to $*" >&2\nexit 1\n', encoding="utf-8")
    toolkit.chmod(0o755)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "student:\n  hosts:\n"
        f"    here: {local}, golang_version: 9.9.9, lab_artifacts_bin_dir: {tmp_path}}}\n"
        "    gone: {ansible_host: 127.0.0.1, ansible_port: 1}\n"
        f"grading:\n  hosts:\n    worker: {local}, grader_worker_link: {toolkit}}}\n",
        encoding="utf-8",
    )
    argv = [sys.executable, "-m", "grader", "doctor", "--host", "here,worker,gone,nosuch", "--for", "time", "--json"]
    argv += ["--inventory", str(inventory), "--out", str(tmp_path / "out")]
    done = subprocess.run(argv, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["schema"], answer["ready"]) == ("grader/host-doctor/1", False)
    hosts = {host["host"]: host for host in answer["hosts"]}
    assert {name: host["outcome"] for name, host in hosts.items()} == {
        "here": "failed", "worker": "failed", "gone": "unreachable", "nosuch": "refused",
    }  # fmt: skip
    assert "Connection refused" in hosts["gone"]["message"]
    checks = {check["id"]: check for check in hosts["here"]["checks"]}
    go = checks["golang-version"]
    assert (go["state"], go["expected"], go["prevents"]) == ("failed", "9.9.9", "go: command not found")
    assert go["tags"] == ["golang_install"]
    assert "worker-ready" not in checks
    ready = next(check for check in hosts["worker"]["checks"] if check["id"] == "worker-ready")
    assert ready["found"] == "`asked to doctor --for time --json`"
    for check in checks.values():
        assert all(check[part] for part in ("found", "expected", "prevents", "remedy")), check
    v1 = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
    assert ("host-cgroup" in checks) is v1
    assert "Traceback" not in done.stderr
