"""The reference solution, the untouched starter, and one seeded fault per criterion, graded for real."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.adapters.labfile import labs_directory
from grader.model.arms import runs_image

pytestmark = [pytest.mark.serial, pytest.mark.timeout(900)]

Graded = Callable[..., dict[str, Any]]
LAB = labs_directory() / "lab12-f25"

NOT_ASSESSED_HERE = {
    "t2.image": "engine.no-container-engine",
    "t2.image_size": "engine.no-container-engine",
    "t3.binary_size": "verdict.other-compiler",
    "t3.image_size": "engine.no-container-engine",
}
"""Criteria that need a container engine or TinyGo, with the reason that must be given."""

FOR_A_PERSON = {"t1.explain", "t3.limitation", "t4.questions"}
BONUS = {"bonus.manifest": "pass", "bonus.timings": "pass", "bonus.reflection": "review"}


def outcomes(grade: dict[str, Any]) -> dict[str, str]:
    return {c["id"]: c["outcome"] for c in grade["criteria"]}


def test_the_reference_solution_gets_every_automatic_point_that_this_host_can_give(
    graded: Graded, solution: Path
) -> None:
    grade = graded(solution, lab="lab12-f25")
    found = {c["id"]: c for c in grade["criteria"]}
    assert {i: c["reason"]["code"] for i, c in found.items() if c["outcome"] == "not_run" and not c["bonus"]} == (
        NOT_ASSESSED_HERE
    )
    assert {i for i, c in found.items() if c["outcome"] == "review" and not c["bonus"]} == FOR_A_PERSON
    assert {i: c["outcome"] for i, c in found.items() if c["bonus"]} == BONUS
    others = {i for i, c in found.items() if not c["bonus"]} - set(NOT_ASSESSED_HERE) - FOR_A_PERSON
    assert {i: found[i]["outcome"] for i in others} == dict.fromkeys(others, "pass")
    assert grade["score"]["lost"] == 0
    assert grade["score"]["points"] == 5.75
    assert grade["findings"] == []


def test_the_facts_that_this_host_cannot_measure_are_exactly_these(graded: Graded, solution: Path) -> None:
    grade = graded(solution)
    contained = {f["id"] for f in grade["facts"] if any(runs_image(arm) for arm in f["arm"].split("/"))}
    assert {f"{subject}.image_size@{arm}" for subject, arm in (("native", "docker"), ("wasm", "oci"))} < contained
    assert {f["id"] for f in grade["facts"] if f["state"] == "not_run"} == contained | {
        "wasm.binary_size@committed",
        "wasm.first_answer_time@wasmtime",
        "wasm.memory_idle@wasmtime",
        "wasm.wagi_output@spin",
    }
    assert {f["state"] for f in grade["facts"]} == {"measured", "not_run"}


def test_provided_files_with_the_empty_template_give_no_point(graded: Graded, tmp_path: Path) -> None:
    handed_in = Path(shutil.copytree(LAB / "starter", tmp_path / "empty"))
    shutil.copy(LAB / "template.md", handed_in / "submission12.md")
    score = graded(handed_in)["score"]
    assert (score["points"], score["manual"], score["pending_review"], score["not_assessed"]) == (0, 0, 0, 0)
    assert score["lost"] == score["max"] == 10


REPORT = "submission12.md"
ORIGINAL_ROW = {
    "binary": "| Binary Size | 4.48 MiB | 2.34 MiB | 47.8 % smaller |",
    "image": "| Image Size | 4.70 MB | 0.84 MB | 82.1 % smaller |",
    "startup": "| Startup Time (CLI) | 400 ms | 520 ms | 0.77x (slower) |",
    "memory": "| Memory Usage | 1.59 MiB | N/A | N/A |",
    "server": "| Server Mode | works | not under ctr, works under Spin | N/A |",
}

FAULTS: dict[str, tuple[str, str]] = {
    "t1.evidence": ("moscow_time", "time"),
    "t2.binary_size": (ORIGINAL_ROW["binary"], "| Binary Size | 9.48 MiB | 2.34 MiB | 75.3 % smaller |"),
    "t2.image_size": (ORIGINAL_ROW["image"], "| Image Size | N/A | 0.84 MB | N/A |"),
    "t2.startup": (ORIGINAL_ROW["startup"], "| Startup Time (CLI) | N/A | 520 ms | N/A |"),
    "t2.memory": (ORIGINAL_ROW["memory"], "| Memory Usage | N/A | N/A | N/A |"),
    "t3.tinygo": ("tinygo:0.39.0 tinygo version\ntinygo version 0.39.0", "tinygo tinygo version\ntiny version"),
    "t3.binary_size": (ORIGINAL_ROW["binary"], "| Binary Size | 4.48 MiB | N/A | N/A |"),
    "t3.image_size": (ORIGINAL_ROW["image"], "| Image Size | 4.70 MB | N/A | N/A |"),
    "t3.startup": (ORIGINAL_ROW["startup"], "| Startup Time (CLI) | 400 ms | N/A | N/A |"),
    "t4.table": (ORIGINAL_ROW["server"], "| Server Mode | works | TODO | N/A |"),
    "t4.derived": ("47.8 % smaller", "30 % smaller"),
    "bonus.timings": ("q7h2x9vk.fermyon.app", "q7h2x9vk.example.org"),
}
"""By criterion: what is replaced in the report.  No other criterion is declared to depend on one of these."""


@pytest.mark.once
@pytest.mark.parametrize("criterion", sorted(FAULTS))
def test_a_fault_in_the_report_loses_its_criterion_only(graded: Graded, solution: Path, criterion: str) -> None:
    before = outcomes(graded(solution))
    old, new = FAULTS[criterion]
    report = solution / REPORT
    text = report.read_text("utf-8")
    assert old in text
    report.write_text(text.replace(old, new), "utf-8")
    after = outcomes(graded(solution))
    assert {i for i in before if before[i] != after[i]} == {criterion}
    assert after[criterion] != "pass"


@pytest.mark.parametrize(
    ("architecture", "lost"),
    [
        ("amd64", {"t1.once": "fail", "t1.server": "fail"}),
        # Spin's routes are asked of the same module, and `/api/time` is held to the same clock.
        ("wasm", {"t3.module": "fail", "bonus.manifest": "fail"}),
    ],
)
def test_a_program_that_tells_a_wrong_time_loses_its_own_subject_only(
    graded: Graded, solution: Path, architecture: str, lost: dict[str, str]
) -> None:
    before = outcomes(graded(solution))
    break_clock(solution / "main.go", architecture)
    after = outcomes(graded(solution))
    assert {i: after[i] for i in before if before[i] != after[i]} == lost


def break_clock(source: Path, architecture: str) -> None:
    """Make every mode three hours late, on one architecture."""
    text = source.read_text("utf-8")
    assert "time.Now()" in text
    text = text.replace("time.Now()", "shifted()").replace('\t"os"\n', '\t"os"\n\t"runtime"\n', 1)
    text += (
        "\nfunc shifted() time.Time {\n"
        f'\tif runtime.GOARCH == "{architecture}" {{\n\t\treturn time.Now().Add(3 * time.Hour)\n\t}}\n'
        "\treturn time.Now()\n}\n"
    )
    source.write_text(text, "utf-8")
