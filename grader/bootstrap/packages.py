"""Debian packages that a command needs: installed as root, named with one command otherwise."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import HostError

APT_LISTS = Path("/var/lib/apt/lists")
RUNS_SUBMISSIONS = frozenset({"fill", "grade"})


@dataclass(frozen=True)
class Package:
    """A Debian package and what for."""

    name: str
    why: str


def for_environment() -> tuple[Package, ...]:
    """Return what is missing to make a virtual environment with this Python."""
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return ()
    # Debian names the module's package after the Python that it belongs to; the default one has the plain name.
    default = Path("/usr/bin/python3").resolve() == Path(sys.executable).resolve()
    name = "python3-venv" if default else f"python3.{sys.version_info.minor}-venv"
    return (Package(name, "the grader runs in a Python environment of its own"),)


def for_command(command: str) -> tuple[Package, ...]:
    """Return what is missing for a command beyond the environment."""
    if command in RUNS_SUBMISSIONS and not shutil.which("bwrap"):
        return (Package("bubblewrap", "a submission's code runs only in a sandbox"),)
    return ()


def for_tests() -> tuple[Package, ...]:
    """Return what is missing for the tests beyond what the commands that they run need."""
    browser = () if shutil.which("chromium") else (Package("chromium", "pages are looked at in a real browser"),)
    other_tool = () if shutil.which("hyperfine") else (Package("hyperfine", "our export is set against its own"),)
    return (*for_command("grade"), *browser, *other_tool)


def install_command(missing: Sequence[Package]) -> str:
    """Return the one command that a person runs to install these."""
    names = " ".join(package.name for package in missing)
    if not shutil.which("apt-get"):
        return f"install `{names}` or what your distribution calls it"
    sudo = "" if os.geteuid() == 0 else "sudo "
    update = "" if _lists_are_there() else f"{sudo}apt-get update && "
    return f"{update}{sudo}apt-get install -y {names}"


def provide(missing: Sequence[Package]) -> None:
    """Install these if we may.

    Raises: HostError with the one command to run if we may not, or if it failed.
    """
    if not missing:
        return
    why = "; ".join(f"`{package.name}` is not installed: {package.why}" for package in missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise HostError(why, hint=f"run `{install_command(missing)}`, then the same command again")
    for package in missing:
        print(f"installing the Debian package {package.name}: {package.why}", file=sys.stderr, flush=True)
    _apt_install([package.name for package in missing])


def offer(missing: Sequence[Package]) -> None:
    """Install these if we may; otherwise say what is missing and go on: what needs them becomes `not_run`."""
    try:
        provide(missing)
    except HostError as error:
        print(f"grader: {error}\ngrader: going on without, so what needs it is not run", file=sys.stderr, flush=True)


def _apt_install(names: Sequence[str]) -> None:
    fresh = not _lists_are_there()
    # Never at another package's cost: with -y apt-get would remove Docker's own containerd.io to install Debian's.
    how = ["-y", "--no-install-recommends", "--no-remove", "-o", "DPkg::Lock::Timeout=120"]
    install = ["apt-get", "install", *how, *names]
    done = _apt(["apt-get", "update"]) if fresh else None
    done = _apt(install)
    if done.returncode != 0 and not fresh:
        # The usual reason is a list older than the archive: the file it names is gone.
        _apt(["apt-get", "update"])
        done = _apt(install)
    if done.returncode != 0:
        last = [line for line in done.stdout.splitlines() if line.startswith("E:")] or done.stdout.splitlines()[-1:]
        raise HostError(
            f"apt-get could not install {', '.join(f'`{name}`' for name in names)}: {' '.join(last)}",
            hint="see that this host reaches its Debian archive, then run the same command again",
        )


def _lists_are_there() -> bool:
    return any(APT_LISTS.glob("*_Packages*"))


def _apt(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        argv,
        env=quiet,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
