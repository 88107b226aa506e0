"""The commands that the documents show do what they say."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Grader

pytestmark = [pytest.mark.serial, pytest.mark.timeout(900)]

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCES = [fence for path in DOCUMENTS for fence in re.findall(r"(?ms)^```console\n(.*?)^```$", path.read_text("utf-8"))]
SHOWN = sorted({line[2:] for fence in FENCES for line in fence.splitlines() if line.startswith("$ bin/grader ")})
ON_HOSTS = [command for command in SHOWN if re.match(r"bin/grader (provision|bundle|doctor --(all|host))\b", command)]
"""They need lab hosts, as tests/hosts has them, or a bundle."""
COMMANDS = [command for command in SHOWN if command not in ON_HOSTS]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_documents_ends_well(
    command: str, grader: Grader, tmp_path: Path, quick_lab: Path, engine_works: None
) -> None:
    """Run where the checkout's example lies, with few rounds, so that the checkout stays as it is."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run = grader(*shlex.split(command)[1:], cwd=tmp_path, env={"GRADER_LAB": str(quick_lab)})
    assert run.code == 0, run.stderr


@pytest.mark.parametrize("command", ON_HOSTS)
def test_a_command_for_lab_hosts_names_the_inventory_that_it_lacks_here_or_the_bundle(
    command: str, grader: Grader, tmp_path: Path
) -> None:
    """Its options are known and what it names is looked for, before anything is done."""
    run = grader(*shlex.split(command)[1:], cwd=tmp_path)
    assert run.code == 2, run.stderr
    assert re.search(r"inventory/\w+: no such inventory|bundle: is no bundle", run.stderr)


def test_documents_show_commands() -> None:
    assert len(COMMANDS) >= 4
    assert len(ON_HOSTS) >= 4
