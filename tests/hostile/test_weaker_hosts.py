"""What is left on a host without cgroups or without a sandbox; what would harm this host is reasoned, not run."""

from __future__ import annotations

import json

import pytest

from tests.hostile.arena import Arena, meanwhile, state
from tests.hostile.catalogue import Case, Place
from tests.hostile.families import FAMILIES
from tests.hostile.test_corpus import check

pytestmark = [pytest.mark.once, pytest.mark.serial, pytest.mark.slow, pytest.mark.timeout(600)]

BY_FAMILY = {family.name: family for family in FAMILIES}
RUN_WITHOUT_CGROUPS = [
    pytest.param(case, id=f"{name}/{case.name}")
    for name in ("processes", "output")
    for case in BY_FAMILY[name].cases
    if "cgroups" not in case.never_without
] + [
    pytest.param(case, id=f"{name}/{case.name}")
    for name, wanted in (("modules", "endless-main"), ("servers", "forks-when-told-to-stop"), ("host", "phones-home"))
    for case in BY_FAMILY[name].cases
    if case.name == wanted
]
ONE_OF_EACH = [
    pytest.param(BY_FAMILY[name].cases[0], id=f"{name}/{BY_FAMILY[name].cases[0].name}")
    for name in ("processes", "host", "build", "modules", "servers")
]


@pytest.mark.parametrize("case", RUN_WITHOUT_CGROUPS)
def test_without_cgroups_other_limits_hold(arena: Arena, place: Place, case: Case) -> None:
    source = case.make(place)
    was = state(place.folder)
    with meanwhile(case, place):
        done = arena.grade(source, "--no-cache", within_s=case.within_s, without="cgroups")
    check(case.without_cgroups or case.expect, done)
    assert arena.harm(done) == []
    assert arena.leaks(done, case.expect.never) == []
    assert state(place.folder) == was


@pytest.mark.parametrize("case", ONE_OF_EACH)
def test_without_a_sandbox_nothing_of_a_submission_is_run(arena: Arena, place: Place, case: Case) -> None:
    source = case.make(place)
    done = arena.grade(source, "--no-cache", without="sandbox")
    assert done.code == 0, done.terminal
    states = {fact["state"] for fact in done.grade()["facts"] if fact["arm"] != "committed"}
    assert states == {"not_run"}
    assert "sandbox.no-tool" in {fact["reason"]["code"] for fact in done.grade()["facts"] if fact["reason"]}
    assert arena.harm(done) == []
    named = arena.grade(source, "--engine", "embedded", without="sandbox")
    assert named.code == 3
    assert "apt-get install bubblewrap" in named.terminal


@pytest.mark.parametrize(
    ("without", "code", "check_id", "state_", "words"),
    [
        (None, 0, "sandbox", "ok", ""),
        ("cgroups", 0, "cgroups", "warning", "not capped by cgroup"),
        ("sandbox", 3, "sandbox", "missing", "is not installed"),
    ],
)
def test_doctor_says_what_does_not_hold_here(
    arena: Arena, without: str | None, code: int, check_id: str, state_: str, words: str
) -> None:
    done = arena.run("doctor", "--for", "grade", "--lab", str(arena.labs.quick), "--json", without=without)
    assert done.code == code, done.terminal
    checks = {line["id"]: line for line in json.loads(done.terminal)["checks"]}
    assert checks[check_id]["state"] == state_
    assert words in checks[check_id]["message"]["text"]
