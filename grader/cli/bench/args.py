"""What the options of `grader bench` mean; every refusal names the option and the values allowed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit

from grader.errors import UsageError
from grader.judging.expected import Expectation, Freshness
from grader.model.base import Record
from grader.model.bench import LARGEST_PLAN, ExperimentPlan
from grader.model.grade import Conditions
from grader.units import parse_duration
from grader.workflow.benchrun import Url

SHELL = "/bin/sh"
LONGEST_NAME = 60
AUTO_LIMIT_S = 60.0
WARMUPS = 2
FIRST_ROUNDS = 3

_LOCAL = frozenset({"localhost", "127.0.0.1"})
_DURATIONS = "write for example `90`, `60s`, `500ms` or `1h30m`"
_ARM = "write for example `--arm sorted='sort big.txt'`"


class NamedCommand(Record):
    """An arm as it was asked for."""

    name: str
    argv: tuple[str, ...]


def parse_arms(texts: Sequence[str], *, shell: bool) -> tuple[NamedCommand, ...]:
    """Return the arms that are commands, in order.  Raises: UsageError for a malformed one."""
    return tuple(_arm(text, shell=shell) for text in texts)


def refuse_odd_names(names: Sequence[str]) -> None:
    """Raises: UsageError for no arm at all, or two of one name."""
    if not names:
        raise UsageError("there is nothing to compare", where="--arm", hint=f"{_ARM}, or `--image IMAGE --arms docker`")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two arms are called `{twice}`", where="--arm", hint="give each a name of its own")


def _arm(text: str, *, shell: bool) -> NamedCommand:
    name, equals, command = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise UsageError(f"`{text}` is not of the form NAME=CMD", where="--arm", hint=_ARM)
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"`{name[:LONGEST_NAME]}` cannot name an arm",
            where="--arm",
            hint=f"a name has at most {LONGEST_NAME} characters, all printable, and no `=`",
        )
    return NamedCommand(name=name, argv=split_command(command, where=f"--arm {name}", shell=shell))


def split_command(command: str, *, where: str, shell: bool) -> tuple[str, ...]:
    """Return a command as an argument vector.  Raises: UsageError if it is empty or its quotes do not pair."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        hint = "close the quotes, or give the option as --arm NAME='CMD'"
        raise UsageError(f"`{command}` is no command: {error}", where=where, hint=hint) from error
    if not words or not words[0] or "\0" in command:
        raise UsageError(f"`{command}` is no command: there is no program in it", where=where, hint=_ARM)
    return (SHELL, "-c", command) if shell else tuple(words)


def parse_prepare(
    texts: Sequence[str], names: Sequence[str], *, shell: bool
) -> tuple[tuple[str | None, tuple[str, ...]], ...]:
    """Return the commands to run before each run, each with its arm; None for all arms.

    Raises: UsageError for a command that is none, or that is for an arm which there is not.
    """
    found = []
    for text in texts:
        name, equals, command = text.partition("=")
        own = bool(equals) and name.strip() in names
        argv = split_command(command if own else text, where="--prepare", shell=shell)
        if not own and not shell and "=" in argv[0] and "/" not in name:
            raise UsageError(
                f"there is no arm `{name.strip()}`", where=f"--prepare {text}", hint=f"the arms are {', '.join(names)}"
            )
        found.append((name.strip() if own else None, argv))
    return tuple(found)


def parse_expectation(*, json: bool, regex: str | None, code: int | None, fresh: str | None) -> Expectation:
    """Return what each run must do.  Raises: UsageError."""
    if regex is not None:
        try:
            re.compile(regex, re.MULTILINE)
        except re.error as error:
            raise UsageError(
                f"`{regex}` is no regular expression: {error}",
                where="--expect-regex",
                hint="the syntax is that of Python's `re`; a literal dot is `\\.`",
            ) from error
    return Expectation(exit=code or 0, json_=json, regex=regex, fresh=None if fresh is None else _fresh(fresh))


def _fresh(text: str) -> Freshness:
    key, equals, within = text.partition("=")
    within_s = duration_s(within, "--expect-fresh") if equals else Freshness.model_fields["within_s"].default
    if not key:
        raise UsageError(f"`{text}` names no key", where="--expect-fresh", hint="write for example `timestamp=2s`")
    return Freshness(key=key, within_s=within_s)


def duration_s(text: str, where: str) -> float:
    """Return a duration in seconds.  Raises: UsageError."""
    seconds = parse_duration(text)
    if seconds is None:
        raise UsageError(f"`{text}` is no duration above 0", where=where, hint=_DURATIONS)
    return seconds


def parse_ready(text: str) -> Url | None:
    """Return where a server answers, None for a program that ends by itself.  Raises: UsageError."""
    if text in ("exit", "first-byte"):
        return None
    try:
        parts = urlsplit(text)
        port = parts.port or 80
    except ValueError as error:
        raise UsageError(f"`{text}` is no URL: {error}", where="--ready", hint=_READY) from error
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(f"`{text}` is not known", where="--ready", hint=_READY)
    if parts.hostname not in _LOCAL:
        raise UsageError(
            f"`{parts.hostname}` is not this host",
            where="--ready",
            hint="a server that is timed runs here: `localhost`",
        )
    query = f"?{parts.query}" if parts.query else ""
    path = f"{parts.path or '/'}{query}"
    if not path.isascii() or any(c.isspace() for c in path):
        raise UsageError(f"`{path}` is no path of a request", where="--ready", hint="write other characters as %XX")
    return Url(port=port, path=path)


_READY = "one of `exit`, `first-byte`, `http://localhost:PORT/PATH`"


def parse_rounds(text: str, state: Conditions, *, prepared: bool) -> int | None:
    """Return the number of rounds, None for as many as the precision needs.

    Only one run of a program is its first, unless something is done before each run that makes it so again.

    Raises: UsageError.
    """
    asked = None if text == "auto" else _count(text)
    if state != "first":
        return asked
    if not prepared and (asked or 1) > 1:
        raise UsageError(
            "only one run of a program is its first",
            where="--rounds",
            hint="say with `--prepare` what makes it the first again, or ask for 1 round",
        )
    return asked or (FIRST_ROUNDS if prepared else 1)


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= count <= LARGEST_PLAN:
        raise UsageError(
            f"`{text}` is no number of rounds", where="--rounds", hint=f"`auto`, or a number from 1 to {LARGEST_PLAN}"
        )
    return count


def make_plan(
    names: Sequence[str], baseline: str | None, rounds: int | None, seed: int, ready: str, state: Conditions
) -> ExperimentPlan:
    """Return the plan of these arms.  Raises: UsageError if the baseline is none of them."""
    if baseline is not None and baseline not in names:
        known = ", ".join(f"`{name}`" for name in names)
        raise UsageError(f"there is no arm `{baseline}`", where="--baseline", hint=f"one of {known}")
    return ExperimentPlan(
        arms=tuple(names),
        baseline=baseline or names[0],
        rounds=rounds,
        warmups=WARMUPS if state == "warm" else 0,
        seed=seed,
        clock="total" if ready == "exit" else "start",
        conditions=state,
        serves=ready not in ("exit", "first-byte"),
    )
