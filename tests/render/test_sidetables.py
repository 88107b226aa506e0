from __future__ import annotations

import pytest

from grader.model.base import Language
from grader.model.grade import Conditions, Fact
from grader.model.lab import Lab
from grader.render.cells import row_text
from grader.render.sidetables import side_tables
from tests.render.containerfacts import container_facts


def fact(subject: str | None, metric: str, arm: str, value: int, notion: str | None, **more: object) -> Fact:
    prefix = f"{subject}." if subject else ""
    data = {"id": f"{prefix}{metric}@{arm}", "subject": subject, "metric": metric, "arm": arm, "state": "measured"}
    return Fact.model_validate(data | {"value": value, "unit": "byte", "notion": notion, "method": "m"} | more)


def image(subject: str, arm: str, notion: str, value: int, **more: object) -> Fact:
    return fact(subject, "image_size", arm, value, notion, **more)


def memory(subject: str, arm: str, value: int, notion: str = "cgroup", conditions: Conditions = "warm") -> Fact:
    return fact(subject, "memory_idle", arm, value, notion, conditions=conditions)


def peak(subject: str | None, arm: str, value: int, notion: str = "cgroup") -> Fact:
    return fact(subject, "memory_peak", arm, value, notion, conditions="warm")


IMAGES = [
    image("native", "docker", "docker_images", 4_698_112),
    image("native", "docker", "content", 2_073_171),
    image("wasm", "oci", "content", 839_578),
]


def test_each_notion_is_a_line_and_compares_both_sides(lab: Lab) -> None:
    (sizes,) = side_tables(lab, IMAGES)
    assert sizes.heads == ("Size by", "Native", "WASM")
    assert sizes.rows == (
        ("docker images", "4.48 MiB (4,698,112 B)", "—"),
        ("size of the content", "1.98 MiB (2,073,171 B)", "819.9 KiB (839,578 B)"),
    )
    (note,) = sizes.notes
    assert "compare sizes of one line only" in note


def test_an_index_alone_is_explained(lab: Lab) -> None:
    (sizes,) = side_tables(lab, [*IMAGES, image("wasm", "oci", "ctr_ls", 361)])
    assert ("ctr images ls", "—", "361 B") in sizes.rows
    assert any("index alone" in note for note in sizes.notes)


def test_an_image_of_another_compiler_says_so(lab: Lab) -> None:
    other = image("wasm", "oci", "content", 2_208_784, comparable=False, compiler="Go 1.21.13")
    (sizes,) = side_tables(lab, [other])
    assert sizes.rows == (("size of the content", "—", "2.11 MiB (2,208,784 B), Go, not TinyGo"),)


def test_memory_of_both_sides_stands_by_arm_with_what_the_runtime_keeps_beside(lab: Lab) -> None:
    facts = [
        memory("native", "docker", 1 << 20, "docker_stats"),
        memory("native", "docker", 2 << 20),
        memory("native", "docker", 13 << 20, "shim"),
        memory("native", "docker", 5 << 20, conditions="after-1000-requests"),
        peak("wasm", "ctr-wasmtime", 40 << 20),
        peak("wasm", "ctr-wasmtime", 15 << 20, "shim"),
        peak(None, "sandbox-noop", 1 << 20),
    ]
    (table,) = side_tables(lab, facts)
    assert table.rows == (
        ("Docker container", "1.00 MiB (docker stats); 2.00 MiB (cgroup)", "5.00 MiB (cgroup)", "—", "13.00 MiB"),
        ("containerd with the wasmtime shim", "—", "—", "40.00 MiB (cgroup)", "15.00 MiB"),
        ("empty sandbox", "—", "—", "1.00 MiB (cgroup)", "—"),
    )


def test_without_containers_there_is_no_such_table(lab: Lab) -> None:
    assert side_tables(lab, [memory("native", "process", 1 << 20), peak("wasm", "wasmtime", 1 << 20)]) == ()


def row(lab: Lab, role: str, facts: list[Fact], notion: str | None = None) -> str | None:
    return row_text(lab, next(r for r in lab.table.rows if r.key == "image_size"), role, facts, [], notion=notion)


def test_a_cell_holds_the_size_in_the_notion_of_its_own_text(lab: Lab) -> None:
    assert row(lab, "native", IMAGES) == "4.48 MiB (4,698,112 B)"
    assert row(lab, "native", IMAGES, "content") == "1.98 MiB (2,073,171 B; size of the content)"
    assert row(lab, "wasm", IMAGES) == "819.9 KiB (839,578 B; size of the content)"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "-900.0% (10× as much; memory_peak of one run, docker / ctr-wasmtime)"),
        ("ru", "-900,0\u00a0% (в 10× больше; "),
    ],
)
def test_a_percentage_below_zero_is_said_as_a_factor_too(lab: Lab, language: Language, said: str) -> None:
    facts = container_facts()
    derived = [f for f in facts if f.metric == "memory_peak.reduction"]
    ten_times = derived[0].model_copy(update={"value": -900.0})
    memory_row = next(r for r in lab.table.rows if r.key == "memory_idle")
    shown = row_text(
        lab, memory_row, "derived", [*(f for f in facts if f not in derived), ten_times], [], language=language
    )
    assert shown is not None
    assert shown.startswith(said)


def test_a_peak_in_a_container_stands_beside_another_in_a_container(lab: Lab) -> None:
    none = Fact.model_validate(
        {"id": "wasm.memory_idle@ctr-wasmtime", "subject": "wasm", "metric": "memory_idle", "arm": "ctr-wasmtime"}
        | {"state": "not_run", "value": None}
        | {"reason": {"code": "fact.no-server-but", "params": {"said": "Netdev not set", "instead": "memory_peak"}}}
    )
    facts = [none, peak("native", "docker", 4 << 20), peak("native", "process", 1 << 20)]
    memory_row = next(r for r in lab.table.rows if r.key == "memory_idle")
    both = row_text(lab, memory_row, "wasm", [*facts, peak("wasm", "ctr-wasmtime", 40 << 20)], [])
    assert both == "40.00 MiB (memory_peak of one run, ctr-wasmtime; native 4.00 MiB)"
    plain = row_text(lab, memory_row, "wasm", [*facts, peak("wasm", "wasmtime", 30 << 20)], [])
    assert plain == "30.00 MiB (memory_peak of one run, wasmtime, no container; native 1.00 MiB)"
