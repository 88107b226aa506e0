"""Whether an image may be built from a Dockerfile: everything that reaches beyond the submission is refused.

The file is given to the builder as it is written, so what cannot be read with certainty is refused as well.  A
parser from elsewhere would not help: the ones on the shelf read less than the builder does, and what they overlook
here is a way out.

Source: Dockerfile reference; BuildKit, frontend/dockerfile/parser `extractBuilderFlags` and `DetectSyntax`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from grader.model.base import Record
from grader.recipes.dockerfile import Dockerfile, Instruction, Stage, parse_dockerfile
from grader.recipes.refusal import Refusal, refuse

FLAGS: Mapping[str, frozenset[str]] = {
    "ADD": frozenset({"chmod", "chown", "link"}),
    "COPY": frozenset({"chmod", "chown", "from", "link"}),
    "FROM": frozenset({"platform"}),
    "HEALTHCHECK": frozenset({"interval", "retries", "start-interval", "start-period", "timeout"}),
    "RUN": frozenset({"mount"}),
}
"""Options that an instruction may have; `--network`, `--security` and all that the future brings are not among them."""

_BUILDKIT_FLAGS = frozenset({"chmod", "link", "mount", "start-interval"})
"""Options that the classic builder does not know; of the last one, that of Docker before 25."""
_MOUNTS = frozenset({"bind", "cache", "tmpfs"})
_SYNTAX = re.compile(r"\s*(?:#|//)\s*syntax\s*=\s*(.*?)\s*$", re.IGNORECASE)
_REMOTE = re.compile(r"[^/]*[:@]|github\.com/|.*\.git(?:#|$)", re.IGNORECASE)
"""Addresses with a scheme, `user@host:path`, and what is taken for a git repository by its name."""
_REWRITTEN = frozenset("$\"'\\")
"""What the builder takes out of a word or puts something in for, so that the word it uses is another one."""
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_AUTOMATIC = ("BUILD", "TARGET")
"""Begins the names of what BuildKit sets by itself."""
_ARGUMENT = re.compile(r"([A-Za-z_]\w*)(?:=(?:\"([^\"]*)\"|'([^']*)'|(\S*)))?$")
_PLATFORM = re.compile(r"\$(?:\{)?(?:BUILD|TARGET)PLATFORM\}?|[a-z0-9]+/[a-z0-9]+(?:/[a-z0-9]+)?")
_REFERENCE = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::\d+(?=/))?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DOCKER_HUB = ("docker.io/library/", "docker.io/", "index.docker.io/library/", "library/")


class Added(Record):
    """A source of an ADD: a name in the context, or a pattern of names."""

    line: int
    source: str


class ImageBuild(Record):
    """What a build will need.

    `bases` are the images that it starts from, variables put in, in order of appearance; `added` is what ADD names;
    `needs_buildkit` is the first thing that Docker's classic builder cannot do, None if it can do all.
    """

    bases: tuple[str, ...]
    needs_buildkit: Refusal | None = None
    added: tuple[Added, ...] = ()


def check_image_build(text: str, allowed: Sequence[str], *, runs: bool = True) -> ImageBuild | tuple[Refusal, ...]:
    """Return what a build of this Dockerfile needs, or everything in it that is refused, at least one thing.

    Args:
        allowed: Images that it may start from, without registry and tag (`golang`, `tinygo/tinygo`), or with a tag
            where only that one is meant.
        runs: Whether it may run commands, in Docker's builder: one without a boundary may not.
    """
    syntax = _syntax(text)
    parsed = parse_dockerfile(text)
    if isinstance(parsed, Refusal):
        return (*((syntax,) if syntax else ()), parsed)
    check = _Check(parsed, allowed, runs=runs)
    refusals = (*((syntax,) if syntax else ()), *check.all())
    if refusals:
        return refusals
    instructions = [instruction for stage in parsed.stages for instruction in stage.instructions]
    added = [Added(line=i.line, source=source) for i in instructions if i.keyword == "ADD" for source in _sources(i)]
    return ImageBuild(bases=tuple(check.bases), needs_buildkit=next(iter(check.buildkit), None), added=tuple(added))


def labelled(text: str, name: str, value: str) -> str:
    """Return a Dockerfile that gives every image on its way a label, whatever labels it sets itself.

    Args:
        text: One that `check_image_build` lets pass.
        value: Letters, digits and hyphens.
    """
    parsed = parse_dockerfile(text)
    assert isinstance(parsed, Dockerfile)  # it has passed
    lines = text.split("\n")
    starts = [*(stage.line for stage in parsed.stages[1:]), len(lines) + 1]
    for stage, following in reversed(list(zip(parsed.stages, starts, strict=True))):
        before = ["LABEL", *(instruction.keyword for instruction in stage.instructions)]
        places = [*(instruction.line for instruction in stage.instructions), following]
        for keyword, place in reversed(list(zip(before, places, strict=True))):
            if keyword == "LABEL":  # which could be ours, by another value
                lines.insert(place - 1, f'LABEL {name}="{value}"')
    return "\n".join(lines)


def _syntax(text: str) -> Refusal | None:
    """Find a request for another frontend, which is an image that runs as the builder.

    The builder looks for it in several places (behind a `#!` line, behind `//`), so every comment above the first
    instruction counts; as JSON it is no Dockerfile.
    """
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        match = _SYNTAX.match(line)
        if match is not None:
            return refuse("image.syntax", number, found=(match[1] or line.strip())[:80])
        if line.strip() and not line.lstrip().startswith(("#", "//")):
            return None
    return None


class _Check:
    """One reading of a Dockerfile from top to bottom.

    `bases` grows with each image that is used and allowed, `buildkit` with each thing that only BuildKit can do.
    """

    def __init__(self, dockerfile: Dockerfile, allowed: Sequence[str], *, runs: bool) -> None:
        self._dockerfile = dockerfile
        self._runs = runs
        self._allowed = allowed
        self._stages: set[str] = set()
        self.bases: dict[str, None] = {}
        self.buildkit: list[Refusal] = []

    def all(self) -> Iterator[Refusal]:
        """Yield every refusal in the order of lines."""
        arguments = _defaults(self._dockerfile.arguments)
        for number, stage in enumerate(self._dockerfile.stages):
            yield from self._from(stage, arguments)
            for instruction in stage.instructions:
                yield from self._instruction(instruction)
            self._stages |= {str(number), *((stage.name.lower(),) if stage.name else ())}

    def _from(self, stage: Stage, arguments: Mapping[str, str]) -> Iterator[Refusal]:
        for flag in stage.flags:
            if not flag.startswith("--platform=") or not _PLATFORM.fullmatch(flag.removeprefix("--platform=")):
                yield refuse("image.flag", stage.line, found=f"FROM {flag}"[:80])
            elif self._runs and _expanded(flag, arguments) is None:
                # Only BuildKit sets such a variable by itself; buildah does too, and that one runs nothing.
                self.buildkit.append(refuse("image.needs-buildkit", stage.line, found=f"FROM {flag}"))
        base = _expanded(stage.base, arguments)
        if base is None:
            yield refuse("image.variable", stage.line, found=stage.base[:80])
        elif base.lower() not in self._stages and base != "scratch":
            yield from self._image(base, stage.line, "FROM")

    def _image(self, reference: str, line: int, keyword: str) -> Iterator[Refusal]:
        if _is_allowed(reference, self._allowed):
            self.bases.setdefault(reference)
        else:
            allowed = ", ".join(self._allowed)
            yield refuse("image.base", line, found=f"{keyword} {reference}"[:120], allowed=allowed)

    def _instruction(self, instruction: Instruction) -> Iterator[Refusal]:
        keyword, line = instruction.keyword, instruction.line
        if keyword == "ONBUILD":  # runs in a later stage, where nobody would look for it
            yield refuse("image.onbuild", line)
            return
        if keyword == "RUN" and not self._runs:
            yield refuse("image.run", line)
        # The builder takes quotes and backslashes out of options; who writes them so wants to be misread.
        if instruction.value.startswith("--") or any(_REWRITTEN & set(flag) for flag in instruction.flags):
            yield refuse(
                "image.flag", line, found=f"{keyword} {' '.join((*instruction.flags, instruction.value))}"[:80]
            )
            return
        for name, value in _flags(instruction):
            if name not in FLAGS.get(keyword, ()):
                yield refuse("image.flag", line, found=f"{keyword} --{name}"[:80])
                continue
            if name in _BUILDKIT_FLAGS:
                self.buildkit.append(refuse("image.needs-buildkit", line, found=f"{keyword} --{name}"))
            if name == "from":
                yield from self._source(value, line, "COPY --from")
            elif name == "mount":
                yield from self._mount(value, line)
        if keyword == "ADD":
            yield from _added(instruction)

    def _source(self, source: str, line: int, keyword: str) -> Iterator[Refusal]:
        if source.lower() not in self._stages:
            yield from self._image(source, line, keyword)

    def _mount(self, value: str, line: int) -> Iterator[Refusal]:
        fields = {name.lower(): text for name, _, text in (part.partition("=") for part in value.split(","))}
        kind = fields.get("type", "bind").lower()
        if kind not in _MOUNTS:
            yield refuse("image.mount", line, found=f"--mount={value}"[:80])
        elif "from" in fields:
            yield from self._source(fields["from"], line, "RUN --mount=from")


def _added(instruction: Instruction) -> Iterator[Refusal]:
    """ADD takes addresses too, and a variable, or a word with a backslash in it, may become one."""
    for source in _sources(instruction):
        if _REMOTE.match(source) or _REWRITTEN & set(source):
            yield refuse("image.remote-add", instruction.line, found=source[:80])


def _sources(instruction: Instruction) -> tuple[str, ...]:
    return (instruction.words or tuple(instruction.value.split()))[:-1]


def _flags(instruction: Instruction) -> Iterator[tuple[str, str]]:
    for flag in instruction.flags:
        name, _, value = flag.removeprefix("--").partition("=")
        yield name, value


def _defaults(arguments: Sequence[Instruction]) -> dict[str, str]:
    """Return what ARG sets above the first FROM: the builder is given no other values."""
    found: dict[str, str] = {}
    for instruction in arguments:
        match = _ARGUMENT.match(instruction.value)
        if match is not None:
            value = _expanded(next((v for v in match.groups()[1:] if v is not None), ""), found)
            found |= {match[1]: value} if value is not None else {}
    return found


def _expanded(text: str, arguments: Mapping[str, str]) -> str | None:
    """Put in variables that have a default; None where anything is left that the builder would still change."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        known = "" if name.startswith(_AUTOMATIC) else arguments.get(name) or (match[3] or "")
        return known or "$"

    result = _VARIABLE.sub(value, text)
    return None if re.search(r"[$\"'\\{}]", result) else result


def _is_allowed(reference: str, allowed: Sequence[str]) -> bool:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return False
    name = match["name"]
    for prefix in _DOCKER_HUB:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    return name in allowed or f"{name}:{match['tag'] or 'latest'}" in allowed
