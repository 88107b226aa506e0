"""`playbooks/grade.yml` on local connections, with a stand-in for the toolkit that is installed on a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.project.conftest import ROOT

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PLAYBOOK.is_file(), reason="ansible-playbook is not installed"),
]

GRADER = """#!/bin/sh
set -eu
[ "$1" = grade ] && [ "$3 $4" = "--lab lab12-m26" ]
[ -e "$2/good" ] || { echo "grader: nothing to grade" >&2; exit 2; }
while [ "$1" != --out ]; do shift; done
mkdir "$2"
echo '{}' > "$2/grade.json"
"""


def grade(folder: Path) -> subprocess.CompletedProcess[str]:
    """Grade what is in `in` on two workers; the results come to `out`."""
    grader = folder / "grader"
    grader.write_text(GRADER, encoding="utf-8")
    grader.chmod(0o755)
    (folder / "hosts.yml").write_text(
        "grading:\n  hosts: {one: {}, two: {}}\n  vars:\n    ansible_connection: local\n    ansible_become: false\n"
        "    ansible_python_interpreter: '{{ ansible_playbook_python }}'\n",
        encoding="utf-8",
    )
    variables = {
        "grade_submissions": str(folder / "in"), "grade_results": str(folder / "out"),
        "grade_command": str(grader), "grade_lab": "lab12-m26",
    }  # fmt: skip
    return subprocess.run(
        [PLAYBOOK, "--inventory", folder / "hosts.yml", ROOT / "playbooks/grade.yml", "-e", json.dumps(variables)],
        env={**os.environ, "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "TMPDIR": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def submissions(folder: Path, *good: str, bad: str = "") -> None:
    for name in (*good, *filter(None, [bad])):
        (folder / "in" / name).mkdir(parents=True)
    for name in good:
        (folder / "in" / name / "good").touch()


def test_workers_share_the_submissions_and_the_results_come_back(tmp_path: Path) -> None:
    submissions(tmp_path, "anna", "boris", "vera")
    (tmp_path / "in/vera/secret").symlink_to("/etc/hostname")
    done = grade(tmp_path)
    assert done.returncode == 0, done.stdout
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "anna.tar.gz", "boris.tar.gz", "vera.tar.gz",
    ]  # fmt: skip
    with tarfile.open(tmp_path / "out/anna.tar.gz") as results:
        assert "./grade.json" in results.getnames()
    assert list(tmp_path.glob("grade-*")) == []


def test_one_that_cannot_be_graded_is_named_and_only_that_is_left_for_the_next_run(tmp_path: Path) -> None:
    submissions(tmp_path, "anna", "vera", bad="boris")
    done = grade(tmp_path)
    assert done.returncode == 2
    assert "not graded: boris (grader: nothing to grade)" in done.stdout
    before = (tmp_path / "out/anna.tar.gz").stat().st_mtime_ns
    (tmp_path / "in/boris/good").touch()
    assert grade(tmp_path).returncode == 0
    assert (tmp_path / "out/boris.tar.gz").is_file()
    assert (tmp_path / "out/anna.tar.gz").stat().st_mtime_ns == before
