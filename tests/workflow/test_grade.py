"""A table that `fill` has filled is no statement of the student's: what the report itself shows counts instead."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grader.claims.reader import read_report
from grader.cli.labs import load_used
from grader.judging.compare import judge_claims
from grader.model.grade import Circumstances, Fact, Grade
from grader.model.host import Fingerprint
from grader.model.submission import Manifest, Submission
from grader.render.fill import fill_table
from grader.workflow.grade import LabUsed, ReportUsed, grade_submission
from grader.workflow.judge import judge_again
from tests.render.test_fill import COMMITTED, fact

HOST = Fingerprint(os="Debian", kernel="6.1", architecture="x86_64", cpus=2, cgroup="v2")
HERE = Circumstances(sources_changed=False, known_values_apply=True)
PROBES = [fact("native.memory_idle@process", 1_750_000, "byte")]
OUTPUT = """
## Task 2

```console
$ for i in 1 2 3; do /usr/bin/time -f "%e" docker run --rm -e MODE=once moscow-time-traditional; done
Average: 0.4000 seconds
```
"""


@pytest.fixture(scope="module")
def used() -> LabUsed:
    return load_used("lab12-f25")


def elsewhere(facts: Sequence[Fact]) -> list[Fact]:
    """The same sizes, and the times of another host."""
    return [
        f.model_copy(update={"value": f.value * 3.7, "interval": None}) if f.unit == "second" and f.value else f
        for f in facts
        if isinstance(f.value, float | int | None)
    ]


def filled(used: LabUsed, report: bytes, facts: Sequence[Fact]) -> bytes:
    reading = read_report(report, used.lab, used.template, max_bytes=len(report))
    verdicts = judge_claims(used.lab, reading.claims, facts, HERE)
    return fill_table(report, reading.encoding, reading, used.lab, facts, verdicts)[0]


def graded(used: LabUsed, report: bytes, facts: Sequence[Fact]) -> Grade:
    reading = read_report(report, used.lab, used.template, max_bytes=len(report))
    submission = Submission(
        id="handed-in-01234567",
        source="directory",
        manifest=Manifest(entries=()),
        frozen_dir="x",
        report_path="submission12.md",
    )
    about = ReportUsed(data=report, reading=reading)
    return grade_submission(used, submission, about, facts, HOST, {}, (), "1")


@pytest.mark.parametrize("move", [list, elsewhere], ids=["same host", "another host"])
def test_the_template_that_was_filled_earns_nothing_and_a_person_is_asked(used: LabUsed, move: object) -> None:
    assert callable(move)
    report = filled(used, used.template.encode(), COMMITTED + PROBES)
    assert b"4,698,112 B" in report, "the filling did something"
    grade = graded(used, report, move(COMMITTED + PROBES))
    assert grade.score.points == graded(used, used.template.encode(), COMMITTED + PROBES).score.points == 0
    found = {c.id: c.outcome for c in grade.criteria}
    assert {found[f"t2.{name}"] for name in ("binary_size", "startup", "memory")} == {"review"}
    assert found["t1.once"] == "fail"
    assert [(f.rule, f.severity) for f in grade.findings] == [("filled-by-grader", "info")]
    assert grade.findings[0].quote in report.decode()
    assert judge_again(used, grade, {}, "1") == grade


def test_the_reports_own_output_counts_in_place_of_a_filled_cell(used: LabUsed) -> None:
    report = filled(used, used.template.encode() + OUTPUT.encode(), COMMITTED)
    grade = graded(used, report, COMMITTED)
    (claim,) = [c for c in grade.claims if c.id == "native.startup_time" and c.preferred]
    assert (claim.value, claim.source) == (0.4, "output")
    assert next(c.outcome for c in grade.criteria if c.id == "t2.startup") == "pass"
    assert [f.rule for f in grade.findings] == ["filled-by-grader"], "no rule sets our number against the report's"


def test_what_a_student_wrote_and_what_was_put_behind_it_is_no_filling(used: LabUsed) -> None:
    own = used.template.replace("| Binary Size | TODO MB | TODO MB |", "| Binary Size | 4.48 MiB | 2.34 MiB |")
    own = own.replace("TODO ms | TODO ms", "400 ms | 520 ms")
    assert own != used.template
    for report in (own.encode(), filled(used, own.encode(), COMMITTED[:2])):
        grade = graded(used, report, COMMITTED[:2])
        assert {c.id: c.value for c in grade.claims}["native.binary_size"] == pytest.approx(4.48 * 2**20)
        assert grade.circumstances.filled_claims in ((), ("binary_size.reduction",))
        assert next(c.outcome for c in grade.criteria if c.id == "t2.binary_size") == "pass"
