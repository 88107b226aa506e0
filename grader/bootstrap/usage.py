"""The command line as far as it is understood before the environment exists: command names and their help.

`help/<command>.txt` is what the real commands print; `tests/project/test_help.py` compares, and writes them anew
with `GRADER_WRITE_HELP=1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grader.errors import HostError, UsageError

HELP = Path(__file__).with_name("help")
WORKS_ANYWHERE = frozenset({"claims", "lab"})
"""Commands that run nothing of a submission."""
HELP_OPTIONS = frozenset({"--help", "-h"})


def commands() -> tuple[str, ...]:
    """Return the names of all commands."""
    return tuple(sorted(path.stem for path in HELP.glob("*.txt") if "." not in path.stem and path.stem != "grader"))


def refuse_platform(command: str, platform: str) -> None:
    """Refuse what needs Linux.

    Args:
        platform: As in `sys.platform`.

    Raises: HostError on macOS and Windows for every command that is not in `WORKS_ANYWHERE`.
    """
    if platform != "linux" and command not in WORKS_ANYWHERE:
        raise HostError(f"`{command}` needs Linux, this is `{platform}`", hint="use WSL2 or a Linux VM")


def wants_help(arguments: Sequence[str]) -> bool:
    """Tell whether these arguments ask for help: no command at all does, too."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return not arguments or not HELP_OPTIONS.isdisjoint(own)


def command_of(arguments: Sequence[str]) -> str:
    """Return the command named, empty if only help or the version was asked for.

    Raises: UsageError if there is none, or none of this name.
    """
    known = commands()
    named = next((a for a in arguments if not a.startswith("-")), "")
    if named in known or (not named and (wants_help(arguments) or "--version" in arguments)):
        return named
    if wants_help(arguments):
        return ""
    what = f"no such command: `{named}`" if named else "no command given"
    raise UsageError(what, hint=f"one of {', '.join(f'`{name}`' for name in known)}")


def help_text(arguments: Sequence[str]) -> str:
    """Return the help of the command that the arguments name, else the list of commands."""
    pages = {path.stem: path for path in HELP.glob("*.txt")}
    words = [a for a in arguments if not a.startswith("-")]
    for count in (2, 1):
        page = ".".join(words[:count])
        if len(words) >= count and page in pages:
            return pages[page].read_text(encoding="utf-8")
    return (HELP / "grader.txt").read_text(encoding="utf-8")
