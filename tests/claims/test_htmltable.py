"""Tables in HTML are read with the bytes of every cell, however they are closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.claims.htmltable import html_tables
from grader.claims.markdown import SourceTable, read_document
from grader.claims.reader import read_report
from grader.model.lab import Lab

MIB = 1 << 20


def tables(text: str) -> tuple[SourceTable, ...]:
    return html_tables(read_document(text.encode()), 0)


def cells(text: str) -> list[list[list[str]]]:
    return [[[c.text for c in row] for row in (t.header, *t.rows)] for t in tables(text)]


@pytest.mark.parametrize(
    "text",
    [
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
        "<TABLE border='1'>\r\n<TR><TH>a<TH>b\r\n<TR><TD>1<TD>2\r\n</TABLE>",
        "<table>\n <tr>\n  <th>\n   a\n  </th>\n  <th>b</th></tr></thead>\n <tr>\n  <td>1</td><td>2</td>\n</table>",
        "<table><tr><td>a<td>b<tr><td>1<td>2",
        "<table><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td><td>3</td></tr></table>",
        "<table><tr><td>outer <table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table></td></table>",
    ],
)
def test_rows_and_cells_are_found_closed_or_not(text: str) -> None:
    assert cells(text) == [[["a", "b"], ["1", "2"]]]


def test_of_a_cell_with_several_lines_the_first_with_content_is_read() -> None:
    text = "<table><tr><td>a<td>b<tr><td>\n\n4.5 MB\nby ls</td><td></td></tr></table>"
    assert cells(text) == [[["a", "b"], ["4.5 MB", ""]]]


def test_code_is_no_table() -> None:
    assert cells("```html\n<table><tr><td>a<td>b<tr><td>1<td>2</table>\n```\n") == []


def test_entities_in_a_cell_are_what_they_stand_for_and_quotes_stay_as_written(lab: Lab) -> None:
    text = (
        "<table><tr><th>Metric<th>Traditional<th>WASM<th>Difference\n"
        "<tr><td><b>Binary&nbsp;size</b><td>4.5&nbsp;MiB<td>&asymp;&#32;2.4&#160;MiB<td>&minus;46.7&thinsp;%</table>"
    )
    reading = read_report(text.encode(), lab, "")
    native, wasm = reading.preferred("native.binary_size"), reading.preferred("wasm.binary_size")
    assert native is not None
    assert wasm is not None
    assert (native.value, native.quote) == (4.5 * MIB, "4.5&nbsp;MiB")
    assert (wasm.value, wasm.qualifier) == (2.4 * MIB, "~")
    reduction = reading.preferred("binary_size.reduction")
    assert reduction is not None
    assert reduction.value == 46.7


PIECES = (
    "<table>",
    "</table>",
    "<tr>",
    "</tr>",
    "<td>",
    "</td>",
    "<th ",
    ">",
    "x",
    "Ж",
    " ",
    "\n",
    "\r\n",
    "```\n",
    "<b>",
)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_spans_are_bytes_of_the_file_whatever_is_missing(text: str) -> None:
    data = text.encode()
    for table in html_tables(read_document(data), 0):
        assert table.rows
        for row in (table.header, *table.rows):
            for cell in row:
                assert data[cell.start : cell.end].decode() == cell.text
                assert cell.line - 1 in table.lines
