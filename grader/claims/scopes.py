"""What stands above a line of a report: its headings, the label it belongs to, the command that printed it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from grader.claims.markdown import Document
from grader.claims.parse import plain_text
from grader.claims.vocabulary import Vocabulary
from grader.model.lab import PrintedAfter
from grader.units import find_quantities

LINE_LIMIT = 2000
"""Characters of a line that are searched and quoted; patterns of a lab need not be safe on longer ones."""

LABEL_REACH = 40
"""Lines below a label that may belong to it: the output of a build stands between a label and its result."""

COMMAND_REACH = 80
"""Lines below a command that it may have printed."""

_HEADING = re.compile(r"\s{0,3}(#{1,6})(?:\s+|(?=[^\s#]))(?P<words>.*?)\s*#*\s*$")
_BOLD_ALONE = re.compile(r"\s*(?:[-*+]\s+|\d+[.)]\s+)?(\*\*|__)(?P<words>[^*_]{2,120})\1\s*:?\s*$")
_LABEL_END = re.compile(r"[:：]\s*$")
_QUOTE = re.compile(r"^ {0,3}(?:>[ \t]{0,3})+")
_WORD = re.compile(r"[^\W_]")
_FENCE = re.compile(r"[\s>]*(?:`{3,}|~{3,})[^`]*$")
_PROMPT = re.compile(
    r"\s*(?:[$%>❯➜]\s|PS[\s>]|\([\w.-]+\)\s|[\w.-]+@[\w.-]+[^$#%]{0,200}[$#%]\s|[A-Z]:\\[^>]{0,200}>|\$\w[\w:]*\s*=|1\.\.\d)",
    re.IGNORECASE,
)
_PROGRAM = re.compile(
    r"\s*(?:sudo|docker|ctr|nerdctl|time|spin|for|while|do|done|curl|tinygo|ls|stat|wc|du|wasmtime|hyperfine|echo"
    r"|Get-Item|Get-ChildItem|\(?Measure-Command|\(Get-Item|/usr/bin/time)(?=\s|$)",
    re.IGNORECASE,
)
_CODE_WORDS = re.compile(
    r"\bawk\b|printf|%\{|\$\(|\$\{|\{print|\{\{|Measure-Object|ForEach-Object|--format|\bMODE=once\s+\S"
)
_CONTINUES = ("\\", "`", "|", "&&")
"""Ends of a command's line that goes on in the next one, in a Unix shell or PowerShell."""

_MAX_LABEL = 200
_SHORTEST_NAME, _LONGEST_NAME = 3, 40


@dataclass(frozen=True, slots=True)
class Scope:
    """Words above a line, from 0; `command` is what a command prints, `words` then its line."""

    line: int
    words: str
    command: PrintedAfter | None = None
    is_label: bool = False
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A line with what stands above it, the nearest first."""

    line: int
    text: str
    above: tuple[Scope, ...]
    in_code: bool
    is_heading: bool


@dataclass(slots=True)
class _State:
    headings: list[tuple[int, Scope]] = field(default_factory=list)
    label: Scope | None = None
    command: Scope | None = None
    after_command: bool = False
    open_command: str = ""

    def above(self, number: int) -> tuple[Scope, ...]:
        label = self.label if self.label and number - self.label.line <= LABEL_REACH else None
        command = self.command if self.command and number - self.command.line <= COMMAND_REACH else None
        near = sorted((s for s in (label, command) if s), key=lambda s: -s.line)
        return (*near, *(scope for _, scope in reversed(self.headings)))


def placed_lines(document: Document, vocabulary: Vocabulary, title: str = "") -> Iterator[Placed]:
    """Yield the lines that are no command and no fence marker, each with its scopes; blank lines are left out.

    `title` stands above all of them: the name of a file of output.
    """
    state = _State()
    if title:
        state.headings.append((0, Scope(-1, title)))
    for number, raw in enumerate(document.lines):
        if not raw or raw.isspace() or _FENCE.match(raw):
            continue
        in_code = number in document.code
        if not (state.open_command or "#" in raw or _WORD.search(raw)):  # nothing to read, and there may be a million
            state.after_command = state.after_command and in_code
            continue
        line = raw[:LINE_LIMIT] if in_code else _QUOTE.sub("", raw[:LINE_LIMIT], count=1)
        heading = _HEADING.match(line) if not in_code or _after_blank(document, number) else None
        if heading and len(heading[1]) == 1 and state.after_command:
            heading = None  # `# Average: 0.5 s` below a command outside a fence is a comment of the shell
        text = plain_text(heading["words"] if heading else line)
        if heading is None and (state.open_command or _is_command(line, in_code, vocabulary)):
            whole = f"{state.open_command} {line}"[:LINE_LIMIT] if state.open_command else line
            state.after_command = True
            if line.rstrip().endswith(_CONTINUES):
                state.open_command = whole
            else:  # a command of several lines is looked up once: it may have a hundred thousand
                state.open_command = ""
                state.command = _command(number, whole, vocabulary) or _continued(state.command, line, number)
            continue
        yield Placed(number, text, state.above(number), in_code, heading is not None)
        if heading:
            _enter(state, len(heading[1]), Scope(number, text[:_MAX_LABEL], is_heading=True))
        elif _is_label(line, text) or _is_name(text, vocabulary):
            state.label = Scope(number, text[:_MAX_LABEL], is_label=True)
        state.after_command = state.after_command and heading is None and (in_code or line.lstrip().startswith("#"))


def _after_blank(document: Document, number: int) -> bool:
    """True for a line of code that may be none: fences of the report do not pair up, and a blank line is above it."""
    return document.broken_fences and number > 0 and not document.lines[number - 1].strip()


def _enter(state: _State, level: int, scope: Scope) -> None:
    while state.headings and state.headings[-1][0] >= level:
        state.headings.pop()
    state.headings.append((level, scope))
    state.label = state.command = None
    state.after_command = False


def _is_label(line: str, text: str) -> bool:
    if len(text) > _MAX_LABEL:
        return False
    return bool(_LABEL_END.search(text)) or bool(_BOLD_ALONE.match(line))


def _is_name(text: str, vocabulary: Vocabulary) -> bool:
    """True for a line of nothing but the name of a quantity, above its output."""
    if not _SHORTEST_NAME <= len(text) <= _LONGEST_NAME:
        return False
    names = vocabulary.names.find(text)
    return len(names) == 1 and names[0].length == names[0].end == len(text)


def _is_command(line: str, in_code: bool, vocabulary: Vocabulary) -> bool:
    if _CODE_WORDS.search(line) and (in_code or not re.match(r"\s*[-*+]\s|\s*\d+[.)]\s|\s*\|", line)):
        return not _prose(line)
    if _PROMPT.match(line):
        return in_code or not _prose(line)
    program = _PROGRAM.match(line) and (in_code or not _prose(line))
    if not program and not (in_code and any(pattern.found_in(line) for pattern, _ in vocabulary.commands)):
        return False
    # `docker images 4.7MB` and `time 0.58 s` are results
    return not any(q.dimension in ("byte", "second") for q in find_quantities(line))


_PROSE = re.compile(r"`[^`]+`|\*\*|[.:]\s*$")


def _prose(line: str) -> bool:
    """True for a sentence that quotes a command: code marks, emphasis or a full stop at its end."""
    return bool(_PROSE.search(line)) and not re.match(r"\s*[$%>]\s|PS[\s>]", line)


def _command(number: int, line: str, vocabulary: Vocabulary) -> Scope | None:
    for pattern, spec in vocabulary.commands:
        if pattern.found_in(line):
            return Scope(number, line, spec)
    return None


def _continued(command: Scope | None, line: str, number: int) -> Scope | None:
    """Return the command with one more of its lines: an inspection and the `awk` behind its pipe."""
    if command is None or number - command.line > 3 or len(command.words) > LINE_LIMIT:
        return command
    return Scope(number, f"{command.words} {line}", command.command)
