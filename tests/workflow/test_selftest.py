"""A lab's self-test: the shipped one holds, and each way in which one can fail is told."""

from __future__ import annotations

import pytest

from grader.adapters.labfile import labs_directory, load_selftest
from grader.cli.labs import load_used
from grader.model.grade import Circumstances, Grade
from grader.model.selftest import Case, CaseResult, Edit
from grader.workflow.selftest import run_cases
from tests.render.pages import grade

LAB = labs_directory() / "lab12-f25"
REPORT = (LAB / "solution" / "submission12.md").read_bytes()
USED = load_used("lab12-f25")


def unmeasured() -> Grade:
    """The solution's grade on a host that can run nothing: what its report says is judged all the same."""
    here = Circumstances(sources_changed=False, known_values_apply=False, own_files=())
    return grade().model_copy(update={"facts": (), "findings": (), "circumstances": here})


def results(*cases: Case, report: bytes = REPORT) -> dict[str, CaseResult]:
    return {result.id: result for result in run_cases(USED, unmeasured(), report, cases)}


def case(find: str, replace: str, **more: object) -> Case:
    return Case.model_validate({"id": "case", "edits": [Edit(find=find, replace=replace)], **more})


def test_the_shipped_cases_hold_where_nothing_can_be_run() -> None:
    found = results(*load_selftest(LAB).cases)
    assert {name: result.problems for name, result in found.items() if result.problems} == {}
    assert "t2.binary_size" in found["fault.native-size"].open


def test_every_case_that_finds_something_is_of_a_rule_of_the_lab() -> None:
    rules = {rule.id for rule in USED.lab.rules}
    criteria = {spec.id for spec in USED.lab.rubric}
    for one in load_selftest(LAB).cases:
        assert set(one.finds) <= rules
        assert set(one.loses) <= criteria


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (case("words that are not there", "", loses=["t4.table"]), "is there 0 times"),
        (case("the", "a", loses=["t4.table"]), "times in the solution's report, not once"),
        (case("The server in the browser", "The server", loses=["t4.table"]), "t4.table still earns 0.5"),
        (
            case("| 47.8 % smaller |", "| 95 % smaller |", finds=["weekday-not-of-date"]),
            "rule weekday-not-of-date is silent",
        ),
        (case("| 47.8 % smaller |", "| 95 % smaller |", loses=["t4.table"]), "t4.derived was pass, is partial"),
    ],
)
def test_a_case_that_does_not_do_as_it_says_is_told(broken: Case, said: str) -> None:
    assert any(said in problem for problem in results(broken)["case"].problems)


def test_a_solution_that_loses_points_or_earns_a_warning_is_told() -> None:
    spoilt = REPORT.replace(b"| 47.8 % smaller |", b"| 147 % smaller |")
    problems = results(report=spoilt)["solution"].problems
    assert any("finding binary-reduction-over-all" in problem for problem in problems)
