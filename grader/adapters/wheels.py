"""The wheels of a lock file for the Python of another host, by pip, which checks each against the lock's hashes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.markers import Marker

from grader.adapters.shipped import shipped
from grader.errors import HostError
from grader.model.catalogue import Architecture

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC_MINORS = range(36, 16, -1)
"""Debian 12 has glibc 2.36, the oldest of the supported hosts; wheels for 2.17 and later are taken."""


def lock_file() -> Path:
    """Return the toolkit's own lock: in a checkout, or in the wheel."""
    return shipped("requirements.lock")


def platforms(architecture: Architecture) -> tuple[str, ...]:
    """Return the tags of wheels that the oldest supported host can run, the newest first."""
    machine = _MACHINES[architecture]
    return (*(f"manylinux_2_{minor}_{machine}" for minor in _GLIBC_MINORS), f"manylinux2014_{machine}")


def for_python(lock: str, python: str, architecture: Architecture) -> str:
    """Return what of a lock another Python installs; pip would judge the conditions by the Python that runs it."""
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": _MACHINES[architecture],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    kept: list[str] = []
    takes = False
    for line in lock.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            name, semicolon, condition = line.removesuffix("\\").partition(";")
            takes = not semicolon or Marker(condition.strip()).evaluate(environment)
            line = f"{name.strip()} \\"
        if takes and not line.lstrip().startswith("#"):
            kept.append(line)
    return "\n".join(kept) + "\n"


def download(lock: Path, target: Path, partial: Path, *, python: str, architecture: Architecture) -> tuple[str, ...]:
    """Have the wheels in a folder, and nothing else; those that are there are checked and kept.

    Args:
        python: Version of the hosts' Python, `3.13`.
    Returns: Their names, sorted.
    Raises: HostError.
    """
    target.mkdir(parents=True, exist_ok=True)
    fresh = partial / "wheels"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    wanted = partial / "requirements.txt"
    wanted.write_text(for_python(lock.read_text(encoding="utf-8"), python, architecture), encoding="utf-8")
    # pip looks for what it has to fetch in the folder first, and checks it like anything else.
    argv = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input",
        "--require-hashes", "--only-binary=:all:", "--no-deps", "--implementation=cp", f"--python-version={python}",
        *(f"--platform={tag}" for tag in platforms(architecture)), f"--dest={fresh}", f"--requirement={wanted}",
    ]  # fmt: skip
    environment = {**os.environ, "PIP_FIND_LINKS": str(target)}
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    names = {path.name for path in fresh.iterdir()}
    for name in names:
        (fresh / name).replace(target / name)
    if "No module named pip" in done.stderr:
        raise HostError("this Python has no pip", where=sys.executable, hint="install pip into it, and run it again")
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = (said or done.stderr.strip().splitlines() or ["it said nothing"])[0].removeprefix("ERROR: ")
        raise HostError(
            f"pip cannot have the wheels for Python {python}: {reason}",
            where=str(lock),
            hint="see that this host reaches the package index, and has room; the same command goes on from here",
        )
    return tuple(sorted(names))
