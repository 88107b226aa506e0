"""Tables are those of markdown-it, and every cell knows its exact bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.claims.markdown import MAX_NESTING, Document, read_document, tables_in_broken_fences
from grader.errors import IntakeError

BOM = b"\xef\xbb\xbf"


def cells(data: bytes) -> list[list[str]]:
    return [[c.text for c in row] for t in read_document(data).tables for row in (t.header, *t.rows)]


def assert_spans_hold(data: bytes, document: Document) -> None:
    for table in document.tables:
        for row in (table.header, *table.rows):
            for cell in row:
                assert data[cell.span.start : cell.span.end].decode(document.encoding) == cell.text


TABLE = "| Метрика | A | B |\n|---|---|---|\n| Запуск | 1\u202f600 ms | `2` |\n"


@pytest.mark.parametrize(
    "data",
    [
        TABLE.encode(),
        BOM + TABLE.encode(),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace("\n", "\r").encode(),
        TABLE.replace("\u202f", " ").encode("cp1251"),
        "\n".join("> " + line for line in TABLE.splitlines()).encode(),
        ("1. list\n\n" + "".join("   " + line + "\n" for line in TABLE.splitlines())).encode(),
        ("- a\n  - b\n\n" + "".join("    " + line + "\n" for line in TABLE.splitlines())).encode(),
        ("before\n" + TABLE + "\nafter").encode(),
        "Метрика | A | B\n---|---|---\nЗапуск | 1\u202f600 ms | `2`\n".encode(),
    ],
    ids=["plain", "bom", "crlf", "cr", "cp1251", "quote", "list", "nested-list", "in-prose", "no-outer-pipes"],
)
def test_spans_are_bytes_of_the_file_as_read(data: bytes) -> None:
    document = read_document(data)
    assert len(document.tables) == 1
    assert document.tables[0].rows[0][0].text == "Запуск"
    assert_spans_hold(data, document)


def test_an_escaped_pipe_stays_in_its_cell_even_within_code() -> None:
    assert cells(b"| a | b |\n|---|---|\n| `x \\| y` | z |\n") == [["a", "b"], ["`x \\| y`", "z"]]


def test_a_bare_pipe_within_code_ends_the_cell_as_in_gfm() -> None:
    assert cells(b"| a | b |\n|---|---|\n| `x | y` |\n")[1] == ["`x", "y`"]


def test_short_rows_stay_short_and_long_ones_are_cut() -> None:
    assert cells(b"| a | b |\n|---|---|\n| 1 |\n| 1 | 2 | 3 |\n")[1:] == [["1"], ["1", "2"]]


def test_empty_cells_have_a_place_to_write_to() -> None:
    data = b"| a | b |\n|---|---|\n|  | x |\n"
    empty = read_document(data).tables[0].rows[0][0]
    assert empty.text == ""
    assert data[: empty.span.start].endswith(b"\n|")
    assert empty.span.start == empty.span.end


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_a_table_in_a_code_fence_is_no_table(fence: str) -> None:
    document = read_document(f"{fence}\n{TABLE}{fence}\n".encode())
    assert document.tables == ()
    assert not document.broken_fences
    assert document.code == frozenset(range(5))


def test_indented_code_is_no_table() -> None:
    assert read_document("".join("    " + x + "\n" for x in TABLE.splitlines()).encode()).tables == ()


def test_a_fence_that_never_closes_is_seen_and_its_table_can_be_had() -> None:
    data = f"```bash\nls\n\n{TABLE}".encode()
    document = read_document(data)
    assert document.tables == ()
    assert document.broken_fences
    (table,) = tables_in_broken_fences(document)
    assert table.line == 4
    cell = table.rows[0][1]
    assert data[cell.span.start : cell.span.end].decode() == "1\u202f600 ms"


def test_a_fence_that_swallowed_another_is_broken() -> None:
    assert read_document(b"```bash\nls\n\n```bash\nls\n```\n").broken_fences


@pytest.mark.parametrize(
    "data", [b"a\x00b", "Текст".encode("utf-16"), b"\xff\xfe\xfa\x01\x02", b"\x98\xe0\xe1\xe2", b"\x80\x81\x82 text"]
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(IntakeError):
        read_document(data)


def test_cp1251_is_read_and_named() -> None:
    document = read_document("Отчёт о работе".encode("cp1251"))
    assert (document.encoding, document.lines) == ("cp1251", ("Отчёт о работе",))


PIECES = (
    "|;|---|---|;| a | b |;a|b;-|-;> ;- ;1. ;```;~~~;    ;"
    "\t;\n;\r\n;\\|;`;x;é;Ж;\u202f;\u00a0;# h;<div>;|:-:|;\n\n;***;[a]: b;---"
)
pieces = st.sampled_from(PIECES.split(";"))
documents = st.lists(pieces, max_size=60).map("".join)


def run_of(containers: str, words: list[str]) -> str:
    return "".join(f"{containers}{word}\n" for word in words)


repeated = st.builds(
    run_of,
    st.sampled_from(["", "> ", "- ", "  ", "    ", "> > ", "* - "]),
    st.lists(st.sampled_from(["a", "b | c", "Ж", "12", "1. x", "d>"]), min_size=1, max_size=7),
)
long_documents = st.lists(st.one_of(repeated, documents), max_size=8).map("".join)


@settings(max_examples=400)
@given(st.one_of(documents, long_documents))
def test_tables_and_code_are_where_markdown_it_sees_them(text: str) -> None:
    """Whatever lines of a long text are not shown to it."""
    document = read_document(text.encode())
    plain = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table").disable("reference").parse(text)
    blocks = [t.map for t in plain if t.type in ("fence", "code_block") and t.map]
    assert document.code == {line for first, end in blocks for line in range(first, end)}
    expected = [t.map for t in plain if t.type == "table_open"]
    assert [[t.lines.start, t.lines.stop] for t in document.tables] == expected
    assert_spans_hold(text.encode(), document)
    ours: list[str] = []
    for table in document.tables:
        for row in (table.header, *table.rows):
            ours += [c.text.replace("\\|", "|") for c in row] + [""] * (len(table.header) - len(row))
    assert ours == [t.content for before, t in pairwise(plain) if before.type in ("th_open", "td_open")]


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        document = read_document(data)
    except IntakeError:
        return
    assert_spans_hold(data, document)


@pytest.mark.parametrize(
    "text",
    [
        ">" * 50_000,
        "[" * 50_000,
        "> " * 3000 + "| a | b |\n" + "> " * 3000 + "|---|---|\n",
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 10_000,
        "| a | b |\n|---|---|\n| " + "x" * 1_000_000 + " | y |\n",
        "|" * 200_000 + "\n|---|\n",
        "`" * 200_000,
        "\\" * 100_000 + "| a |\n|---|---|\n",
    ],
    ids=["quotes", "brackets", "deep-table", "rows", "cell", "pipes", "ticks", "backslashes"],
)
def test_hostile_markdown_is_read_with_its_spans(text: str) -> None:
    assert_spans_hold(text.encode(), read_document(text.encode()))
