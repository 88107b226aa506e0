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
COMMANDS = sorted({line[2:] for fence in FENCES for line in fence.splitlines() if line.startswith("$ bin/grader ")})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_documents_ends_well(
    command: str, grader: Grader, tmp_path: Path, quick_lab: Path, engine_works: None
) -> None:
    """Run where the checkout's example lies, with few rounds, so that the checkout stays as it is."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run = grader(*shlex.split(command)[1:], cwd=tmp_path, env={"GRADER_LAB": str(quick_lab)})
    assert run.code == 0, run.stderr


def test_documents_show_commands() -> None:
    assert len(COMMANDS) >= 4
