"""Every hostile case through the real command: it ends, the host is unharmed, and the next one is graded right.

Two families may run at once, each in a process with an arena of its own; the cases of one family never do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grader.model.grade import Grade
from tests.hostile.arena import Arena, Graded, meanwhile, state, summary
from tests.hostile.cases.honest import following, reference
from tests.hostile.catalogue import Case, Family, Outcome, Place
from tests.hostile.families import FAMILIES
from tests.regrading import judged_again

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(600)]


def _alone(family: Family) -> pytest.MarkDecorator:
    """Return what keeps the family's cases one after the other, in one process.

    Processes are counted by user where there are no cgroups, and other serial tests do without them.
    """
    return pytest.mark.serial if family.name == "processes" else pytest.mark.xdist_group(f"hostile {family.name}")


EACH_FAMILY = [pytest.param(family.name, id=family.name, marks=_alone(family)) for family in FAMILIES]
ALL = [
    pytest.param(case, id=f"{family.name}/{case.name}", marks=_alone(family))
    for family in FAMILIES
    for case in (*family.cases, following(family.name))
]
WITH_REPORTS = [
    pytest.param(case, id=f"{family.name}/{case.name}", marks=_alone(family))
    for family in FAMILIES
    for case in family.cases
    if case.claims
]


@pytest.fixture(scope="session")
def before(arena: Arena) -> tuple[Path, bytes]:
    """The reference solution and its grade, from before anything hostile was graded."""
    folder = reference(arena.root / "reference")
    done = arena.grade(folder, within_s=300)
    assert done.code == 0, done.terminal
    return folder, done.files()["grade.json"]


@pytest.mark.parametrize("case", ALL)
def test_case_ends_as_expected_and_leaves_the_host_unharmed(
    before: object, case: Case, arena: Arena, place: Place, record_property: Any
) -> None:
    source = case.make(place)
    was = None if case.changes_itself else state(place.folder)
    for _ in range(case.times):
        with meanwhile(case, place):
            inside = place.folder / "lab" if case.inside else None
            done = arena.grade(source, within_s=case.within_s, cwd=inside, pace=case.pace)
        record_property("outcome", told(done))
        assert done.seconds < case.within_s, "it was killed"
        check(case.expect, done)
        graded = done.folder / "grade.json"
        assert done.code or judged_again(graded, arena.labs[case.pace]) == graded.read_bytes()
        assert arena.harm(done) == []
        assert arena.leaks(done, case.expect.never) == []
        assert was is None or state(place.folder) == was
        assert case.memory_mb is None or done.peak_mb < case.memory_mb


@pytest.mark.parametrize("case", WITH_REPORTS)
def test_a_report_that_is_only_read_does_no_more_harm(arena: Arena, place: Place, case: Case) -> None:
    report = Path(case.make(place)) / "submission12.md"
    was = state(place.folder)
    done = arena.grade(report, "--json", command="claims", within_s=case.within_s)
    assert done.code == case.expect.exit, done.terminal
    assert "Traceback" not in done.terminal
    if done.code == 0:
        assert isinstance(json.loads(done.terminal)["claims"], list)
    assert arena.harm(done) == []
    assert state(place.folder) == was
    assert case.memory_mb is None or done.peak_mb < case.memory_mb


@pytest.mark.parametrize("family", EACH_FAMILY)
def test_the_same_submission_has_the_same_grade_as_before_the_family(
    before: tuple[Path, bytes], arena: Arena, family: str
) -> None:
    folder, grade = before
    done = arena.grade(folder, within_s=300)
    assert done.files()["grade.json"] == grade
    assert arena.harm(done) == []


def check(expected: Outcome, done: Graded) -> None:
    """Compare what came of a case with what must."""
    exits = expected.exit if isinstance(expected.exit, tuple) else (expected.exit,)
    assert done.code in exits, done.terminal
    assert "Traceback" not in done.terminal
    assert "internal error" not in done.terminal
    for words in expected.says:
        assert words in done.terminal
    if done.code:
        assert not done.folder.exists()
        return
    grade = Grade.model_validate_json(done.files()["grade.json"])
    facts = {fact.id: fact for fact in grade.facts}
    found = {i: f"{facts[i].state}{' ' + r.code if (r := facts[i].reason) else ''}" for i in expected.facts}
    unlike = {i: said for i, said in found.items() if said not in _either(expected.facts[i])}
    assert unlike == {}
    assert {i: facts[i].value for i in expected.values} == dict(expected.values)
    criteria = {criterion.id: criterion.outcome for criterion in grade.criteria}
    assert {i: criteria[i] for i in expected.criteria} == dict(expected.criteria)
    verdicts = {verdict.id: verdict.verdict for verdict in grade.verdicts}
    assert {i: verdicts[i] for i in expected.verdicts} == dict(expected.verdicts)
    if expected.findings is not None:
        assert tuple(finding.rule for finding in grade.findings) == expected.findings
    for path, words in expected.prints.items():
        assert words in done.files()[path].decode("utf-8", "replace")
    if expected.points_at_most is not None:
        assert grade.score.points <= expected.points_at_most
    assert grade.score.max == 10


def _either(wanted: str) -> set[str]:
    """Return the states that are as wanted: `failed a or b` is `failed a` and `failed b`."""
    state_, _, codes = wanted.partition(" ")
    return {f"{state_} {code}" for code in codes.split(" or ")} if codes else {state_}


def told(done: Graded) -> str:
    """Return what came of a case in a few words, for the record of a run."""
    return summary(done.grade() if done.code == 0 else None, done)
