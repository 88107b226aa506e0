"""What tests that become other users share: a folder and a Python that any user may have."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydantic
import pytest

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = {"PYTHONPATH": f"{ROOT}:{Path(pydantic.__file__).parents[1]}", "PYTHONDONTWRITEBYTECODE": "1"}
"""Where another user's Python finds this package and its libraries."""


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter: pytest's own are for its user alone."""
    with tempfile.TemporaryDirectory(prefix="grader-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def python_for(start: Callable[[str], subprocess.Popen[str]]) -> str:
    """Return a Python that a user may run and that has this package's libraries; skip the test if there is none.

    Args:
        start: Starts this Python as that user, to import what is needed.
    """
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, system):
        try:
            with start(python) as process:
                process.communicate()
        except OSError:
            continue
        if process.returncode == 0:
            return python
    pytest.skip("needs: user: no Python that a plain user may run has this package's libraries")
