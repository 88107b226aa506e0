"""A grading that is cut off anywhere and then resumed gives the very bytes of one that was not."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from grader.errors import TimeLimitError
from grader.model.base import Message
from grader.model.bench import Block, BlockDone, NoiseReading
from grader.model.grade import Beside, Grade, StoredGrade
from grader.model.run import Command, Completed, Sample
from grader.model.samplelog import SampleHeader
from grader.model.submission import Copied, IntakeCaps, ManifestEntry, Submission
from grader.ports import NoiseMeter, Source
from grader.testing import (
    FakeClock,
    FakeEngine,
    FakeHost,
    FakeLock,
    FakeNoiseMeter,
    FakeProgress,
    FakeRunner,
    FakeSamples,
    FakeStore,
    completed,
)
from grader.workflow.grade import LabUsed
from grader.workflow.judge import judge_again, judgement_files
from grader.workflow.run import Desk, Finished, Job, run_grading
from tests.samplelab import NOW, engine, right_output, small_lab

LAB = small_lab(
    parameters={"rounds": 7, "warmups": 2, "seed": 7, "memory_runs": 1},
    probes={k: v for k, v in small_lab().model_dump(by_alias=True)["probes"].items() if k == "once"},
)
USED = LabUsed(lab=LAB, digest="0" * 64, template="# Report\n")
NOTE_ASIDE = "the saved runs are not of these inputs, this host and these tools: kept as aside"
SAMPLE = Sample(arm="a", round_index=0, outcome="ok", total_s=1, first_output_s=1, exit_code=0, started_s=0)
FILES = {"main.go": b"package main", "Dockerfile": b"FROM golang:1.21", "report.md": b"# Report\n"}


class HandedIn:
    """A submission in memory."""

    kind, name, packed = "directory", "handed-in", False

    def copy(self, tree: Path, caps: IntakeCaps) -> Copied:
        tree.mkdir()
        entries = []
        for path, data in FILES.items():
            (tree / path).write_bytes(data)
            entries.append(ManifestEntry(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
        return Copied(entries=tuple(entries))

    def beside(self, path: str, caps: IntakeCaps) -> bytes | None:
        return None

    def entry_of(self, path: str) -> str | None:
        return path


class Intake:
    @contextmanager
    def open(self, source: str, scratch: Path, caps: IntakeCaps) -> Iterator[Source]:
        yield HandedIn()

    def read_file(self, path: str, caps: IntakeCaps) -> bytes:
        return FILES[path]

    def intact(self, tree: Path, entries: object) -> bool:
        return True


class Place:
    """Results in memory; `log` outlives every run, as the file beside an output folder does."""

    def __init__(self, log: FakeSamples) -> None:
        self.samples = log
        self.files: dict[str, bytes] = {}

    def check(self) -> None:
        pass

    def write(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)


class Cutting(FakeSamples):
    """Calls `saved_one` after everything that was saved: where a kill may come."""

    def __init__(self, saved_one: Callable[[], None]) -> None:
        super().__init__()
        self.saved_one = saved_one

    def add(self, sample: Sample) -> None:
        super().add(sample)
        self.saved_one()

    def begin_block(self, block: Block) -> None:
        super().begin_block(block)
        self.saved_one()

    def close_block(self, reading: NoiseReading, *, cut: bool = False) -> None:
        super().close_block(reading, cut=cut)
        self.saved_one()


class BusyOnce:
    """A host that is busy while the first block of rounds runs for the first time, whoever runs it."""

    def __init__(self, log: FakeSamples) -> None:
        self.log = log

    def read(self, at_s: float, pause_s: float = 0.0) -> NoiseReading:
        now = self.log.block
        busy = now is not None and now.phase == "timed" and now.first_round == now.attempt == 0 and bool(now.orders)
        return NoiseReading(at_s=at_s, spawn_s=(0.005 if busy else 0.0005,))


class World:
    """A host on which everything that happens is one moment; the run is cut off at moment number `cut`.

    How long a run takes depends on its arm and the round alone: real times differ, but not by what was cut off.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.store = FakeStore(folder)
        self.log = Cutting(partial(self.moment, saving=True))
        self.moments, self.cut = 0, 0
        self.error: BaseException = KeyboardInterrupt()
        self.place = Place(self.log)
        self.progress = FakeProgress()
        self.noise: NoiseMeter = FakeNoiseMeter()

    def moment(self, *, saving: bool = False) -> None:
        self.moments += 1
        if isinstance(self.error, TimeLimitError):  # Once the time is up it stays up; to save is not refused.
            hit = 0 < self.cut <= self.moments and not saving
        else:
            hit = self.moments == self.cut
        if hit:
            raise self.error

    def timed(self) -> list[Sample]:
        """Return the timed runs that are saved."""
        return [sample for sample in self.log.lines if sample.phase == "timed"]

    def grade(self, *, cut: int = 0, resume: bool = False, use_cache: bool = True) -> Finished:
        self.moments, self.cut, self.place, self.progress = 0, cut, Place(self.log), FakeProgress()
        desk = Desk(
            store=self.store,
            intake=Intake(),
            runner=FakeRunner(lambda _: completed()),
            engine=self._engine(),
            lock=FakeLock(),
            host=FakeHost(self.noise),
            progress=self.progress,
            clock=FakeClock(NOW),
        )
        job = Job(source="handed-in", max_report_bytes=1000, resume=resume, use_cache=use_cache)
        return run_grading(job, USED, desk, self._results, marks=lambda _: {}, version="1")

    def spoil(self, outcome: str, reason: Message) -> None:
        """Make a saved run of one arm, in its fourth round, one that went wrong: the arm's last."""
        arm = [s for s in self.timed() if s.arm == "wasmtime"]
        bad = {"outcome": outcome, "reason": reason, "total_s": None, "first_output_s": None, "exit_code": None}

        def spoilt(done: BlockDone) -> BlockDone:
            samples = [s.model_copy(update=bad) if s is arm[3] else s for s in done.samples if s not in arm[4:]]
            return BlockDone(block=done.block, samples=tuple(samples), reading=done.reading)

        self.log.blocks = [spoilt(done) for done in self.log.blocks]

    def _results(self, _: Submission) -> Place:
        self.moment()
        return self.place

    def _engine(self) -> FakeEngine:
        base = engine()
        world = self

        class Stepping(FakeEngine):
            def build(self, *args):  # type: ignore[no-untyped-def]
                world.moment()
                return super().build(*args)

            def run_once(self, command: Command) -> Completed:
                world.moment()
                return super().run_once(command)

        def timed(arm: str, base_s: float) -> Callable[[], Completed]:
            def run() -> Completed:
                rounds = sum(sample.arm == arm for sample in world.timed())
                return completed(right_output(), total_s=base_s + 0.0001 * rounds**2)

            return run

        runs = {"process": timed("process", 0.01), "wasmtime": timed("wasmtime", 0.05)}
        runs["sandbox-noop"] = timed("sandbox-noop", 0.001)
        return Stepping(base.builds, runs, base.missing)


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """The files of a run that nobody cut off, and in how many moments it went."""
    world = World(tmp_path_factory.mktemp("uncut") / "store")
    done = world.grade()
    assert {f.state for f in done.graded.grade.facts if f.id.startswith("native.startup_time@process")} == {"measured"}
    return world.place.files, world.moments


def test_a_run_that_is_cut_off_at_any_moment_is_resumed_to_the_same_bytes(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    files, moments = uncut
    assert moments == 1 + 2 + 2 + 2 * 3 * (2 + 7) + 2 * 3, "freeze, builds, probes, runs, samples, ends of 3 blocks"
    for cut in range(1, moments + 1):
        world = World(tmp_path / str(cut))
        with pytest.raises(KeyboardInterrupt):
            world.grade(cut=cut)
        assert world.place.files == {}
        world.grade(resume=True)
        for name in ("grade.json", "samples.csv", "feedback.md", "feedback.html", "report.md", "table.md"):
            assert world.place.files[name] == files[name], f"{name}, cut at moment {cut}"
        assert world.log.lines == []


def busy(folder: Path) -> World:
    world = World(folder)
    world.noise = BusyOnce(world.log)
    return world


def test_rounds_that_are_run_again_because_of_noise_are_so_in_the_same_way_wherever_it_is_cut_off(
    tmp_path: Path,
) -> None:
    whole = busy(tmp_path / "whole")
    whole.grade()
    rows = list(csv.DictReader(whole.place.files["samples.csv"].decode().splitlines()))
    attempts = {(int(row["round"]), row["attempt"], row["used"]) for row in rows}
    assert attempts == {(r, a, a) for r in range(5) for a in "01"} | {(r, "0", "1") for r in (5, 6)}
    facts = json.loads(whole.place.files["grade.json"])["facts"]
    assert not any(fact["noise"] for fact in facts)
    for cut in range(5, whole.moments + 1, 4):
        world = busy(tmp_path / str(cut))
        with pytest.raises(KeyboardInterrupt):
            world.grade(cut=cut)
        world.grade(resume=True)
        for name in ("grade.json", "samples.csv", "feedback.html"):
            assert world.place.files[name] == whole.place.files[name], f"{name}, cut at moment {cut}"


def test_a_judgement_of_a_grade_whose_rounds_were_run_again_has_its_bytes(tmp_path: Path) -> None:
    world = busy(tmp_path / "store")
    world.grade()
    files = world.place.files
    stored = StoredGrade(grade=Grade.model_validate_json(files["grade.json"]), sha256="a" * 64)
    grade = judge_again(USED, stored.grade, {}, "1")
    beside = Beside(samples=files["samples.csv"], report=FILES["report.md"])
    made = judgement_files(USED, stored, grade, beside, "en", datetime.fromtimestamp(NOW, UTC))
    assert {name: data for name, data in made.items() if name != "run.json"} == {
        name: files[name] for name in ("grade.json", "table.md", "feedback.md", "feedback.html")
    }


def test_a_run_that_is_cut_off_again_and_again_ends_with_the_same_bytes(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    world = World(tmp_path / "store")
    for _ in range(100):
        try:
            world.grade(cut=50, resume=True)
        except KeyboardInterrupt:
            continue
        break
    assert world.place.files["grade.json"] == uncut[0]["grade.json"]
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] > 0


def test_without_resume_the_timing_begins_again(uncut: tuple[dict[str, bytes], int], tmp_path: Path) -> None:
    world = World(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        world.grade(cut=uncut[1] - 2)
    world.grade()
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] == 0


def test_without_the_cache_the_rounds_are_kept_and_everything_else_is_done_again(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    world = World(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        world.grade(cut=uncut[1] - 2, use_cache=False)
    kept = world.timed()[: 3 * 5]
    world.grade(resume=True, use_cache=False)
    assert world.place.files["grade.json"] == uncut[0]["grade.json"]
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] == 5
    rows = world.place.files["samples.csv"].decode().splitlines()[1:]
    assert [row.split(",")[0] for row in rows[: len(kept)]] == [sample.arm for sample in kept]


def test_a_second_run_differs_in_its_run_record_alone_which_names_what_the_cache_had(tmp_path: Path) -> None:
    world = World(tmp_path / "store")
    world.grade()
    first = dict(world.place.files)
    world.grade()
    second = dict(world.place.files)
    assert [name for name in first if first[name] != second[name]] == ["run.json"]
    assert json.loads(first["run.json"])["cached"] == []
    steps = {name.split("/")[1] for name in second if name.startswith("steps/")}
    assert set(json.loads(second["run.json"])["cached"]) == steps


def test_an_arm_that_broke_through_no_fault_of_its_program_is_run_again_from_that_round_on(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    world = World(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        world.grade(cut=uncut[1] - 2)
    world.spoil("not-started", Message(code="infra.run-broke", params={"detail": "no room"}))
    world.grade(resume=True)
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] == 3
    assert world.place.files["grade.json"] == uncut[0]["grade.json"]


def test_an_arm_whose_program_failed_stays_out_when_it_is_resumed(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    world = World(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        world.grade(cut=uncut[1] - 2)
    world.spoil("timeout", Message(code="run.timeout", params={"seconds": 10}))
    world.grade(resume=True)
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] == 5
    facts = {fact["id"]: fact for fact in json.loads(world.place.files["grade.json"])["facts"]}
    assert facts["wasm.startup_time@wasmtime"]["state"] == "failed"


def test_samples_of_another_campaign_are_never_mixed_in(uncut: tuple[dict[str, bytes], int], tmp_path: Path) -> None:
    world = World(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        world.grade(cut=uncut[1] - 2)
    assert world.log.header is not None
    world.log.header = world.log.header.model_copy(update={"key": "of another host"})
    there = list(world.log.lines)
    world.grade(resume=True)
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] == 0
    assert world.log.aside == there != []
    assert NOTE_ASIDE in "\n".join(world.progress.lines)


def test_samples_of_another_campaign_stay_where_nothing_is_timed(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    world = World(tmp_path / "store")
    world.grade()
    header = SampleHeader(key="of another program", rounds=7, began=NOW)
    world.log.header, world.log.loose, world.log.begun = header, [SAMPLE], None
    world.grade()
    assert (world.log.header, world.log.lines) == (header, [SAMPLE])


def test_damaged_samples_are_kept_whole_and_the_rounds_before_them_count(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    world = World(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        world.grade(cut=uncut[1] - 2)
    world.log.damaged, there = 40, list(world.log.lines)
    world.grade(resume=True)
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] == 5
    assert world.place.files["grade.json"] == uncut[0]["grade.json"]
    assert world.log.aside == there
    assert "line 40 of the saved runs cannot be read: 5 rounds before it count" in "\n".join(world.progress.lines)


def test_a_campaign_that_the_time_limit_cut_counts_its_complete_rounds_and_is_finished_later(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    world = World(tmp_path / "store")
    world.error = TimeLimitError("up")
    done = world.grade(cut=uncut[1] - 8)
    facts = {fact.id: fact for fact in done.graded.grade.facts}
    assert done.left_out == ("time",)
    time = facts["native.startup_time@process"]
    assert (time.state, time.n, time.interval) == ("measured", 5, None), "under 6 rounds there is no interval"
    assert len(world.log.lines) >= 3 * 5
    assert not [kind for kind, _ in world.store.results if kind == "campaign"]
    world.grade(resume=True)
    assert world.place.files["grade.json"] == uncut[0]["grade.json"]
    assert json.loads(world.place.files["run.json"])["resumed_rounds"] == 5


def test_what_the_time_limit_cut_anywhere_costs_nobody_a_point_and_is_made_later(
    uncut: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    whole = json.loads(uncut[0]["grade.json"])
    for cut in range(2, uncut[1] - 1):  # After the last run there is only its sample and its reading to save.
        world = World(tmp_path / str(cut))
        world.error = TimeLimitError("up")
        done = world.grade(cut=cut)
        score = done.graded.grade.score
        assert done.left_out, f"cut at moment {cut}"
        assert (score.lost, score.state) == (whole["score"]["lost"], whole["score"]["state"]), f"cut at moment {cut}"
        assert {f.state for f in done.graded.grade.facts} <= {"measured", "not_run"}
        world.grade(resume=True)
        assert world.place.files["grade.json"] == uncut[0]["grade.json"], f"cut at moment {cut}"
