"""Find the tables of a Markdown report, with the exact bytes of every cell.

markdown-it decides what is a table (not one inside a code fence, but one inside a list or a quote); its own rule is
wrapped only to learn from which characters of which lines each row was read.  Inline Markdown is never parsed:
cells are read from their source, and nested brackets cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import table as table_rule
from markdown_it.token import Token

from grader.errors import IntakeError
from grader.model.report import CellAddress, Span

UTF8_BOM = b"\xef\xbb\xbf"
ENCODING_HINT = "save the report as Markdown text in UTF-8"
MIN_CYRILLIC_SHARE = 0.5
"""Smallest share of Cyrillic letters among the bytes above 127 of a file that is taken for CP1251."""

MAX_NESTING = 8
"""Quotes and lists within each other in which tables are found; each costs a pass over the lines below it."""

MAX_ROWS = 20_000
"""Rows of one table that are read; the longest known comparison table has 12."""

_LINE_END = re.compile(r"\r\n?|\n")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # all but tab, line ends, form feed and escape
_PIPE = re.compile(r"(?<!\\)\|")
_FENCE_MARKER = re.compile(r"[\s>]*(?P<marker>`{3,}|~{3,})(?P<info>[^`]*)$")
_LONE_TAG = re.compile(r"\s*</?[A-Za-z][^>]{0,200}>\s*$")


@dataclass(frozen=True, slots=True)
class SourceCell:
    """One cell: its source between the pipes, trimmed, and the bytes of exactly that text (1-based line)."""

    text: str
    start: int
    end: int
    line: int

    @property
    def span(self) -> Span:
        """Bytes of the text; made on demand, for a hostile table has a million cells that nobody asks."""
        return Span(start=self.start, end=self.end)


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table as written.  Short rows hold fewer cells than the header, what exceeds the header is left out.

    `first_row` is the place of `rows[0]` among the body rows as written; in a `turned` table rows are the columns
    as written, the first of them the header.
    """

    number: int
    header: tuple[SourceCell, ...]
    rows: tuple[tuple[SourceCell, ...], ...]
    lines: range
    first_row: int = 0
    turned: bool = False

    def address(self, row: int, column: int) -> CellAddress:
        """Return the place of `rows[row][column]` in the table as written."""
        if self.turned:
            return CellAddress(table=self.number, row=max(column - 1, 0), column=row + 1)
        return CellAddress(table=self.number, row=self.first_row + row, column=column)

    @property
    def line(self) -> int:
        """Line of the header, from 1."""
        return self.lines.start + 1


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded report: its lines without line ends, the byte at which each starts, its tables and code lines.

    Line numbers in `code` and in the tables' `lines` count from 0.  `broken_fences` is True if a code fence is
    never closed or swallowed the opening of another.
    """

    encoding: str
    lines: tuple[str, ...]
    starts: tuple[int, ...]
    tables: tuple[SourceTable, ...]
    code: frozenset[int]
    broken_fences: bool

    def span(self, line: int, start: int, end: int) -> Span:
        """Return the bytes of characters `start..end` of a line (from 0)."""
        text = self.lines[line]
        first = self.starts[line] + _width(text[:start], self.encoding)
        return Span(start=first, end=first + _width(text[start:end], self.encoding))


def read_document(data: bytes, name: str = "report") -> Document:
    """Decode a report, which errors call `name`, and find its tables.

    Raises: IntakeError if the bytes are no text in UTF-8 or CP1251.
    """
    text, encoding = _decode(data, name)
    lines, starts = _split_lines(text, encoding, len(UTF8_BOM) if data.startswith(UTF8_BOM) else 0)
    rows, blocks = _block_structure(lines)
    code = frozenset(n for block in blocks for n in block.lines)
    broken = any(_is_broken(block, lines) for block in blocks if block.marker)
    bare = Document(encoding, lines, starts, (), code, broken)
    return Document(encoding, lines, starts, _tables(rows, bare), code, broken)


def tables_in_broken_fences(document: Document) -> tuple[SourceTable, ...]:
    """Return the tables that show when fence markers and lone HTML tags are taken for blank lines.

    For reports whose fences do not pair up: what a student meant as a table then lies in "code".
    """
    lines = ["" if _FENCE_MARKER.match(x) or _LONE_TAG.match(x) else x for x in document.lines]
    rows, _ = _block_structure(lines)
    return _tables(rows, document)


def _decode(data: bytes, name: str) -> tuple[str, str]:
    if b"\x00" in data:
        raise IntakeError("this is no text file: it holds NUL bytes", where=name, hint=ENCODING_HINT)
    try:
        return data.removeprefix(UTF8_BOM).decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    high = [byte for byte in data if byte > 127]
    cyrillic = sum(byte >= 0xC0 or byte in (0xA8, 0xB8) for byte in high)
    if _CONTROL.search(data) or cyrillic < MIN_CYRILLIC_SHARE * len(high):
        raise IntakeError("the text is neither UTF-8 nor CP1251", where=name, hint=ENCODING_HINT)
    try:
        return data.decode("cp1251"), "cp1251"
    except UnicodeDecodeError as error:
        raise IntakeError(
            f"the text is neither UTF-8 nor CP1251: byte {error.start} is 0x{data[error.start]:02x}",
            where=name,
            hint=ENCODING_HINT,
        ) from error


def _split_lines(text: str, encoding: str, first_byte: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Split at the line ends of CommonMark (LF, CR, CRLF and no other) and count the bytes before each line."""
    lines: list[str] = []
    starts: list[int] = []
    position, byte = 0, first_byte
    for end in _LINE_END.finditer(text):
        line = text[position : end.start()]
        lines.append(line)
        starts.append(byte)
        byte += _width(line, encoding) + end.end() - end.start()
        position = end.end()
    lines.append(text[position:])
    starts.append(byte)
    return tuple(lines), tuple(starts)


def _width(text: str, encoding: str) -> int:
    return len(text) if text.isascii() else len(text.encode(encoding))


_RowSource = tuple[int, int, int]
"""Line from 0, first and past-the-last character of a table's row within the line."""


@dataclass(frozen=True, slots=True)
class _CodeBlock:
    """Lines of a code block, from 0, its fences among them; `marker` is the opening fence, empty where indented."""

    lines: range
    marker: str


def _block_structure(lines: Sequence[str]) -> tuple[list[list[_RowSource]], list[_CodeBlock]]:
    """Run markdown-it's block rules; return the row sources of every table, and the code blocks."""
    found: list[list[_RowSource]] = []
    kept = _structural(lines)
    ends = [*kept, len(lines)]
    offsets = list(accumulate((len(lines[n]) + 1 for n in kept), initial=0))

    def recording_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        if not table_rule(state, start, end, True):
            return False
        if not silent:
            state.line = _table_end(state, start, end)
            found.append([])
            for n in range(start, state.line):
                first = state.bMarks[n] + state.tShift[n] - offsets[n]
                found[-1].append((kept[n], first, state.eMarks[n] - offsets[n]))
                if n + 1 < state.line:  # what was left out as more of the same are rows as well
                    found[-1].extend(_row(lines, left_out) for left_out in range(kept[n] + 1, kept[n + 1]))
        return True

    parser = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table").disable("reference")
    parser.block.ruler.at("table", recording_table, {"alt": ["paragraph", "reference"]})
    state = _LeanState("\n".join(lines[n] for n in kept), parser, {}, [])
    parser.block.tokenize(state, state.line, state.lineMax)
    blocks = [
        _CodeBlock(range(kept[token.map[0]], ends[token.map[1]]), token.markup if token.type == "fence" else "")
        for token in state.tokens
        if token.map
    ]
    return found, blocks


_MORE_OF_THE_SAME = re.compile(r"(?P<containers>[ \t>*+-]*)(?:[^\W\d_]|\d{1,20}(?![\d.)]))[^>]*")
"""A line of text with the markers of the containers that it is in; `>` might end a block of HTML."""


def _row(lines: Sequence[str], number: int) -> _RowSource:
    text = _MORE_OF_THE_SAME.fullmatch(lines[number])
    return number, text.end("containers") if text else 0, len(lines[number])


def _structural(lines: Sequence[str]) -> list[int]:
    """Return the lines that can matter to the structure of blocks.

    From the second of several lines of text in the same containers on, each leaves a parser of blocks where the one
    before it did: in a paragraph, a code block, a table.  All but the first two and the last are left out: deep
    quotes and lists cost a pass over all lines below them for each level.
    """
    kept: list[int] = []
    before, length = None, 0
    for number, line in enumerate(lines):
        found = _MORE_OF_THE_SAME.fullmatch(line)
        containers = found["containers"] if found else None
        length = length + 1 if containers is not None and containers == before else 1
        before = containers
        if length > 3:
            kept.pop()
        kept.append(number)
    return kept


class _LeanState(StateBlock):
    """Keeps only the tokens of code blocks: half a million list items would cost memory and time for nothing."""

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        token = super().push(ttype, tag, nesting)
        if ttype not in ("fence", "code_block"):
            self.tokens.pop()
        return token


def _table_end(state: StateBlock, start: int, end: int) -> int:
    """Return the line after the table's last row, by the same tests as markdown-it's rule.

    Its own loop is not used because it makes five tokens per cell: half a minute for a hostile report.
    """
    terminators = state.md.block.ruler.getRules("blockquote")
    before, state.parentType = state.parentType, "table"
    line = start + 2
    while line < end and state.sCount[line] >= state.blkIndent and not state.isEmpty(line):
        if state.is_code_block(line) or any(rule(state, line, end, True) for rule in terminators):
            break
        line += 1
    state.parentType = before
    return line


def _tables(found: Sequence[Sequence[_RowSource]], document: Document) -> tuple[SourceTable, ...]:
    tables: list[SourceTable] = []
    for number, sources in enumerate(found):
        header = tuple(_cells(sources[0], document, None))
        body = tuple(tuple(_cells(source, document, len(header))) for source in sources[2 : 2 + MAX_ROWS])
        tables.append(SourceTable(number, header, body, range(sources[0][0], sources[-1][0] + 1)))
    return tuple(tables)


def _cells(source: _RowSource, document: Document, limit: int | None) -> Iterator[SourceCell]:
    r"""Split one row as GFM does: at every pipe without a backslash before it, code spans included."""
    line, left, right = source
    text = document.lines[line]
    row = text[left:right]
    left += len(row) - len(row.lstrip())
    right = left + len(row.strip())
    byte, counted = document.starts[line], 0
    for index, (first, last) in enumerate(_segments(text, left, right)):
        if limit is not None and index >= limit:
            return
        content = text[first:last].strip()
        begin = first + len(text[first:last]) - len(text[first:last].lstrip()) if content else first
        byte += _width(text[counted:begin], document.encoding)
        counted = begin
        yield SourceCell(content, byte, byte + _width(content, document.encoding), line + 1)


def _segments(text: str, left: int, right: int) -> Iterator[tuple[int, int]]:
    """Yield first and past-the-last character of each cell; an empty piece outside an outer pipe is no cell."""
    begin = left
    for pipe in _PIPE.finditer(text, left, right):
        if pipe.start() > left:
            yield begin, pipe.start()
        begin = pipe.end()
    if begin < right:
        yield begin, right


def _is_broken(fence: _CodeBlock, lines: Sequence[str]) -> bool:
    """Return whether a fence is never closed, or holds what looks like the opening of another of its length."""
    first, end = fence.lines.start, fence.lines.stop
    last = _FENCE_MARKER.match(lines[min(end, len(lines)) - 1])
    if end - first < 2 or last is None or last["info"].strip():
        return True
    for line in lines[first + 1 : end - 1]:
        marker = _FENCE_MARKER.match(line)
        if marker and marker["marker"].startswith(fence.marker):
            return True
    return False
