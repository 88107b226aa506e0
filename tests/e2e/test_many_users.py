"""Several users grade at once on one host: they share its lock, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.model.run import LockSpan
from tests.e2e.conftest import SOLUTION
from tests.users import IMPORTS, open_folder, python_for

pytestmark = [
    pytest.mark.serial,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs: root: it becomes other users"),
]

USERS = (64993, 64994)
BUILDERS = 4
GRADING_S = 900

_BUILDER = """
import sys, time
from pathlib import Path
from grader.adapters.hostlock import FileHostLock
lock = FileHostLock(Path(sys.argv[1]))
while True:
    with lock.shared():
        began = time.time()
        time.sleep(0.05)
        ended = time.time()
    print(repr(began), repr(ended), flush=True)
"""


@dataclass(frozen=True)
class User:
    """Somebody with a home of his own on this host."""

    uid: int
    home: Path
    python: str

    @property
    def cache(self) -> Path:
        return self.home / "cache" / "lab-grader"

    def start(self, *argv: str, stdout: int | None = None, stderr: int | None = None) -> subprocess.Popen[str]:
        """Start Python as this user, with a umask that keeps all he makes to himself."""
        return subprocess.Popen(
            [self.python, *argv],
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            umask=0o077,
            cwd=self.home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "XDG_CACHE_HOME": str(self.home / "cache"),
                "GRADER_ENGINE": "embedded",  # whatever daemons this host has
                **IMPORTS,
            },
            text=True,
            stdout=stdout,
            stderr=stderr,
        )


@pytest.fixture(scope="module")
def common() -> Iterator[Path]:
    """A folder that everybody may read."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def lab(common: Path) -> Path:
    """The shipped lab with few rounds: what counts here is that they are apart, not how many there are."""
    lab = Path(shutil.copytree(SOLUTION.parent, common / "lab12-f25"))
    text, changed = re.subn(r"(?m)^  rounds: 12\b.*$", "  rounds: 2", (lab / "lab.yml").read_text("utf-8"))
    assert changed == 1
    (lab / "lab.yml").write_text(text, "utf-8")
    return lab


@pytest.fixture(scope="module")
def lock(common: Path) -> Path:
    """Where the lock will be, in a folder as /run/lock is; nobody has made it yet."""
    folder = common / "locks"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder / "host.lock"


@pytest.fixture(scope="module")
def users(common: Path) -> tuple[User, ...]:
    """Two plain users and root."""
    return tuple(_user(common, uid) for uid in (*USERS, 0))


def _user(common: Path, uid: int) -> User:
    home = common / f"home-{uid}"
    home.mkdir()
    (home / "cache").mkdir()
    for folder in (home, home / "cache"):
        os.chown(folder, uid, uid)
        folder.chmod(0o755)  # That nobody else reads the cache must be the cache's own doing.

    def start(python: str) -> subprocess.Popen[str]:
        return User(uid, home, python).start("-c", "import grader.cli.wiring", stderr=subprocess.DEVNULL)

    return User(uid, home, python_for(start))


class Builder:
    """A process that takes the lock again and again, as looping builders do, and writes its spans to a file."""

    def __init__(self, user: User, lock: Path, file: Path) -> None:
        self._file = file
        # A pipe that nobody reads would stop it in the end.
        with file.open("wb") as output:
            self.process = user.start("-c", _BUILDER, str(lock), stdout=output.fileno())

    def spans(self) -> list[LockSpan]:
        """Return the spans by now."""
        whole = [line.split() for line in self._file.read_text("ascii").split("\n")[:-1]]
        return [LockSpan(kind="shared", from_=float(began), to=float(ended)) for began, ended in whole]

    def go_on(self) -> None:
        """Wait until it has begun and ended one more span, whole."""
        seen = len(self.spans())
        while len(self.spans()) < seen + 2:
            assert self.process.poll() is None, "a builder had stopped before the last timed run"
            time.sleep(0.05)

    def __enter__(self) -> Builder:
        while not self.spans():
            assert self.process.poll() is None
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def overlaps(spans: list[LockSpan]) -> list[tuple[LockSpan, LockSpan]]:
    """Return each pair of spans of which one should have had the host to itself."""
    alone = [span for span in spans if span.kind == "exclusive"]
    return [(a, b) for a in alone for b in spans if a is not b and a.from_ < b.to and b.from_ < a.to]


def test_overlapping_spans_are_found() -> None:
    """The check below would be worth nothing if it found none."""

    def span(kind: str, began: float, ended: float) -> LockSpan:
        return LockSpan.model_validate({"kind": kind, "from": began, "to": ended})

    timed = span("exclusive", 2, 4)
    for other in (span("shared", 1, 3), span("shared", 1, 5), span("exclusive", 3, 3.5), span("shared", 3.9, 6)):
        assert overlaps([timed, other])
    assert overlaps([timed, span("shared", 1, 2), span("shared", 4, 5), span("shared", 1, 1.5)]) == []


def test_users_who_grade_at_once_among_builders_time_alone_and_keep_their_caches_apart(
    users: tuple[User, ...], lab: Path, lock: Path, engine_works: None
) -> None:
    with ExitStack() as stack:
        # The first to come, and thus the one who makes the lock, is a plain user with a umask of 077.
        builders = [
            stack.enter_context(Builder(users[i % 3], lock, users[0].home / f"builder-{i}")) for i in range(BUILDERS)
        ]
        runs = [_grading(user, lab, lock) for user in users]
        ended = [run.communicate(timeout=GRADING_S)[1] for run in runs]
        for builder in builders:
            builder.go_on()
        assert [run.returncode for run in runs] == [0, 0, 0], "\n".join(ended)
    built = [builder.spans() for builder in builders]
    assert (lock.stat().st_uid, stat.S_IMODE(lock.stat().st_mode)) == (USERS[0], 0o666)
    graded = [_locks(user) for user in users]
    for own in graded:
        assert {span.kind for span in own} == {"shared", "exclusive"}
    assert overlaps([span for some in (*built, *graded) for span in some]) == []
    last_timed = max(span.to for own in graded for span in own if span.kind == "exclusive")
    assert all(some[-1].to > last_timed for some in built), "a builder had stopped before the last timed run"
    for user in users[:2]:
        assert user.cache.stat().st_uid == user.uid
        assert list(user.cache.iterdir()) != []
    for reader, owner in ((0, 1), (1, 0), (0, 2)):
        look = users[reader].start("-c", f"import os; os.listdir({str(users[owner].cache)!r})", stderr=subprocess.PIPE)
        assert "PermissionError" in look.communicate()[1]


def _grading(user: User, lab: Path, lock: Path) -> subprocess.Popen[str]:
    options = ("--lab", str(lab), "--lock", str(lock), "--out", str(user.home / "out"), "--quiet")
    return user.start(
        "-m", "grader", "grade", str(lab / "solution"), *options, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def _locks(user: User) -> list[LockSpan]:
    run = json.loads((user.home / "out" / "run.json").read_text("utf-8"))
    return [LockSpan.model_validate(span) for span in run["locks"]]
