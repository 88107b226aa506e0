"""The comparison table is found by its words, and its cells become claims with their place."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.claims.markdown import read_document
from grader.claims.table import FoundComparison, find_comparison, stated_unit
from grader.model.lab import Lab
from grader.model.report import Claim

MIB = 1 << 20

DECOY_BEFORE = "| Use WASM | Use Traditional |\n|---|---|\n| 4 MB of edge | 5 s of server |\n\n"
DECOY_AFTER = "\n| Binary size | Image size |\n|---|---|\n| 1 MB | 2 MB |\n"


def find(text: str, lab: Lab) -> FoundComparison:
    found = find_comparison(read_document(text.encode()).tables, lab)
    assert found is not None
    return found


def claim(found: FoundComparison, claim_id: str) -> Claim:
    (only,) = [c for c in found.claims if c.id == claim_id and c.preferred]
    return only


def table(header: Sequence[str], *rows: Sequence[str]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def test_the_table_is_found_between_decoys(lab: Lab) -> None:
    wanted = table(
        ["Metric", "Traditional Container", "WASM Container", "Improvement", "Notes"],
        ["Binary Size", "4.5 MiB", "2.4 MiB", "46.7% smaller", "`ls`"],
    )
    found = find(DECOY_BEFORE + wanted + DECOY_AFTER, lab)
    assert found.table.number == 1
    assert found.table.roles == {"metric": 0, "native": 1, "wasm": 2, "derived": 3, "other": 4}
    assert claim(found, "native.binary_size").value == 4.5 * MIB
    assert claim(found, "wasm.binary_size").low == pytest.approx(2.35 * MIB)
    assert claim(found, "binary_size.reduction").value == 46.7


def test_columns_are_known_by_their_words_wherever_they_stand(lab: Lab) -> None:
    text = table(
        ["Difference", "WASM", "Run", "Traditional", "Metric"],
        ["1.6x faster", "300 ms", "first", "480 ms", "CLI startup"],
    )
    found = find(text, lab)
    assert claim(found, "native.startup_time").value == 0.48
    assert claim(found, "wasm.startup_time").value == 0.3
    assert claim(found, "startup_time.ratio").value == 1.6


def test_a_header_that_names_both_sides_is_the_derived_one(lab: Lab) -> None:
    text = table(
        ["Metric", "Improvement (WASM vs traditional)", "Traditional", "WASM"],
        ["Memory", "—", "1.2 MiB (`docker stats`)", "N/A"],
    )
    found = find(text, lab)
    assert found.table.roles["derived"] == 1
    assert claim(found, "native.memory_idle").notion == "docker_stats"
    assert claim(found, "wasm.memory_idle").qualifier == "N/A"
    assert claim(found, "memory_idle.reduction").qualifier == "—"


def test_a_russian_table_is_read(lab: Lab) -> None:
    text = table(
        ["Метрика", "Традиционный контейнер", "WASM-контейнер", "Разница", "Примечания"],
        ["Бинарный файл", "4,5 МБ", "2,4 МБ", "на 46,7% меньше", ""],
        ["Запуск", "0,58 с", "0,26 с", "в 2,2 раза быстрее", ""],
        ["Базовый образ", "scratch", "scratch", "одинаково", ""],
    )
    found = find(text, lab)
    assert [row.key for row in found.table.rows] == ["binary_size", "startup_time", "base_image"]
    assert claim(found, "wasm.startup_time").value == 0.26
    assert claim(found, "startup_time.ratio").value == 2.2


def test_a_first_column_without_a_name_is_known_by_its_rows(lab: Lab) -> None:
    found = find(table(["", "Traditional", "WASM"], ["Startup", "1 s", "2 s"]), lab)
    assert found.table.roles["metric"] == 0


def test_a_label_gives_bare_numbers_their_unit(lab: Lab) -> None:
    found = find(table(["Metric", "Traditional", "WASM"], ["Startup time (ms)", "580", "1,600"]), lab)
    assert claim(found, "native.startup_time").value == 0.58
    assert claim(found, "wasm.startup_time").value == 1.6
    assert stated_unit("Startup (CLI)") is None
    assert stated_unit("Size, MB") == "MB"


@pytest.mark.parametrize(
    ("header", "row", "native", "wasm"),
    [
        (["Metric", "Traditional (MB / ms)", "WASM, ms"], ["Startup", "580", "300"], 0.58, 0.3),
        (["Metric", "Unit", "Traditional", "WASM"], ["Startup", "ms", "580", "300"], 0.58, 0.3),
        (["Metric", "Traditional", "WASM"], ["Startup", "0.58", "0.30 s"], 0.58, 0.3),
        (["Metric", "Traditional", "WASM"], ["Startup", "580 (ms)", "**300** [ms]"], 0.58, 0.3),
        (["Metric", "Traditional", "WASM"], ["Startup (min, max, s)", "0.58", "0.3"], 0.58, 0.3),
        (
            ["Metric", "Traditional", "WASM"],
            ["Startup", "0.58 s", "300"],
            0.58,
            None,
        ),  # 300 s: what unit it is, nobody knows
        (["Metric", "Traditional", "WASM"], ["Startup", "5 runs", "300 ms"], None, 0.3),
    ],
)
def test_a_bare_number_has_the_unit_that_its_column_its_row_or_the_other_side_gives(
    lab: Lab, header: list[str], row: list[str], native: float | None, wasm: float | None
) -> None:
    found = find(table(header, row), lab)
    assert (claim(found, "native.startup_time").value, claim(found, "wasm.startup_time").value) == (native, wasm)


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("Improvement", "-46.7%", 46.7),  # the row's own cells say which is smaller
        ("Improvement", "-12%", -12),
        ("Difference", "-12%", 12),
        ("Improvement / Difference", "-12%", -12),
        ("Difference", "46.7%", 46.7),
    ],
)
def test_the_sign_of_a_percentage_is_that_of_the_rows_own_cells_else_that_of_its_column(
    lab: Lab, header: str, cell: str, value: float
) -> None:
    text = table(["Metric", "Traditional", "WASM", header], ["Binary size", "4.5 MiB", "2.4 MiB", cell])
    assert claim(find(text, lab), "binary_size.reduction").value == pytest.approx(value)


def test_the_unit_of_a_row_is_not_that_of_its_factor(lab: Lab) -> None:
    text = table(["Metric", "Traditional", "WASM", "Improvement"], ["Startup (ms)", "480", "300", "1.6"])
    assert claim(find(text, lab), "startup_time.ratio").value == 1.6


def test_of_two_rows_with_one_meaning_the_closer_label_is_preferred_and_both_are_kept(lab: Lab) -> None:
    text = table(
        ["Metric", "Traditional", "WASM"],
        ["Image on disk", "6.79 MB", "1 MB"],
        ["Image size", "4.70 MB", "0.82 MB"],
    )
    found = find(text, lab)
    assert claim(found, "native.image_size").value == 4_700_000
    assert len([c for c in found.claims if c.id == "native.image_size"]) == 2
    assert [row.label.text for row in found.table.rows] == ["Image size"]


def test_docker_counts_megabytes_in_thousands_and_everyone_else_in_1024s(lab: Lab) -> None:
    text = table(
        ["Metric", "Traditional", "WASM"],
        ["Binary size", "4.5 MB", "2.4M"],
        ["Image size", "4.7 MB", "0.82 MB"],
    )
    found = find(text, lab)
    assert claim(found, "native.binary_size").value == 4.5 * MIB
    assert claim(found, "native.image_size").value == 4_700_000
    assert claim(found, "wasm.image_size").value == pytest.approx(0.82 * MIB)
    by_hand = find(table(["Metric", "Traditional", "WASM"], ["Image size", "4.48047 MB", "840kB"]), lab)
    assert claim(by_hand, "native.image_size").value == pytest.approx(4.48047 * MIB)
    assert claim(by_hand, "wasm.image_size").value == 840_000
    named = find(
        table(["Metric", "Traditional", "WASM"], ["Image size", "1.98 MB (inspect)", "826 KB OCI archive"]), lab
    )
    assert claim(named, "native.image_size").value == pytest.approx(1.98 * MIB)
    assert claim(named, "native.image_size").notion == "docker_inspect"
    assert claim(named, "wasm.image_size").notion == "oci_archive"


def test_each_number_of_a_cell_has_its_own_notion(lab: Lab) -> None:
    cell = "4.48 MiB (`docker image inspect`) / 4.7MB (`docker images`)"
    found = find(table(["Metric", "Traditional", "WASM"], ["Image size", cell, "TODO"]), lab)
    readings = [c for c in found.claims if c.id == "native.image_size"]
    assert [(c.notion, c.preferred) for c in readings] == [("docker_inspect", True), ("docker_images", False)]
    assert claim(found, "wasm.image_size").placeholder


def test_a_cell_that_a_short_row_lacks_is_no_claim(lab: Lab) -> None:
    found = find("| Metric | Traditional | WASM | Improvement |\n|---|---|---|---|\n| Startup | 1 s |\n", lab)
    assert set(found.table.rows[0].cells) == {"native"}
    assert [c.id for c in found.claims] == ["native.startup_time"]


def test_a_report_without_such_a_table_has_none(lab: Lab) -> None:
    assert find_comparison(read_document((DECOY_BEFORE + DECOY_AFTER).encode()).tables, lab) is None


def test_of_two_such_tables_the_filled_one_is_read(lab: Lab) -> None:
    header = ["Metric", "Traditional", "WASM"]
    text = table(header, ["Startup", "TODO", "TODO"]) + "\n" + table(header, ["Startup", "1 s", "2 s"])
    assert find(text, lab).table.number == 1


def test_an_empty_cell_is_a_claim_with_a_quote_and_an_empty_span(lab: Lab) -> None:
    found = find(table(["Metric", "Traditional", "WASM"], ["Startup", "", "2 s"]), lab)
    empty = claim(found, "native.startup_time")
    assert empty.qualifier == "empty"
    assert empty.placeholder
    assert empty.span.start == empty.span.end


SIZES = st.tuples(
    st.integers(1, 999), st.integers(0, 9), st.sampled_from([("KiB", 1024), ("MiB", MIB), ("КиБ", 1024), ("МиБ", MIB)])
)
TIMES = st.tuples(
    st.integers(1, 999), st.integers(0, 9), st.sampled_from([("ms", 0.001), ("s", 1.0), ("мс", 0.001), ("с", 1.0)])
)
Quantity = tuple[int, int, tuple[str, float]]


def written(quantity: Quantity, mark: str, emphasis: str) -> str:
    whole, tenths, (unit, _) = quantity
    return f"{emphasis}{whole}{mark}{tenths} {unit}{emphasis}"


def exact(quantity: Quantity) -> float:
    whole, tenths, (_, scale) = quantity
    return (whole + tenths / 10) * scale


@given(
    st.tuples(SIZES, SIZES),
    st.tuples(TIMES, TIMES),
    st.permutations(range(4)),
    st.booleans(),
    st.sampled_from([".", ","]),
    st.sampled_from(["", "**", "`"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "> ", "   "]),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1251"]),
    st.booleans(),
)
def test_a_generated_table_is_read_back_with_its_spans(
    lab: Lab,
    sizes: tuple[Quantity, Quantity],
    times: tuple[Quantity, Quantity],
    order: list[int],
    russian: bool,
    mark: str,
    emphasis: str,
    line_end: str,
    prefix: str,
    encoding: str,
    decoys: bool,
) -> None:
    header = ["Метрика", "Контейнер", "WASM", "Заметки"] if russian else ["Metric", "Traditional", "WASM", "Notes"]
    labels = ["Бинарный файл", "Запуск"] if russian else ["Binary size", "Startup time (CLI)"]
    rows = [
        [label, *(written(q, mark, emphasis) for q in pair), "слово"]
        for label, pair in zip(labels, (sizes, times), strict=True)
    ]
    text = table([header[i] for i in order], *[[row[i] for i in order] for row in rows])
    text = (DECOY_BEFORE if decoys else "") + "".join(f"{prefix}{line}\n" for line in text.splitlines())
    data = text.replace("\n", line_end).encode(encoding)
    document = read_document(data)
    found = find_comparison(document.tables, lab)
    assert found is not None
    for claim_id, quantity in zip(
        ("native.binary_size", "wasm.binary_size", "native.startup_time", "wasm.startup_time"),
        (*sizes, *times),
        strict=True,
    ):
        read = claim(found, claim_id)
        assert read.value == pytest.approx(exact(quantity))
        assert data[read.span.start : read.span.end].decode(document.encoding) == written(quantity, mark, emphasis)
        assert read.quote == written(quantity, mark, emphasis)
    for row in found.table.rows:
        for cell in (row.label, *row.cells.values()):
            assert data[cell.span.start : cell.span.end].decode(document.encoding) == cell.text
