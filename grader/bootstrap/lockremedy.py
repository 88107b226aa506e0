"""The commands of root that mend the host lock's file, for who takes it and for who asks beforehand.

`install` would put a second file beside one that is held, so what is there is opened up and never made anew.
"""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

MODE = 0o666
"""For every user of the host."""


def to_remove(path: Path, mode: int) -> str:
    """Return what takes away something that is no plain file, by its mode; the next grading makes the file."""
    return f"{'rmdir' if stat.S_ISDIR(mode) else 'rm'} {shlex.quote(str(path))}"


def to_open(path: Path) -> str:
    """Return what lets every user open the file."""
    return f"chmod {MODE:04o} {shlex.quote(str(path))}"


def to_make(path: Path) -> str:
    """Return what makes the file, and the folder that it is to lie in if that is not there."""
    return f"install {'' if path.parent.is_dir() else '-D '}-m {MODE:04o} /dev/null {shlex.quote(str(path))}"
