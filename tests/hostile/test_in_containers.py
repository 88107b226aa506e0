"""Hostile images and Dockerfiles through the real command and real engines, which all cases share.

What a report, a folder or an archive does is the same whichever engine runs a program, and is not tried again.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from grader.adapters.disk import usage
from tests.engines.base import BASE, pull_base
from tests.engines.engines import PROGRAMS, Engines
from tests.engines.keeper import wait_until
from tests.engines.traces import changed, found_in, left_around
from tests.hostile.arena import Arena, state
from tests.hostile.cases.containers import HONEST
from tests.hostile.catalogue import Case, Pace, Place
from tests.hostile.conftest import needs_of_the_corpus
from tests.hostile.daemons import container_lab
from tests.hostile.families import IN_CONTAINERS
from tests.hostile.making import put
from tests.hostile.test_corpus import check
from tests.regrading import judged_again

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.serial, pytest.mark.timeout(600)]

ALL = [pytest.param(case, id=f"{family.name}/{case.name}") for family in IN_CONTAINERS for case in family.cases]
KILLED = {case.name: case for family in IN_CONTAINERS for case in family.cases}
CAPS_S: Mapping[Pace, tuple[float, float]] = {"quick": (2, 8), "slow runs": (60, 120), "servers": (60, 120)}
"""By pace, the caps on a run's time and on a build's."""
SETTLE_S = 60.0
"""For a daemon to take away what it was still writing, on a busy host."""
SLACK_BYTES = 64 << 20
"""By which the daemons' folders may grow: their own logs and databases."""


@pytest.fixture(scope="module")
def engines(session_engines: Engines, wasm_shim: Path) -> Iterator[Engines]:
    """The engines of this worker, with the base of the Dockerfiles; the tests are in their network."""
    needs_of_the_corpus()
    with session_engines.inside():
        pull_base(session_engines)
        yield session_engines


@pytest.fixture(scope="module")
def arena(engines: Engines) -> Iterator[Arena]:
    """An arena whose ears are in the network of the engines: there a container would find them."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as name:
        root = Path(name)
        labs = {
            pace: container_lab(root / pace.replace(" ", "-"), *caps, whole=pace == "servers")
            for pace, caps in CAPS_S.items()
        }
        bridge = ("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
        address = engines.run(engines.docker, *bridge).stdout.strip()
        environ = {k: v for k, v in engines.environ.items() if k != "HOME"} | {"GRADER_ENGINE": "containers"}
        with Arena(root, labs, environ=environ, address=address).open() as opened:
            yield opened


@pytest.fixture
def place(arena: Arena) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="handed-in-", dir=arena.root))
    yield arena.place(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def honest(arena: Arena) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="handed-in-", dir=arena.root))
    yield Path(HONEST.make(arena.place(folder)))
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def before(engines: Engines, arena: Arena, honest: Path) -> bytes:
    """The grade of the reference solution, from before anything hostile was graded, and nothing of it left."""
    had = found_in(engines)
    done = arena.grade(honest, pace=HONEST.pace)
    check(HONEST.expect, done)
    assert wait_until(lambda: found_in(engines) == had, SETTLE_S), changed(had, found_in(engines))
    return done.files()["grade.json"]


def in_data_roots(engines: Engines) -> int:
    """Return the bytes that the daemons' folders take."""
    return usage([str(engines.root / "docker"), str(engines.root / "containerd")], 1 << 50)


@pytest.mark.parametrize("case", ALL)
def test_case_ends_as_expected_and_leaves_host_and_daemons_unharmed(
    before: bytes, case: Case, engines: Engines, arena: Arena, place: Place
) -> None:
    if case.name == "fills-the-disk" and shutil.disk_usage(engines.root).free < 8 << 30:
        pytest.skip("needs: disk: less than 8 GiB are free")
    source = case.make(place)
    was, had, size = state(place.folder), found_in(engines), in_data_roots(engines)
    done = arena.grade(source, within_s=case.within_s, pace=case.pace)
    assert done.seconds < case.within_s, "it was killed"
    check(case.expect, done)
    graded = done.folder / "grade.json"
    assert done.code or judged_again(graded, arena.labs[case.pace]) == graded.read_bytes()
    assert wait_until(lambda: found_in(engines) == had, SETTLE_S), changed(had, found_in(engines))
    assert wait_until(lambda: in_data_roots(engines) < size + SLACK_BYTES, SETTLE_S)
    assert arena.harm(done) == []
    assert arena.leaks(done, case.expect.never) == []
    assert state(place.folder) == was


@pytest.mark.parametrize(
    "case", [KILLED[name] for name in ("never-ends", "sleeper", "endless-start-function")], ids=lambda case: case.name
)
def test_what_a_killed_grader_leaves_in_the_daemons_the_next_one_removes(
    before: bytes, case: Case, engines: Engines, arena: Arena, place: Place, honest: Path
) -> None:
    had = found_in(engines)

    def container_runs() -> bool:
        return any("containerd-shim" in process for process in found_in(engines)["processes"] - had["processes"])

    source = case.make(place)
    with arena.started("grade", str(source), "--lab", str(arena.labs["slow runs"])) as child:
        assert wait_until(container_runs, SETTLE_S)
        child.kill()
    assert found_in(engines) != had
    done = arena.grade(honest, pace=HONEST.pace)
    assert done.files()["grade.json"] == before
    assert wait_until(lambda: found_in(engines) == had, SETTLE_S), changed(had, found_in(engines))
    assert not [left for found in left_around().values() for left in found if f"-{child.pid}-" in left]


def test_the_same_submission_has_the_same_grade_and_no_engine_starts_anything(
    before: bytes, engines: Engines, arena: Arena, honest: Path
) -> None:
    """Whoever starts a container, Docker or `ctr`, containerd tells of its task's start, in order."""
    told = arena.root / "events"
    with told.open("wb") as file:
        listener = subprocess.Popen([PROGRAMS["ctr"], "events"], env=engines.environ, stdout=file)
    try:
        mark_events(engines, told)
        seen = told.stat().st_size
        done = arena.grade(honest, pace=HONEST.pace)
        last = mark_events(engines, told)
        since = told.read_bytes()[seen:].decode()
    finally:
        listener.kill()
        listener.wait()
    assert done.files()["grade.json"] == before
    assert {line for line in since.splitlines() if "/tasks/start" in line and last not in line} == set()


def mark_events(engines: Engines, told: Path) -> str:
    """Start a container until its start is told, and return its id."""
    made = engines.run(engines.docker, "create", BASE, "true").stdout.strip()

    def starts() -> bool:
        engines.run(engines.docker, "start", "--attach", made)
        return f'"{made}"' in told.read_text("utf-8")

    assert wait_until(starts, SETTLE_S)
    engines.run(engines.docker, "rm", made)
    return made


def test_the_next_submission_is_graded_right(before: bytes, engines: Engines, arena: Arena, place: Place) -> None:
    folder = Path(HONEST.make(place))
    put(folder, "Dockerfile", (folder / "Dockerfile").read_text("utf-8") + "# graded last\n")
    done = arena.grade(folder, pace=HONEST.pace)
    check(HONEST.expect, done)
    assert arena.harm(done) == []
