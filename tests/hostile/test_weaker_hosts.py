"""What is left on a host without cgroups or without a sandbox; what would harm this host is reasoned, not run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hostile.arena import Arena, meanwhile, state
from tests.hostile.cases.honest import reference
from tests.hostile.catalogue import Case, Place
from tests.hostile.families import FAMILIES
from tests.hostile.test_corpus import check
from tests.users import IMPORTS, python_for

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
    done = arena.grade(source, "--no-cache", "--engine", "auto", without="sandbox")
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
    done = arena.run("doctor", "--for", "grade", "--lab", str(arena.labs["quick"]), "--json", without=without)
    assert done.code == code, done.terminal
    checks = {line["id"]: line for line in json.loads(done.terminal)["checks"]}
    assert checks[check_id]["state"] == state_
    assert words in checks[check_id]["message"]["text"]


NOBODY = 64995
"""A user and a group that this host does not have."""


@contextmanager
def no_user_namespaces() -> Iterator[tuple[str, ...]]:
    """Yield what a command starts with to run as a plain user where the kernel makes no user namespace.

    The setting is one of each user namespace, so it is that of a namespace of our own, in which every user and group
    is who he is outside.
    """
    with subprocess.Popen(["unshare", "--user", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE) as held:
        try:
            assert held.stdout is not None
            held.stdout.read(1)  # from now on the namespace is there
            for kind in ("uid_map", "gid_map"):
                Path(f"/proc/{held.pid}/{kind}").write_text("0 0 4294967295\n")
            enter = ("nsenter", "--target", str(held.pid), "--user")
            forbid = "echo 0 >/proc/sys/user/max_user_namespaces"
            subprocess.run([*enter, "--setuid", "0", "--setgid", "0", "sh", "-c", forbid], check=True)
            yield (*enter, "--setuid", str(NOBODY), "--setgid", str(NOBODY))
        finally:
            held.kill()


@pytest.fixture
def home() -> Iterator[Path]:
    """The home of that user, with the reference solution in it."""
    if os.geteuid() != 0:
        pytest.skip("needs: root: only root may map users")
    with tempfile.TemporaryDirectory(prefix="corpus-") as name:
        home = Path(name)
        reference(home / "lab")
        for path in (home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield home


def test_without_user_namespaces_nothing_of_a_plain_users_submission_is_run(home: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GRADER_LOCK": str(home / "lock"),
        **IMPORTS,
    }
    with no_user_namespaces() as as_nobody:

        def start(python: str) -> subprocess.Popen[str]:
            tried = [*as_nobody, python, "-c", "import grader.cli.wiring"]
            return subprocess.Popen(tried, env=environment, cwd="/", stderr=subprocess.DEVNULL, text=True)

        python = python_for(start)

        def grader(*arguments: str) -> subprocess.CompletedProcess[str]:
            argv = [*as_nobody, python, "-P", "-m", "grader", *arguments]
            return subprocess.run(argv, env=environment, cwd=home, capture_output=True, text=True, check=False)

        doctor, graded = grader("doctor", "--for", "grade", "--json"), grader("grade", "lab", "--out", "out")
    assert doctor.returncode == 3, doctor.stderr
    (sandbox,) = (check for check in json.loads(doctor.stdout)["checks"] if check["id"] == "sandbox")
    assert sandbox["state"] == "missing"
    assert sandbox["message"]["code"] == "sandbox.refused"
    assert sandbox["remedy"] == "sysctl -w user.max_user_namespaces=15000"
    assert graded.returncode == 0, graded.stderr
    facts = json.loads((home / "out" / "grade.json").read_text("utf-8"))["facts"]
    assert {fact["state"] for fact in facts if fact["arm"] != "committed"} == {"not_run"}
    assert {f["reason"]["code"] for f in facts if f["arm"] == "process"} == {"sandbox.refused"}
