"""The real command, killed at every step and at every place where it changes something, and resumed.

Its clock stands still (`stillclock`), so a run that was cut off and resumed must end with the very bytes of one that
was not.  The lab and the program are the shipped ones scaled down.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from grader.adapters.store import DiskStore
from tests.e2e.conftest import ROOT, SOLUTION, Run
from tests.e2e.stillclock import timed_runs
from tests.e2e.test_commands import eventually, no_traceback

# Not `serial`: its clock stands still whatever runs beside it, and it is a fifth of the time that serial tests take.
pytestmark = [pytest.mark.xdist_group("cut off"), pytest.mark.once, pytest.mark.timeout(1800)]

COMPARED = ("grade.json", "samples.csv", "feedback.md", "feedback.html", "report.md", "report.orig.md", "table.md")
STEPS = (
    "freeze",
    "build native",
    "build wasm",
    "probe once: native",
    "probe once: wasm",
    "probe server: native",
    "probe server: wasm",
    "probe wagi: native",
    "probe wagi: wasm",
    "memory memory_peak: process",
    "memory memory_peak: wasmtime",
    "memory memory_peak: wasmtime-aot",
    "memory memory_peak: sandbox-noop",
    "time",
)
SMALLER = (
    (r"(?m)^  rounds: 12\b.*$", "  rounds: 6"),  # one more than a block
    (r"(?m)^  warmups: 2\b.*$", "  warmups: 1"),
    (r"(?m)^  memory_runs: 3\b.*$", "  memory_runs: 1"),
    (r"(?m)^    starts: 7\b.*$", "    starts: 2"),
    (r"within_s: 2\b", "within_s: 1000000000"),  # of a clock that stands still
)
IN_THE_LAST_ROUND = 5 * 4 + 2
"""Timed runs of the four arms: a whole block, and half a round of the next."""
MOST_CUTS = 600
LIMITS_S = (2, 3, 4, 6, 9, 13, 20, 30, 60, 120, 600)


class Host:
    """One user's folder with a submission, a lab and a cache; the command runs in it.

    The cache begins with the compilers and the standard library alone.
    """

    def __init__(self, folder: Path, environment: dict[str, str], warm: Path | None) -> None:
        self.folder = folder
        self.cache, self.out, self.seen = folder / "cache", folder / "out", folder / "seen"
        self.submission, self.lab = folder / "quick", folder / "lab12-f25"
        shutil.copytree(Path(__file__).with_name("quick"), self.submission)
        for file in ("Dockerfile", "submission12.md"):
            shutil.copy(SOLUTION / file, self.submission)
        shutil.copytree(SOLUTION.parent, self.lab)
        text = (self.lab / "lab.yml").read_text("utf-8")
        for pattern, smaller in SMALLER:
            text, changed = re.subn(pattern, smaller, text)
            assert changed == 1, pattern
        (self.lab / "lab.yml").write_text(text, "utf-8")
        self.cache.mkdir(mode=0o700)
        if warm is not None:
            for kind in ("go-cache", "tool"):
                shutil.copytree(warm / kind, self.cache / kind, symlinks=True, copy_function=os.link)
        self.environment = environment | {"GRADER_CACHE": str(self.cache), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(
        self, *options: str, command: str = "grade", cut: bool = False, after: int | None = None
    ) -> subprocess.Popen[str]:
        cuts = ({"CUT_SEEN": str(self.seen)} if cut else {}) | ({"CUT_AFTER": str(after)} if after is not None else {})
        argv = [sys.executable, "-m", "tests.e2e.stillclock", command, str(self.submission), "--lab", str(self.lab)]
        return subprocess.Popen(
            [*argv, "--out", str(self.out), *options],
            env=self.environment | cuts,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str, command: str = "grade", cut: bool = False) -> Run:
        child = self.start(*options, command=command, cut=cut)
        stdout, stderr = child.communicate(timeout=600)
        return Run(child.returncode, stdout, stderr)

    def run_until_whole(self, *options: str, command: str = "grade") -> list[str]:
        """Run and resume until a run ends by itself; return the places at which one was killed."""
        for _ in range(MOST_CUTS):
            done = self.run(*options, command=command, cut=True)
            assert no_traceback(done.stderr)
            assert not self.out.exists() or set(COMPARED) <= {p.name for p in self.out.iterdir()}
            if done.code != -signal.SIGKILL:
                assert done.code == 0, done.stderr
                return self.seen.read_text("utf-8").splitlines()
        raise AssertionError("it never ended")

    def files(self) -> dict[str, bytes]:
        return {name: (self.out / name).read_bytes() for name in COMPARED}

    def left(self) -> list[str]:
        """Return what lies beside the output folder, under `work/` of the cache, and which processes still run."""
        known = {self.cache, self.out, self.seen, self.submission, self.lab}
        beside = [str(path) for path in self.folder.iterdir() if path not in known]
        return beside + [str(path) for path in (self.cache / "work").iterdir()] + self._processes()

    def _processes(self) -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.folder) in line:
                found.append(line)
        return found


@pytest.fixture(scope="module")
def uncut(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], engine_works: None
) -> tuple[Host, dict[str, bytes]]:
    """A run that nobody cut off, and its files."""
    host = Host(tmp_path_factory.mktemp("uncut"), environment, None)
    done = host.run()
    assert done.code == 0, done.stderr
    assert [step for step in STEPS if f"\n{step}" not in f"\n{done.stderr}"] == []
    return host, host.files()


@pytest.fixture
def host(tmp_path: Path, environment: dict[str, str], uncut: tuple[Host, dict[str, bytes]]) -> Host:
    return Host(tmp_path, environment, uncut[0].cache)


def test_two_runs_that_nobody_cuts_off_give_the_same_bytes(host: Host, uncut: tuple[Host, dict[str, bytes]]) -> None:
    """Without this, none of the others says anything."""
    assert host.run().code == 0
    assert host.files() == uncut[1]


def test_a_run_killed_at_every_place_where_it_changes_something_ends_with_the_same_bytes(
    host: Host, uncut: tuple[Host, dict[str, bytes]]
) -> None:
    """Each run goes on where the one before was killed, until none is."""
    places = host.run_until_whole("--resume", "-q")
    assert host.files() == uncut[1]
    assert eventually(lambda: host.left() == []), host.left()
    steps = {place.partition(": ")[0] for place in places}
    assert {"start", *(step.partition(": ")[0] for step in STEPS)} - {"freeze"} <= steps
    assert [place for place in places if "and running" in place]
    assert [place for place in places if "adapters/output.py" in place]
    again = host.run("--resume")
    assert (again.code, host.files()) == (0, uncut[1])


def step_of(line: str) -> str | None:
    """Return the step whose beginning a line of progress tells."""
    return max((step for step in STEPS if line.startswith(step)), key=len, default=None)


def iter_until(lines: Iterable[str], number: int) -> Iterator[str]:
    """Yield lines up to the one that tells the beginning of that step, or of one after it."""
    for line in lines:
        yield line
        if step_of(line) in STEPS[number:]:
            return


@pytest.mark.parametrize("options", [("--resume",), ()], ids=["resume", "again"])
def test_a_run_cut_off_in_each_of_its_steps_in_turn_ends_with_the_same_bytes(
    host: Host, uncut: tuple[Host, dict[str, bytes]], options: tuple[str, ...]
) -> None:
    """Killed and interrupted in turn, with the programs of the step running; what was finished is not done again.

    On a busy host the signal may come later than it was sent, and a step may be over by then: the next is cut off.
    """
    finished: set[str] = set()
    for number in range(len(STEPS)):
        how = (signal.SIGKILL, signal.SIGINT)[number % 2]
        child = host.start(*options)
        assert child.stderr is not None
        lines = list(iter_until(child.stderr, number))
        child.send_signal(how)
        _, rest = child.communicate(timeout=60)
        begun = [step for line in (*lines, *rest.splitlines()) if (step := step_of(line)) not in (None, "freeze")]
        assert finished.isdisjoint(begun), "only what was cut off is done again"
        finished |= {step for step in begun if step != begun[-1]}
        assert no_traceback(rest)
        if child.returncode == 0:
            break
        assert child.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL), rest
        assert not host.out.exists()
        assert how == signal.SIGKILL or f"--out {host.out} --resume`" in rest
    assert finished
    last = host.run(*options)
    assert last.code == 0, last.stderr
    assert host.files() == uncut[1]
    assert eventually(lambda: host.left() == []), host.left()


def test_runs_that_the_time_limit_ends_are_resumed_to_the_same_bytes(
    host: Host, uncut: tuple[Host, dict[str, bytes]]
) -> None:
    for seconds in LIMITS_S:
        done = host.run("--resume", "-q", "--time-limit", f"{seconds}s")
        if "were up once the submission was frozen" in done.stderr:
            continue  # a busy host
        assert done.code == 0, done.stderr
        if "left out" not in done.stderr:
            break
        assert "costs no points" in done.stderr
    assert seconds > LIMITS_S[0]
    assert host.files() == uncut[1]
    assert eventually(lambda: host.left() == []), host.left()


def test_fill_in_place_killed_at_every_place_keeps_the_report_and_ends_with_the_same_bytes(
    host: Host, uncut: tuple[Host, dict[str, bytes]]
) -> None:
    """What a grading of the same has measured is taken, so only the writing is left to be cut off.

    The report lies apart: its backups beside the sources would be files that a build may read.
    """
    apart = host.folder / "apart"
    apart.mkdir()
    report = (host.submission / "submission12.md").rename(apart / "submission12.md")
    original = report.read_bytes()
    options = ("--report", str(report), "--resume", "-q")
    assert host.run(*options).code == 0
    shutil.rmtree(host.out)
    places = host.run_until_whole(*options, "--in-place", command="fill")
    assert [place for place in places if "output.py" in place]
    assert [place for place in places if place.startswith("build")] == []
    assert report.read_bytes() == host.files()["report.md"] == uncut[1]["report.md"]
    backups = list(apart.glob("submission12.md.bak*"))
    assert backups
    assert {backup.read_bytes() for backup in backups} == {original}


def killed_while_timing(host: Host, *options: str) -> Path:
    """Cut a run off in its last round, one block after another; return the file of samples."""
    samples = host.out.with_name("out.samples.jsonl")
    child = host.start("-q", *options, after=IN_THE_LAST_ROUND)
    _, said = child.communicate(timeout=600)
    assert child.returncode == -signal.SIGKILL, said
    assert timed_runs(samples) == IN_THE_LAST_ROUND
    return samples


def test_two_that_resume_the_same_run_at_once_both_end_with_the_same_bytes(
    host: Host, uncut: tuple[Host, dict[str, bytes]]
) -> None:
    killed_while_timing(host)
    both = [host.start("--resume", "-q") for _ in range(2)]
    said = [child.communicate(timeout=600)[1] for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    assert host.files() == uncut[1]
    assert eventually(lambda: host.left() == []), host.left()


@pytest.mark.parametrize("data", [b"not samples\n", b"", b'{"schema":"grader/samples/9"}\n{}\n'])
def test_samples_that_cannot_be_read_are_kept_and_timing_begins_again(
    host: Host, uncut: tuple[Host, dict[str, bytes]], data: bytes
) -> None:
    samples = killed_while_timing(host)
    samples.write_bytes(data)
    done = host.run("--resume")
    assert done.code == 0, done.stderr
    aside = samples.with_name(f"{samples.name}.1")
    assert aside.exists() == (f"kept as {aside}" in done.stderr) == bool(data)
    assert not data or aside.read_bytes() == data
    assert host.files() == uncut[1]
    assert not samples.exists()


def test_pruning_the_cache_beside_a_grading_takes_nothing_from_it(
    host: Host, uncut: tuple[Host, dict[str, bytes]]
) -> None:
    child = host.start("-q")
    removed = in_use = 0
    while child.poll() is None:
        pruned = DiskStore(host.cache).prune(None, 0)
        removed, in_use = removed + pruned.removed, max(in_use, pruned.in_use)
        time.sleep(0.2)
    _, stderr = child.communicate()
    assert child.returncode == 0, stderr
    assert removed > 5, "results of finished steps"
    assert in_use > 1, "builds and the frozen copy"
    assert host.files() == uncut[1]
