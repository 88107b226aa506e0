"""Filling changes the table's cells and nothing else, and filling twice changes nothing more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.claims.reader import read_report
from grader.judging.compare import judge_claims
from grader.model.base import Message
from grader.model.grade import Circumstances, Fact, Interval
from grader.model.lab import Lab
from grader.render.fill import FillStyle, fill_table, filled_by_us

WHERE = Circumstances(sources_changed=False, known_values_apply=True)

REPORT = """# My report

Binary: `TODO` is not in the table and stays.

| Metric | Traditional Container | WASM Container | Improvement | Notes |
|:--|--:|--:|---|---|
| **Binary Size** | ~4.48 MiB | **TODO MiB** | TODO % smaller | a \\| b |
| Image Size | 4.7 MB | TODO MB | TODO % smaller |  |
| Startup Time (CLI) | TODO s (avg over 5 runs) | ___ | XXX× faster | x |
| Memory Usage | 1.2 MiB | N/A | — | - |

After: TODO.
"""


def fact(fact_id: str, value: float | None, unit: str, *, comparable: bool = True, spread: float = 0) -> Fact:
    claim_id, _, arm = fact_id.partition("@")
    subject, _, metric = claim_id.partition(".")
    return Fact.model_validate(
        {
            "id": fact_id,
            "subject": subject,
            "metric": metric,
            "arm": arm,
            "state": "not_run" if value is None else "measured",
            "value": value,
            "unit": unit,
            "interval": Interval(low=value - spread, high=value + spread, level=0.96) if value and spread else None,
            "method": None if value is None else "test",
            "reason": Message(code="engine.no-images") if value is None else None,
            "comparable": comparable,
            "compiler": None if comparable else "Go 1.21.13",
        }
    )


COMMITTED = [
    fact("native.binary_size@build", 4_698_112, "byte"),
    fact("wasm.binary_size@committed", 2_450_459, "byte"),
    fact("native.image_size@docker", None, "byte"),
    fact("wasm.image_size@oci", None, "byte"),
    fact("native.startup_time@process", 0.0123, "second", spread=0.0008),
    fact("wasm.startup_time@wasmtime", 0.1, "second", spread=0.004),
    fact("startup_time.ratio@process/wasmtime", 0.123, "ratio", spread=0.01),
]
OTHER_COMPILER = [
    fact("native.binary_size@build", 4_698_112, "byte"),
    fact("wasm.binary_size@build", 8_113_152, "byte", comparable=False),
    fact("native.startup_time@process", 0.0123, "second", spread=0.0008),
    fact("wasm.startup_time@wasmtime", 1.4, "second", comparable=False, spread=0.1),
    fact("startup_time.ratio@process/wasmtime", 0.009, "ratio", comparable=False),
]


def fill(lab: Lab, data: bytes, facts: list[Fact], style: FillStyle = "annotate") -> bytes:
    reading = read_report(data, lab, "", max_bytes=1_000_000)
    ours = filled_by_us(reading, lab, facts, judge_claims(lab, reading.claims, facts, WHERE))
    verdicts = judge_claims(lab, [c for c in reading.claims if c.cell not in ours], facts, WHERE)
    return fill_table(data, reading.encoding, reading, lab, facts, verdicts, style)[0]


def cells(data: bytes, label: str, encoding: str = "utf-8") -> list[str]:
    line = next(x for x in data.decode(encoding).splitlines() if label in x)
    return [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_empty_cells_get_the_measured_value_in_their_unit_and_filled_ones_an_annotation(lab: Lab) -> None:
    filled = fill(lab, REPORT.encode(), COMMITTED)
    assert cells(filled, "Binary Size")[1:] == [
        "~4.48 MiB → 4.48 MiB (4,698,112 B), reproduced",
        "**2.34 MiB (2,450,459 B)**",
        "47.8%",
        "a \\| b",
    ]
    assert cells(filled, "Startup") == [
        "Startup Time (CLI)",
        "0.012 s (process, no container)",
        "0.10 s (wasmtime, no container)",
        "0.12× (8.1× slower) (process / wasmtime, no container)",
        "x",
    ]


def test_cells_that_nothing_measured_stay_as_they_are(lab: Lab) -> None:
    filled = fill(lab, REPORT.encode(), COMMITTED)
    for label in ("Image Size", "Memory Usage"):
        assert cells(filled, label) == cells(REPORT.encode(), label)


def test_a_module_that_cannot_serve_has_the_peak_of_one_run_with_its_mode_named(lab: Lab) -> None:
    """And what is written is recognised when it is read again."""
    gone = Message(code="fact.no-server-but", params={"said": "Netdev not set", "instead": "memory_peak"})
    server = fact("wasm.memory_idle@wasmtime", None, "byte").model_copy(update={"reason": gone, "mode": "jit"})
    peak = fact("wasm.memory_peak@wasmtime", 31_457_280, "byte").model_copy(update={"mode": "jit"})
    facts = [server, peak, fact("native.memory_peak@process", 2_097_152, "byte")]
    report = REPORT.replace("| 1.2 MiB | N/A | — |", "| 1.2 MiB | TODO | — |").encode()
    once = fill(lab, report, facts)
    assert cells(once, "Memory")[2] == (
        "30.00 MiB (memory_peak of one run, wasmtime, no container; compiled at start; native 2.00 MiB)"
    )
    assert fill(lab, once, facts) == once


def test_a_module_of_another_compiler_is_named_and_compared_with_nothing(lab: Lab) -> None:
    filled = fill(lab, REPORT.encode(), OTHER_COMPILER)
    assert cells(filled, "Binary Size")[2:4] == ["**7.74 MiB (Go, not TinyGo)**", "not comparable"]
    assert cells(filled, "Startup")[2:4] == ["1.4 s (wasmtime, no container; Go, not TinyGo)", "not comparable"]


@pytest.mark.parametrize("facts", [COMMITTED, OTHER_COMPILER], ids=["committed", "other-compiler"])
@pytest.mark.parametrize("style", ["annotate", "only-empty", "replace"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_filling_twice_changes_nothing_more(lab: Lab, facts: list[Fact], style: FillStyle, newline: str) -> None:
    data = REPORT.replace("\n", newline).encode()
    once = fill(lab, data, facts, style)
    assert once != data
    assert fill(lab, once, facts, style) == once


def test_an_old_annotation_is_replaced_and_never_stacked(lab: Lab) -> None:
    once = fill(lab, REPORT.encode(), COMMITTED)
    other = [fact("native.binary_size@build", 4_587_520, "byte"), *COMMITTED[1:]]
    again = cells(fill(lab, once, other), "Binary Size")[1]
    assert again.count("→") == 1
    assert "4,587,520 B" in again


def test_an_annotation_that_this_run_cannot_give_is_taken_back(lab: Lab) -> None:
    once = fill(lab, REPORT.encode(), COMMITTED)
    again = cells(fill(lab, once, [fact("native.binary_size@build", None, "byte")]), "Binary Size")
    assert again[1] == "~4.48 MiB"


def test_styles_differ_in_filled_cells_only(lab: Lab) -> None:
    only_empty = cells(fill(lab, REPORT.encode(), COMMITTED, "only-empty"), "Binary Size")
    replaced = cells(fill(lab, REPORT.encode(), COMMITTED, "replace"), "Binary Size")
    assert only_empty[1] == "~4.48 MiB"
    assert replaced[1] == "4.48 MiB (4,698,112 B)"
    assert only_empty[2] == replaced[2] == "**2.34 MiB (2,450,459 B)**"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_the_report_keeps_its_encoding_and_every_byte_outside_changed_cells(lab: Lab, encoding: str) -> None:
    text = REPORT.replace("# My report", "# Мой отчёт по лабораторной работе, в которой всё измерено честно").replace(
        "×", "x"
    )
    data = text.encode(encoding)
    once = fill(lab, data, COMMITTED)
    assert outside_table(once, encoding) == outside_table(data, encoding)
    assert cells(once, "Binary Size", encoding)[2] == "**2.34 MiB (2,450,459 B)**"
    assert fill(lab, once, COMMITTED) == once


def outside_table(data: bytes, encoding: str) -> list[str]:
    return [line for line in data.decode(encoding).splitlines() if not line.startswith("|")]


def test_a_report_without_a_table_is_left_alone(lab: Lab) -> None:
    assert fill(lab, b"# Nothing here\n\nTODO\n", COMMITTED) == b"# Nothing here\n\nTODO\n"


@given(
    native=st.sampled_from(["", "TODO", "**TODO**", "`TODO MB`", "___", "4.5 MB", "~4,48 МиБ", "**4.7 MB**", "N/A"]),
    wasm=st.sampled_from(["", "TODO KiB", "XXX", "2.4M", "`2 450 459 B`", "n/a (see below)", "2.3-2.4 MB"]),
    derived=st.sampled_from(["", "TODO %", "47.8 % smaller", "**46,7%**", "—", "2x"]),
    pipes=st.booleans(),
)
def test_any_row_filled_twice_is_filled_once(lab: Lab, native: str, wasm: str, derived: str, pipes: bool) -> None:
    left, right = ("| ", " |") if pipes else ("", "")
    lines = [f"{left}Metric | Traditional | WASM | Difference{right}", f"{left}---|---|---|---{right}"]
    lines += [f"{left}Binary size | {native} | {wasm} | {derived}{right}", f"{left}Image size | 4.7 MB | a | b{right}"]
    data = ("\n".join(lines) + "\n").encode()
    once = fill(lab, data, COMMITTED)
    assert fill(lab, once, COMMITTED) == once
    assert once.splitlines()[3] == data.splitlines()[3]


CASES = Path(__file__).resolve().parents[1] / "data" / "filled"


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir()))
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_whole_report_is_filled_as_a_person_would(lab: Lab, case: str, newline: bytes) -> None:
    """The expected files are written by hand."""
    data = (CASES / case / "report.md").read_bytes().replace(b"\n", newline)
    expected = (CASES / case / "expected.md").read_bytes().replace(b"\n", newline)
    assert fill(lab, data, COMMITTED).decode() == expected.decode()


SERVER = """| Metric | Traditional Container | WASM Container | Improvement |
|--|--|--|--|
| Server Mode | {native} | {wasm} | TODO |
"""


def served(claim_id: str, arm: str, value: str) -> Fact:
    found = fact(f"{claim_id}@{arm}", 1, "byte")
    return found.model_copy(update={"value": value, "unit": None})


SERVES = [
    served("native.server_mode", "docker", "valid"),
    served("wasm.server_mode", "ctr-wasmtime", "no server: Netdev"),
]


@pytest.mark.parametrize("empty", ["TODO", "**TODO**", "___", ""])
def test_a_row_that_only_shows_something_is_filled_where_it_is_empty(lab: Lab, empty: str) -> None:
    data = fill(lab, SERVER.format(native=empty, wasm="never").encode(), SERVES)
    assert "works (docker)" in data.decode()
    assert "| never | TODO |" in data.decode()
    assert fill(lab, data, SERVES) == data


def test_a_module_without_a_server_is_shown_with_what_it_said(lab: Lab) -> None:
    data = fill(lab, SERVER.format(native="yes", wasm="TODO").encode(), SERVES)
    assert "| yes | no server: Netdev (ctr-wasmtime) | TODO |" in data.decode()


def test_what_was_not_run_shows_nothing(lab: Lab) -> None:
    report = SERVER.format(native="TODO", wasm="TODO").encode()
    assert fill(lab, report, [fact("native.server_mode@docker", None, "byte")]) == report
