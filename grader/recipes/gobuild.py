"""The `go build` argument vector that a Dockerfile states, through an allow-list.

`-toolexec`, `-overlay` and their like run or read what they please, so nothing passes that is not named here and
in the lab; the vector is rebuilt from checked parts in one canonical form, never passed on as written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from grader.model.base import Record
from grader.model.lab import DockerfileCommand
from grader.recipes.dockerfile import Instruction, Stage, environment, parse_dockerfile
from grader.recipes.refusal import Refusal, refuse

SWITCHES = frozenset({"-a", "-race", "-trimpath", "-v"})
"""Flags without a value that are safe; a lab allows a subset."""

VALUES = {
    "-buildvcs": re.compile(r"true|false|auto"),
    "-ldflags": re.compile(r"[^\x00-\x1f\x7f]*"),  # read word by word in `_linker_flags`
    "-mod": re.compile(r"mod|readonly|vendor"),
    "-o": re.compile(r"(?!-)[\w./-]+"),
    "-tags": re.compile(r"(?!-)[\w., -]*"),
}
"""Flags with a value that are safe, and the whole of what the value may be."""

SKIPPED = (
    ("apk", "add"),
    ("apk", "update"),
    ("apt-get", "install"),
    ("apt-get", "update"),
    ("go", "mod", "download"),
    ("go", "mod", "verify"),
    ("go", "version"),
    ("ls",),
    ("mkdir", "-p"),
)
"""Commands that may stand beside the build, joined by `&&`: they do not change what it makes, so they are not run."""

BUILD_VARIABLES = re.compile(
    r"GO(?!PROXY$|SUMDB$|NOSUMDB$|PRIVATE$|NOPROXY$|CACHE$|MODCACHE$|PATH$|TMPDIR$)\w+|CGO_\w+"
)
"""Environment that changes what `go build` makes."""

_OPERATORS = frozenset("();<>|&")
_EXPANSIONS = re.compile(r"[$`~*?\[\]{}!]")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PACKAGE = re.compile(r"(?![/-])(?!.*(?:^|/)\.\.(?:/|$))[\w./-]+")
_GO_IMAGE = re.compile(r"(?:docker\.io/)?(?:library/)?golang:(\d+\.\d+(?:\.\d+)?)")


class GoBuild(Record):
    """A build that may run: `go build` + `flags` (without -o) + `packages`, in the folder of the Dockerfile.

    `go` is the version that the stage's official image names, None for another image.  `copied` is False if COPY
    puts files elsewhere than they lie in the submission, so that a missing one need not be the student's mistake.
    """

    line: int
    env: dict[str, str]
    flags: tuple[str, ...]
    packages: tuple[str, ...]
    output: str
    go: str | None
    copied: bool

    @property
    def trimmed(self) -> bool:
        """True if the paths of the build do not enter the binary."""
        return "-trimpath" in self.flags

    @property
    def tags(self) -> frozenset[str]:
        """The build tags."""
        values = [f.partition("=")[2] for f in self.flags if f.startswith("-tags=")]
        return frozenset(re.split(r"[, ]+", values[-1])) - {""} if values else frozenset()


def go_build_argv(dockerfile: str, source: DockerfileCommand) -> GoBuild | Refusal:
    """Return the build that a Dockerfile states, or where and why it is refused.

    Args:
        source: `allow` names flags, `env` the only values that variables may have, `command` the first words.
    """
    parsed = parse_dockerfile(dockerfile)
    if isinstance(parsed, Refusal):
        return parsed
    wanted = source.command.split()
    found = [
        (stage, run)
        for stage in parsed.stages
        for run in stage.instructions
        if run.keyword == "RUN" and _mentions(run, wanted)
    ]
    if not found:
        return refuse("gobuild.not-found", command=source.command, file=source.file)
    if len(found) > 1:
        return refuse("gobuild.several", found[1][1].line, command=source.command, first=found[0][1].line)
    stage, run = found[0]
    for flag in run.flags:
        if not flag.startswith("--mount=type=cache"):
            return refuse("gobuild.run-option", run.line, found=flag)
    segments = _segments(run)
    if isinstance(segments, Refusal):
        return segments
    return _build(stage, run, segments, wanted, source)


def _mentions(run: Instruction, wanted: Sequence[str]) -> bool:
    text = " ".join(run.words) if run.words is not None else run.value
    return re.search(r"(?<![\w/.-])" + r"[\s\"',]+".join(map(re.escape, wanted)) + r"(?![\w-])", text) is not None


def _segments(run: Instruction) -> list[list[str]] | Refusal:
    """Split a RUN into the commands that `&&` joins; every other operator and every expansion is refused."""
    if run.words is not None:
        return [list(run.words)]
    expansion = _EXPANSIONS.search(run.value)
    if expansion:
        return refuse("gobuild.shell", run.line, found=expansion[0])
    lexer = shlex.shlex(run.value, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    segments: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word == "&&":
                segments.append([])
            elif word and set(word) <= _OPERATORS:
                return refuse("gobuild.shell", run.line, found=word)
            else:
                segments[-1].append(word)
    except ValueError:
        return refuse("gobuild.quotes", run.line)
    return segments


def _build(
    stage: Stage, run: Instruction, segments: list[list[str]], wanted: list[str], source: DockerfileCommand
) -> GoBuild | Refusal:
    builds: list[tuple[dict[str, str], list[str]]] = []
    for words in segments:
        env, rest = _assignments(words)
        if rest[: len(wanted)] == wanted:
            builds.append((env, rest[len(wanted) :]))
        elif env or not any(tuple(rest[: len(skip)]) == skip for skip in SKIPPED):
            return refuse("gobuild.other-command", run.line, found=" ".join(words)[:80], command=source.command)
    if len(builds) != 1:
        return refuse("gobuild.several", run.line, command=source.command, first=run.line)
    env, words = builds[0]
    set_before = {n: v for n, v in environment(stage, run.line).items() if BUILD_VARIABLES.fullmatch(n)}
    for name, (value, line) in [*set_before.items(), *((n, (v, run.line)) for n, v in env.items())]:
        if source.env.get(name) != value:
            allowed = ", ".join(f"{n}={v}" for n, v in sorted(source.env.items()))
            return refuse("gobuild.variable", line, found=f"{name}={value}"[:80], allowed=allowed)
    arguments = _arguments(words, run.line, source.allow)
    if isinstance(arguments, Refusal):
        return arguments
    flags, packages, output = arguments
    image = _GO_IMAGE.match(stage.base)
    return GoBuild(
        line=run.line,
        env={**{n: v for n, (v, _) in set_before.items()}, **env},
        flags=flags,
        packages=packages,
        output=output or source.output,
        go=image[1] if image else None,
        copied=_copied_as_they_lie(stage, run.line),
    )


def _assignments(words: list[str]) -> tuple[dict[str, str], list[str]]:
    env: dict[str, str] = {}
    for index, word in enumerate(words):
        match = _ASSIGNMENT.fullmatch(word)
        if match is None:
            return env, words[index:]
        env[match[1]] = match[2]
    return env, []


def _arguments(
    words: Sequence[str], line: int, allow: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], str] | Refusal:
    """Read flags up to the first argument that is none, then packages, as the `flag` package of Go does."""
    flags: list[str] = []
    output, rest = "", list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        name = "-" + name.lstrip("-") if name.startswith("--") else name
        if name not in allow or (name not in SWITCHES and name not in VALUES):
            usable = ", ".join(f for f in allow if f in SWITCHES or f in VALUES)
            return refuse("gobuild.flag", line, found=word[:80], allowed=usable)
        if name in SWITCHES:
            if equals and value != "true":
                return refuse("gobuild.value", line, found=word[:80], flag=name)
            flags.append(name)
            continue
        if not equals:
            if not rest:
                return refuse("gobuild.value", line, found=word, flag=name)
            value = rest.pop(0)
        if not VALUES[name].fullmatch(value):
            return refuse("gobuild.value", line, found=value[:80], flag=name)
        if name == "-o":
            output = value.rpartition("/")[2]
            continue
        checked = _linker_flags(value, line) if name == "-ldflags" else value
        if isinstance(checked, Refusal):
            return checked
        flags.append(f"{name}={checked}")
    for package in rest:
        if not _PACKAGE.fullmatch(package):
            return refuse("gobuild.package", line, found=package[:80])
    return tuple(flags), tuple(rest), output


def _linker_flags(value: str, line: int) -> str | Refusal:
    """Return -ldflags in canonical form: -s, -w, -X, -buildid, -linkmode=internal and -extldflags=-static only."""
    words = _quoted_split(value.removeprefix("all="))
    if words is None:
        return refuse("gobuild.quotes", line)
    kept: list[str] = []
    while words:
        word = words.pop(0)
        name, equals, argument = word.partition("=")
        name = "-" + name.lstrip("-") if name.startswith("--") else name
        if name in ("-s", "-w") and not equals:
            kept.append(name)
            continue
        if name not in ("-X", "-buildid", "-linkmode", "-extldflags"):
            return refuse("gobuild.linker-flag", line, found=word[:80])
        if not equals:
            argument = words.pop(0) if words else ""
        argument = argument.strip("\"'") if name == "-extldflags" else argument
        if not _linker_value(name, argument):
            return refuse("gobuild.linker-flag", line, found=f"{name} {argument}"[:80])
        kept.append(f'"{name}={argument}"' if " " in argument else f"{name}={argument}")
    return " ".join(kept)


def _linker_value(name: str, argument: str) -> bool:
    if name == "-extldflags":
        return set(argument.split()) == {"-static"} and argument == argument.strip()
    if name == "-linkmode":
        return argument == "internal"
    pattern = r"[\w./~-]+=[^\x00-\x1f\"'\\]*" if name == "-X" else r"[\w./-]*"
    return re.fullmatch(pattern, argument) is not None


def _quoted_split(value: str) -> list[str] | None:
    """Split as Go's `cmd/internal/quoted.Split`: a quote counts only at the start of a word, there is no escape."""
    words: list[str] = []
    rest = value.lstrip()
    while rest:
        if rest[0] in "\"'":
            end = rest.find(rest[0], 1)
            if end < 0:
                return None
            words.append(rest[1:end])
            rest = rest[end + 1 :].lstrip()
        else:
            word = re.split(r"\s", rest, maxsplit=1)
            words.append(word[0])
            rest = word[1].lstrip() if len(word) > 1 else ""
    return words


def _copied_as_they_lie(stage: Stage, before_line: int) -> bool:
    """True if every COPY into the stage keeps plain files, or the whole folder, in the working directory."""
    workdir = "/"
    for instruction in stage.instructions:
        if instruction.line >= before_line:
            break
        if instruction.keyword == "WORKDIR":
            workdir = instruction.value.rstrip("/") or "/"
        if instruction.keyword not in ("COPY", "ADD") or any(f.startswith("--from") for f in instruction.flags):
            continue
        *sources, target = instruction.words or instruction.value.split()
        if target.rstrip("/") not in (".", workdir) or any("/" in s.removeprefix("./").rstrip("/") for s in sources):
            return False
        if len(sources) == 1 and sources[0].rstrip("/") not in (".",) and "." not in sources[0]:
            return False  # a folder: its content lands one level up
    return True
