"""A whole report: caps, encodings, what counts as the student's, one preferred reading per id."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.adapters.labfile import load_lab
from grader.claims.reader import read_report
from grader.errors import IntakeError
from grader.model.lab import Lab
from grader.model.report import EXAMPLE

TEMPLATE = """# Report

## Task 1

Explain what the program does.

| Metric | Traditional | WASM | Improvement |
|---|---|---|---|
| Binary size | TODO MB | TODO MB | TODO % smaller |
| Startup | TODO s | TODO s | TODO× faster |

tinygo version 0.0.0
{"moscow_time": "TODO", "timestamp": 0}
"""
CAP = 100_000


def test_the_empty_template_claims_nothing_of_its_own(lab: Lab) -> None:
    reading = read_report(TEMPLATE.encode(), lab, TEMPLATE, max_bytes=CAP)
    assert reading.own_words == 0
    assert reading.table is not None
    assert {c.source for c in reading.claims} == {"table"}
    assert all(c.placeholder for c in reading.claims)


def test_a_report_over_the_cap_is_refused_with_the_option_that_raises_it(lab: Lab) -> None:
    with pytest.raises(IntakeError) as caught:
        read_report(b"x" * 2001, lab, "", max_bytes=2000)
    assert "2,001" in str(caught.value)
    assert "2,000" in str(caught.value)
    assert "--max-report-bytes" in caught.value.hint


def test_a_binary_report_is_refused(lab: Lab) -> None:
    with pytest.raises(IntakeError):
        read_report(b"\x7fELF\x02\x01\x01\x00", lab, "", max_bytes=CAP)


def test_an_empty_report_has_no_claims(lab: Lab) -> None:
    reading = read_report(b"", lab, TEMPLATE, max_bytes=CAP)
    assert (reading.claims, reading.table, reading.own_words, reading.size) == ((), None, 0, 0)
    assert reading.notes == ("claims.no-table",)


def test_the_tinygo_line_and_pasted_output_are_read_with_their_lines(lab: Lab) -> None:
    text = (
        'Ran:\n\n```\ntinygo version 0.39.0 linux/amd64\n```\n\n{\n  "moscow_time": "12:00:00",\n  "timestamp": 5\n}\n'
    )
    reading = read_report(text.encode(), lab, TEMPLATE, max_bytes=CAP)
    version, output = reading.preferred("tinygo.version"), reading.preferred("native.cli_output")
    assert version is not None
    assert output is not None
    assert (version.value, version.line, version.source) == ("0.39.0", 4, "output")
    assert (output.value, output.line, output.source) == ("12:00:00", 7, "output")
    assert json.loads(text.encode()[output.span.start : output.span.end]) == {"moscow_time": "12:00:00", "timestamp": 5}


def test_an_object_without_all_keys_is_not_the_output(lab: Lab) -> None:
    reading = read_report(b'{"moscow_time": "12:00:00"} {"timestamp": 1}', lab, TEMPLATE, max_bytes=CAP)
    assert reading.claims == ()


def test_an_example_is_kept_but_what_really_ran_is_preferred(lab: Lab) -> None:
    text = "tinygo version 0.1.0 # example\n\ntinygo version 0.39.0\n"
    reading = read_report(text.encode(), lab, TEMPLATE, max_bytes=CAP)
    assert [(c.value, c.qualifier, c.preferred) for c in reading.claims] == [
        ("0.1.0", "example", False),
        ("0.39.0", None, True),
    ]


@pytest.mark.parametrize("word", ["example", "Sample", "expected", "placeholder", "e.g.", "пример", "например"])
def test_whatever_calls_a_line_an_example_is_kept_under_one_name(lab: Lab, word: str) -> None:
    reading = read_report(f"tinygo version 0.1.0 # {word}\n".encode(), lab, TEMPLATE, max_bytes=CAP)
    assert [(c.value, c.qualifier) for c in reading.claims] == [("0.1.0", EXAMPLE)]


def test_spans_count_the_bytes_of_bom_crlf_and_cp1251(lab: Lab) -> None:
    text = "Отчёт\r\n\r\n  tinygo version 0.39.0 готово\r\n"
    for encoding in ("utf-8-sig", "cp1251"):
        data = text.encode(encoding)
        (claim,) = read_report(data, lab, TEMPLATE, max_bytes=CAP).claims
        assert data[claim.span.start : claim.span.end] == "tinygo version 0.39.0 готово".encode(
            encoding.removesuffix("-sig")
        )
        assert claim.line == 3


def test_cp1251_is_noted(lab: Lab) -> None:
    reading = read_report("Отчёт".encode("cp1251"), lab, TEMPLATE, max_bytes=CAP)
    assert reading.encoding == "cp1251"
    assert "claims.encoding-cp1251" in reading.notes


def test_a_table_behind_an_unclosed_fence_is_read_and_noted(lab: Lab) -> None:
    table = "| Metric | Traditional | WASM |\n|---|---|---|\n| Startup | 1 s | 2 s |\n"
    reading = read_report(f"```bash\nls\n\n{table}".encode(), lab, TEMPLATE, max_bytes=CAP)
    claim = reading.preferred("wasm.startup_time")
    assert claim is not None
    assert claim.value == 2
    assert "claims.table-in-code" in reading.notes


def test_a_table_in_a_fence_is_read_only_where_the_report_has_no_other(lab: Lab) -> None:
    header = "| Metric | Traditional | WASM |\n|---|---|---|\n"
    fenced = f"```\n{header}| Startup | 1 s | 2 s |\n```\n"
    alone = read_report(fenced.encode(), lab, TEMPLATE, max_bytes=CAP)
    assert alone.notes == ("claims.table-in-code",)
    claim = alone.preferred("wasm.startup_time")
    assert claim is not None
    assert claim.value == 2
    assert claim.cell is not None
    beside = read_report(f"{fenced}\n{header}| Startup | 3 s | 4 s |\n".encode(), lab, TEMPLATE, max_bytes=CAP)
    claim = beside.preferred("wasm.startup_time")
    assert claim is not None
    assert claim.value == 4


def test_own_words_are_prose_beyond_the_template_in_any_script(lab: Lab) -> None:
    own = TEMPLATE.replace("TODO s | TODO s", "1 s measured | TODO s") + (
        "\nIt prints время суток. See https://example.org/a/b and `some code here`.\n\n```\nnot prose at all\n```\n"
    )
    reading = read_report(own.encode(), lab, TEMPLATE, max_bytes=CAP)
    assert reading.own_words == len(["It", "prints", "время", "суток", "See", "and"]) + len(["s", "measured"])


def test_the_tables_value_wins_over_the_text_and_the_text_over_a_placeholder(lab: Lab) -> None:
    spec = {"id": "native.startup_time", "pattern": r"average: (?P<value>\S+ s)", "unit": "second", "source": "text"}
    with_text = Lab.model_validate({**lab.model_dump(by_alias=True), "texts": [spec]})
    table = "| Metric | Traditional | WASM |\n|---|---|---|\n| Startup | {} | 2 s |\n\naverage: 0.5 s\n"
    for cell, value in (("1 s", 1), ("~1 s", 1), ("TODO", 0.5), ("see above", 0.5), ("N/A", None)):
        reading = read_report(table.format(cell).encode(), with_text, TEMPLATE, max_bytes=CAP)
        claim = reading.preferred("native.startup_time")
        assert claim is not None
        assert claim.value == value


def test_a_lone_surrogate_in_pasted_json_can_be_stored(lab: Lab) -> None:
    data = b'{"moscow_time": "\\ud800", "timestamp": 1}'
    (claim,) = read_report(data, lab, TEMPLATE, max_bytes=CAP).claims
    assert claim.model_dump_json().encode("utf-8")


PIECES = [
    "| Metric | Traditional | WASM | Improvement |\n|---|---|---|---|\n", "| Startup | 1 s | TODO | 1,6x slower |\n",
    "| Binary size |", " 4.5 MB / 3 MB (4 B) |", " |", "\n", "\r\n", "```\n", "> ", "- ", "tinygo version 1.2.3",
    '{"moscow_time": ', '"x", "timestamp": ', "1}", "[[[", "{" * 50, "\\", "\u202f", "Ж", "→", "`", "**", "<b>", "\\|",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text_gives_one_preferred_claim_per_id_with_true_spans(lab: Lab, text: str) -> None:
    data = text.encode()
    reading = read_report(data, lab, TEMPLATE, max_bytes=CAP)
    preferred = Counter(c.id for c in reading.claims if c.preferred)
    assert set(preferred) == {c.id for c in reading.claims}
    assert set(preferred.values()) <= {1}
    assert [c.span.start for c in reading.claims] == sorted(c.span.start for c in reading.claims)
    for row in reading.table.rows if reading.table else ():
        for cell in (row.label, *row.cells.values()):
            assert data[cell.span.start : cell.span.end].decode() == cell.text


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(lab: Lab, data: bytes) -> None:
    try:
        reading = read_report(data, lab, TEMPLATE, max_bytes=CAP)
    except IntakeError:
        return
    assert reading.size == len(data)


@pytest.mark.parametrize(
    "cell",
    ["9" * 1_000_000, "1 " * 300_000, "1," * 300_000, "*" * 300_000, "_a" * 300_000, "\\|" * 300_000, "~" * 300_000],
    ids=["digits", "numbers", "commas", "stars", "underscores", "pipes", "tildes"],
)
def test_a_huge_cell_is_read_within_its_first_characters(lab: Lab, cell: str) -> None:
    text = f"| Metric | Traditional | WASM |\n|---|---|---|\n| Startup | {cell} | 2 s |\n"
    reading = read_report(text.encode(), lab, TEMPLATE, max_bytes=2_000_000)
    claim = reading.preferred("wasm.startup_time")
    assert claim is not None
    assert claim.value == 2
    assert all(len(c.quote) <= 2000 for c in reading.claims)


def test_repeated_rows_and_lines_are_kept_in_part(lab: Lab) -> None:
    text = "| Metric | Traditional | WASM |\n|---|---|---|\n" + "| Startup | 1 s | 2 s |\n" * 5000
    text += "\n" + "tinygo version 0.39.0\n" * 5000
    reading = read_report(text.encode(), lab, TEMPLATE, max_bytes=2_000_000)
    assert max(Counter(c.id for c in reading.claims).values()) <= 200


@pytest.mark.parametrize(("cell", "value"), [("TODO ms", 0.4), ("", 0.4), ("N/A", None), ("390 ms", 0.39)])
def test_an_empty_cell_is_no_answer_and_what_the_report_shows_counts(cell: str, value: float | None) -> None:
    table = f"| Metric | Traditional | WASM |\n|---|---|---|\n| Startup Time | {cell} | 520 ms |\n"
    loop = "$ /usr/bin/time -f %e docker run --rm -e MODE=once moscow-time-traditional"
    text = f"# Task 2\n\n```console\n{loop}\nAverage: 0.4000 seconds\n```\n\n# Task 4\n\n{table}"
    claim = read_report(text.encode(), load_lab("lab12-f25").lab, "").preferred("native.startup_time")
    assert claim is not None
    assert claim.value == value


@pytest.mark.parametrize("cell", ["\u200f1.5\u202e s\u202c", "\u20661.5\u2069\u200b s", "1.5\u2060\u00ad s\ufeff"])
def test_marks_that_nobody_sees_hide_no_number(lab: Lab, cell: str) -> None:
    claim = read_report(
        f"| Metric | Traditional | WASM |\n|---|---|---|\n| Startup | {cell} | 2 s |\n".encode(), lab, TEMPLATE
    ).preferred("native.startup_time")
    assert claim is not None
    assert (claim.value, claim.quote) == (1.5, cell)
