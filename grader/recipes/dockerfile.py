"""Read a Dockerfile into stages and instructions, each with its line; nothing is expanded or run.

Covers what the reference describes except heredocs and a changed escape character, which are refused: a reader
that guesses there would see other commands than the builder does.
"""

from __future__ import annotations

import json
import re

from grader.model.base import Record
from grader.recipes.refusal import Refusal, refuse

# fmt: off
KEYWORDS = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK",
    "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})
# fmt: on
MAX_BYTES = 64 << 10
"""A Dockerfile above this is refused unread; the largest official image's has 20 KiB."""

_DIRECTIVE = re.compile(r"\s*#\s*([a-z][a-z0-9]*)\s*=\s*(.*?)\s*$", re.IGNORECASE)
_INSTRUCTION = re.compile(r"([A-Za-z]+)(?:\s+(.*))?$", re.DOTALL)
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"<<-?\s*[\"']?[A-Za-z_]")
_STAGE = re.compile(r"(?P<base>\S+)(?:\s+[Aa][Ss]\s+(?P<name>\S+))?$")
_CONTINUED = re.compile(r"(?:^|[^\\])\\[ \t]*$")
_CONTINUED_BY_SOME = re.compile(r"\\\\[ \t]*$")
"""Ends in two or more: builders up to Docker 20.10 go on with the next line, later ones do not."""
_ODD = re.compile(r"[^\S \t]|[\x00-\x08\x0e-\x1f\x7f]")
"""What only some languages take for a space or a line's end, so that two readers may see two files."""
_NAME_VALUE = re.compile(r"([A-Za-z_]\w*)=(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|(\S*))")


class Instruction(Record):
    """One instruction.  `value` is its text with continuations joined; `words` are those of the exec (JSON) form."""

    line: int
    keyword: str
    flags: tuple[str, ...] = ()
    value: str
    words: tuple[str, ...] | None = None


class Stage(Record):
    """A build stage; `base` as written, variables unexpanded."""

    line: int
    base: str
    name: str | None
    instructions: tuple[Instruction, ...]
    flags: tuple[str, ...] = ()


class Dockerfile(Record):
    """A whole file.  `syntax` is the frontend that a `# syntax=` directive asks for, with its text as written."""

    syntax: str | None
    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]


def parse_dockerfile(text: str) -> Dockerfile | Refusal:
    """Return the stages of a Dockerfile, or why it cannot be read."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return refuse("dockerfile.too-large", allowed=MAX_BYTES)
    # At \n alone, as the builder does: Python ends a line at ten other characters too.
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    directives = _directives(lines)
    if directives.get("escape", "\\") != "\\":
        return refuse("dockerfile.escape", 1, found=directives["escape"][:10])
    unclear = _unclear(lines)
    if unclear is not None:
        return unclear
    arguments: list[Instruction] = []
    stages: list[tuple[Instruction, re.Match[str], list[Instruction]]] = []
    for line, logical in _logical_lines(lines):
        read = _instruction(line, logical)
        if isinstance(read, Refusal):
            return read
        if read.keyword == "FROM":
            head = _STAGE.match(read.value)
            if head is None:
                return refuse("dockerfile.from", line, found=read.value[:80])
            stages.append((read, head, []))
        elif stages:
            stages[-1][2].append(read)
        elif read.keyword == "ARG":
            arguments.append(read)
        else:
            return refuse("dockerfile.before-from", line, found=read.keyword)
    if not stages:
        return refuse("dockerfile.no-stage")
    return Dockerfile(
        syntax=directives.get("syntax"),
        arguments=tuple(arguments),
        stages=tuple(
            Stage(line=at.line, base=head["base"], name=head["name"], instructions=tuple(body), flags=at.flags)
            for at, head, body in stages
        ),
    )


def environment(stage: Stage, before_line: int) -> dict[str, tuple[str, int]]:
    """Return what ENV (and ARG with a default) set in a stage before a line: name to value and line."""
    found: dict[str, tuple[str, int]] = {}
    for instruction in stage.instructions:
        if instruction.keyword not in ("ENV", "ARG") or instruction.line >= before_line:
            continue
        pairs = _NAME_VALUE.findall(instruction.value)
        if not pairs and instruction.keyword == "ENV":  # the legacy form `ENV NAME the value`
            name, _, value = instruction.value.partition(" ")
            found[name] = (value.strip(), instruction.line)
        for name, double, single, bare in pairs:
            found[name] = (double or single or bare, instruction.line)
    return found


def _directives(lines: list[str]) -> dict[str, str]:
    """Parser directives stand above everything else, and of unknown names any number.

    The builder looks for them in fewer comments than this: what it might take for one is taken for one.
    """
    found: dict[str, str] = {}
    for line in lines:
        match = _DIRECTIVE.match(line)
        if match is not None:
            found.setdefault(match[1].lower(), match[2])
        elif line.strip() and not _is_comment(line):
            break
    return found


def _is_comment(line: str) -> bool:
    return line.lstrip(" \t").startswith("#")


def _unclear(lines: list[str]) -> Refusal | None:
    """Find the first line that the builder may read otherwise than this does."""
    for number, line in enumerate(lines, 1):
        if _is_comment(line):
            continue
        odd = _ODD.search(line)
        if odd is not None:
            return refuse("dockerfile.odd-character", number, found=f"U+{ord(odd[0]):04X}")
        if _CONTINUED_BY_SOME.search(line):
            return refuse("dockerfile.continuation", number)
    return None


def _logical_lines(lines: list[str]) -> list[tuple[int, str]]:
    """Join continuations; comment lines and empty lines inside one are dropped, as the builder does."""
    joined: list[tuple[int, str]] = []
    start, parts = 0, list[str]()
    for number, text in enumerate(lines, 1):
        if not text.strip() or _is_comment(text):
            continue
        if not parts:
            start = number
        if _CONTINUED.search(text):
            parts.append(text.rstrip(" \t")[:-1])
            continue
        joined.append((start, "".join([*parts, text]).strip()))
        parts = []
    if parts:
        joined.append((start, "".join(parts).strip()))
    return joined


def _instruction(line: int, logical: str) -> Instruction | Refusal:
    match = _INSTRUCTION.match(logical)
    keyword = match[1].upper() if match else ""
    if match is None or keyword not in KEYWORDS:
        return refuse("dockerfile.unknown-instruction", line, found=logical.split(None, 1)[0][:40] if logical else "")
    value = (match[2] or "").strip()
    if keyword in ("RUN", "COPY", "ADD") and _HEREDOC.search(value):
        return refuse("dockerfile.heredoc", line)
    flags: list[str] = []
    while flag := _FLAG.match(value):
        flags.append(flag[0].strip())
        value = value[flag.end() :]
    return Instruction(line=line, keyword=keyword, flags=tuple(flags), value=value, words=_exec_form(value))


def _exec_form(value: str) -> tuple[str, ...] | None:
    """The builder reads the JSON form only if it is valid; anything else that begins with `[` is shell text."""
    if not value.startswith("["):
        return None
    try:
        words = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        return None
    return tuple(words)
