"""Who asks beforehand and who is refused the host lock are told the same command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from grader.adapters.lockfile import open_lock_file
from grader.bootstrap import survey
from grader.errors import HostError


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link", "closed", "absent"])
def test_doctor_and_a_grading_name_one_command(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "the lock"
    if kind == "a folder":
        lock.mkdir()
    elif kind == "a pipe":
        os.mkfifo(lock)
    elif kind == "a link":
        lock.symlink_to("elsewhere")
    elif kind == "closed":
        if os.geteuid() == 0:
            pytest.skip("needs: user: root opens every file")
        lock.touch(mode=0o400)
    else:
        lock = tmp_path / "no folder" / "lock"
    with pytest.raises(HostError) as caught:
        open_lock_file(lock)
    hint = re.search("`([^`]+)`", caught.value.hint or "")
    assert hint is not None
    assert survey.host_lock({"GRADER_LOCK": str(lock)}).remedy == f"sudo {hint[1]}"
