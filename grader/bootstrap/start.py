"""Decide what a command needs before it can run, get that, and run it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from grader import __version__
from grader.bootstrap import doctor, environment, packages
from grader.bootstrap.survey import environment_check
from grader.bootstrap.usage import command_of, help_text, refuse_platform, wants_help
from grader.errors import GraderError, HostError

INTERRUPTED = 130
LAB_HOSTS = frozenset({"--host", "--all", "--fix"})
"""With these `doctor` asks other hosts, which takes the environment."""


def main(argv: Sequence[str]) -> int:
    """Run a verb of the `bin/` scripts; returns the exit code, or does not return where the command took over."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # help holds box drawing, paths hold anything
    root, verb, *arguments = argv
    try:
        return setup(Path(root)) if verb == "setup" else run(Path(root), arguments)
    except GraderError as error:
        print(f"grader: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("grader: interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED


def setup(root: Path) -> int:
    """Make the environment and nothing else."""
    packages.provide(packages.for_environment())
    environment.prepare(root, say=_say)
    _say(f"{root / environment.DIRECTORY} is ready")
    return 0


def run(root: Path, arguments: Sequence[str]) -> int:
    """Run a grader command, set up first if it must be and may be."""
    ready = environment.is_ready(root)
    command = command_of(arguments)
    if not ready:
        answer = _without_environment(root, command, arguments)
        if answer is not None:
            return answer
        packages.provide(packages.for_environment())
        environment.prepare(root, say=_say)
    if not wants_help(arguments):
        packages.offer(packages.for_command(command))
    return _become(environment.python_of(root), arguments)


def _become(python: Path, arguments: Sequence[str]) -> NoReturn:
    os.execv(python, [str(python), "-I", "-m", "grader", *arguments])


def _without_environment(root: Path, command: str, arguments: Sequence[str]) -> int | None:
    """Answer what needs no environment or must not make one; None for a command that needs it made."""
    if wants_help(arguments):
        print(help_text(arguments), end="")
        return 0
    if "--version" in arguments:
        print(f"grader {__version__}")
        return 0
    if command == "doctor" and LAB_HOSTS.isdisjoint(word.partition("=")[0] for word in arguments):
        return doctor.main(root, arguments)
    refuse_platform(command, sys.platform)
    if command == "claims":
        raise HostError(
            "`claims` needs the environment in `.venv`, and that is not set up yet",
            hint=f"run `{environment_check(root).remedy}`",
        )
    return None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
