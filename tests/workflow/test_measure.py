from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.errors import HostError
from grader.model.base import Message
from grader.model.bench import NoiseReading
from grader.model.grade import Fact
from grader.model.lab import BuildSource, Lab
from grader.model.run import BuildResult, Completed
from grader.model.submission import Submission
from grader.model.trouble import trouble
from grader.ports import Engine, ImageBuilder
from grader.testing import (
    FakeClock,
    FakeEngine,
    FakeHost,
    FakeLock,
    FakeNoiseMeter,
    FakeProgress,
    FakeSamples,
    FakeStore,
    artifact_file,
    completed,
)
from grader.workflow.measure import Measured, measure_submission
from grader.workflow.waits import STANDARD
from tests.samplelab import NOW, engine, right_output, small_lab, submission

LAB = small_lab()


class Desk:
    """Measures one submission again and again with one store."""

    def __init__(self, folder: Path, lab: Lab = LAB) -> None:
        (folder / "store").mkdir()
        self.store = FakeStore(folder / "store")
        self.lab = lab
        self.submission: Submission = submission(folder / "submission")
        self.lock = FakeLock()
        self.samples = FakeSamples()
        self.clock = FakeClock(NOW)
        self.waits = STANDARD
        self.host = FakeHost()
        self.progress = FakeProgress()

    def measure(
        self,
        fake: Engine,
        *,
        use_cache: bool = True,
        resume: bool = False,
        remeasure: bool = False,
        images: ImageBuilder | None = None,
    ) -> Measured:
        return measure_submission(
            self.submission,
            self.lab,
            fake,
            self.store,
            self.lock,
            self.host,
            self.progress,
            use_cache=use_cache,
            samples=self.samples,
            resume=resume,
            remeasure=remeasure,
            clock=self.clock,
            waits=self.waits,
            images=images,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def facts(measured: Measured) -> dict[str, Fact]:
    found = {fact.id: fact for fact in measured.facts}
    assert len(found) == len(measured.facts)
    return found


def failing(state: str, code: str) -> FakeEngine:
    def build(_: BuildSource, __: Path) -> BuildResult:
        return BuildResult.model_validate(
            {"subject": "native", "state": state, "artifact": None, "reason": {"code": code}, "log": "main.go:1: no\n"}
        )

    return engine(builds={"native": build})


def test_everything_that_the_engine_can_do_is_measured_and_the_rest_has_a_reason(desk: Desk) -> None:
    found = facts(desk.measure(engine()))
    measured = {fact_id for fact_id, fact in found.items() if fact.state == "measured"}
    assert measured == {
        "native.binary_size@build",
        "wasm.binary_size@build",
        "native.cli_output@process",
        "wasm.cli_output@wasmtime",
        "native.startup_time@process",
        "native.first_output_time@process",
        "wasm.startup_time@wasmtime",
        "wasm.first_output_time@wasmtime",
        "startup_time@sandbox-noop",
        "startup_time.ratio@process/wasmtime",
    }
    assert all(fact.reason is not None for fact_id, fact in found.items() if fact_id not in measured)
    assert found["native.startup_time@docker"].reason == Message(code="no-docker")


def test_a_second_time_nothing_is_built_run_or_timed_and_the_facts_are_the_same(desk: Desk) -> None:
    first = desk.measure(engine())
    idle = engine()
    second = desk.measure(idle)
    assert (idle.built, idle.ran) == ([], [])
    assert second.facts == first.facts
    assert second.campaign == first.campaign
    assert {step.cached for step in second.steps} == {True}


def test_another_report_changes_nothing_and_another_source_is_built_again(desk: Desk, tmp_path: Path) -> None:
    desk.measure(engine())
    files = {"main.go": b"package main", "Dockerfile": b"FROM golang:1.21", "report.md": b"# another"}
    desk.submission = submission(tmp_path / "two", files)
    idle = engine()
    desk.measure(idle)
    assert (idle.built, idle.ran) == ([], [])
    desk.submission = submission(tmp_path / "three", files | {"main.go": b"package other"})
    busy = engine()
    desk.measure(busy)
    assert busy.built == ["native", "wasm"]
    assert busy.ran == [], "the same artifacts came out, so nothing is run again"


def test_without_the_cache_nothing_is_read_from_it_or_kept_in_it(desk: Desk) -> None:
    desk.measure(engine())
    kept = dict(desk.store.results)
    busy = engine()
    desk.measure(busy, use_cache=False)
    assert busy.built == ["native", "wasm"]
    assert len(busy.ran) == 2 + 3 * (2 + 8)
    assert desk.store.results == kept


def test_without_the_cache_load_from_the_first_reading_on_is_seen_all_the_same(desk: Desk) -> None:
    desk.measure(engine())
    desk.host = FakeHost(FakeNoiseMeter(0.005))
    fact = facts(desk.measure(engine(), use_cache=False))["native.startup_time@process"]
    assert [reason.code for reason in fact.noise] == ["noise.spawn"]


def test_a_damaged_artifact_is_built_again(desk: Desk) -> None:
    desk.measure(engine())
    for path in (desk.store.root / "build").rglob("native"):
        path.write_bytes(b"other bytes")
    busy = engine()
    assert facts(desk.measure(busy))["native.binary_size@build"].value == len(b"program native")
    assert busy.built == ["native"]


def test_builds_and_probes_share_the_host_and_timing_has_it_alone(desk: Desk) -> None:
    desk.measure(engine())
    assert desk.lock.events[-2:] == ["+exclusive", "-exclusive"]
    assert set(desk.lock.events[:-2]) == {"+shared", "-shared"}


def test_a_source_that_does_not_compile_is_kept_as_the_students_failure_with_the_compilers_words(desk: Desk) -> None:
    first = desk.measure(failing("failed", "build.failed"))
    found = facts(first)
    for fact_id in ("native.binary_size@build", "native.startup_time@process", "startup_time.ratio@process/wasmtime"):
        assert (found[fact_id].state, found[fact_id].reason) == ("failed", Message(code="build.failed"))
    assert found["wasm.startup_time@wasmtime"].state == "measured"
    assert first.logs == (("build-native", "main.go:1: no\n"),)
    assert first.step_files()["build-native/stderr"] == b"main.go:1: no\n"
    again = failing("failed", "build.failed")
    desk.measure(again)
    assert again.built == []


@pytest.mark.parametrize("state", ["error", "not_run", "refused"])
def test_what_is_not_the_students_failure_is_tried_again(desk: Desk, state: str) -> None:
    first = desk.measure(failing(state, "infra.build-broke"))
    assert facts(first)["native.startup_time@process"].state == "not_run"
    again = failing(state, "infra.build-broke")
    desk.measure(again)
    assert "native" in again.built


def test_a_refused_build_is_a_finding_for_a_person(desk: Desk) -> None:
    (finding,) = desk.measure(failing("refused", "gobuild.flag")).findings
    assert (finding.rule, finding.severity, finding.message.code) == ("build-refused", "warning", "gobuild.flag")
    assert desk.measure(engine()).findings == ()


def test_a_wrong_program_is_not_timed_and_the_other_one_is(desk: Desk) -> None:
    fake = engine(runs={"process": lambda: completed("{}")})
    found = facts(desk.measure(fake))
    assert fake.ran.count("process") == 1
    assert (found["native.cli_output@process"].state, found["native.startup_time@process"].state) == (
        "failed",
        "failed",
    )
    assert found["wasm.startup_time@wasmtime"].state == "measured"


def test_a_probe_that_was_cut_short_is_tried_again_and_a_wrong_one_is_not(desk: Desk) -> None:
    def hangs() -> Completed:
        return completed("", outcome="timeout", exit_code=None, reason={"code": "run.timeout"})

    desk.measure(engine(runs={"process": hangs}))
    better = engine()
    assert facts(desk.measure(better))["native.cli_output@process"].state == "measured"
    assert better.ran[0] == "process"


def test_a_boundary_that_breaks_is_our_fault(desk: Desk) -> None:
    def broken() -> Completed:
        raise HostError("no namespaces")

    found = facts(desk.measure(engine(runs={"process": broken})))
    for fact_id in ("native.cli_output@process", "native.startup_time@process"):
        assert found[fact_id].state == "not_run"
        assert found[fact_id].reason == Message(code="infra.run-broke", params={"detail": "no namespaces"})


def test_a_program_that_fails_only_later_leaves_a_campaign_that_is_kept(desk: Desk) -> None:
    runs: list[int] = []

    def third_time_wrong() -> Completed:
        runs.append(1)
        return completed(right_output() if len(runs) < 5 else "{}")

    first = facts(desk.measure(engine(runs={"process": third_time_wrong})))
    assert first["native.startup_time@process"].state == "failed"
    idle = engine()
    assert facts(desk.measure(idle)) == first
    assert idle.ran == []


def test_a_campaign_in_which_a_run_was_cut_short_is_not_kept(desk: Desk) -> None:
    runs: list[int] = []

    def hangs_at_last() -> Completed:
        runs.append(1)
        if len(runs) < 8:
            return completed(right_output())
        return completed("", outcome="timeout", exit_code=None, reason={"code": "run.timeout"})

    desk.measure(engine(runs={"process": hangs_at_last}))
    again = engine()
    assert facts(desk.measure(again))["native.startup_time@process"].state == "measured"
    assert again.built == []


def test_an_interrupt_keeps_builds_and_samples(desk: Desk) -> None:
    runs: list[int] = []

    def interrupted() -> Completed:
        runs.append(1)
        if len(runs) == 6:
            raise KeyboardInterrupt
        return completed(right_output())

    with pytest.raises(KeyboardInterrupt):
        desk.measure(engine(runs={"process": interrupted}))
    assert desk.lock.events[-1] == "-exclusive"
    assert desk.samples.lines
    resumed = engine()
    desk.measure(resumed)
    assert resumed.built == []
    assert len(resumed.ran) == 3 * (2 + 8)


def test_without_any_arm_to_time_there_is_no_campaign(desk: Desk) -> None:
    missing = {"arm:process": Message(code="no-sandbox"), "arm:wasmtime": Message(code="no-sandbox")}
    measured = desk.measure(engine(missing=missing))
    assert measured.campaign is None
    assert facts(measured)["native.startup_time@process"].reason == Message(code="no-sandbox")
    assert facts(measured)["native.binary_size@build"].state == "measured"


def test_steps_keep_the_evidence_without_a_path_of_this_host(desk: Desk, tmp_path: Path) -> None:
    files = desk.measure(engine()).step_files()
    assert files["probe-once-native-process/stdout"].decode() == right_output()
    meta = json.loads(files["build-native/meta.json"])
    assert (meta["schema"], meta["state"], meta["artifact_size"]) == ("grader/step/1", "built", len("program native"))
    assert b"process 8 " in files["time/stdout"]
    readings = [NoiseReading.model_validate_json(line) for line in files["time/stderr"].splitlines()]
    assert len(readings) == 1 + 2, "before the first of 8 rounds, after the fifth and at the end"
    assert not any(str(tmp_path).encode() in content for content in files.values())


def test_the_prepared_form_of_an_artifact_is_made_once(tmp_path: Path) -> None:
    class Compiling(FakeEngine):
        prepared = 0

        def prepare(self, arm, artifact, out_dir):  # type: ignore[no-untyped-def]
            if arm != "wasmtime":
                return artifact
            Compiling.prepared += 1
            return artifact_file(out_dir, "compiled", b"native code").model_copy(update={"subject": artifact.subject})

    base = engine()
    desk = Desk(tmp_path)
    for _ in range(2):
        found = facts(desk.measure(Compiling(base.builds, base.runs, base.missing)))
        assert found["wasm.binary_size@build"].value == len("program wasm")
        assert found["wasm.startup_time@wasmtime"].state == "measured"
    assert Compiling.prepared == 1


@pytest.mark.parametrize("kind", ["campaign", "probe", "build-failure"])
def test_a_record_of_another_version_is_made_anew(desk: Desk, kind: str) -> None:
    fakes = {"campaign": engine, "probe": engine, "build-failure": lambda: failing("failed", "build.failed")}
    first = facts(desk.measure(fakes[kind]()))
    for place in desk.store.results:
        if place[0] == kind:
            desk.store.results[place] = b'{"schema": "of another version"}'
    busy = fakes[kind]()
    assert facts(desk.measure(busy)) == first
    assert busy.ran or busy.built, "nothing was made anew"


def test_work_is_what_is_done_under_the_lock_and_not_the_wait_for_it(desk: Desk) -> None:
    class Busy(FakeLock):
        @contextmanager
        def shared(self, timeout_s: float | None = None) -> Iterator[None]:
            desk.clock.sleep(1000)
            with super().shared():
                yield

        exclusive = shared

    def slow() -> Completed:
        desk.clock.sleep(3)
        return completed(right_output())

    desk.lock = Busy()
    runs = {"process": slow, "wasmtime": completed_right}
    assert desk.measure(engine(runs=runs)).work_s == 3 * (1 + 2 + 8)
    assert desk.measure(engine(runs=runs)).work_s == 0


def completed_right() -> Completed:
    return completed(right_output())


@pytest.mark.parametrize("what", ["`{}/x/entry` is damaged", "bwrap: Can't find source path {}/x: No such file", "{}"])
@pytest.mark.parametrize("where", ["build", "run"])
def test_no_reason_names_a_path_of_this_host(desk: Desk, what: str, where: str, tmp_path: Path) -> None:
    for place in (tmp_path, Path.home() / "some where"):

        def broken(said: str = what.format(place)) -> Completed:
            raise HostError(said)

        def build(_: BuildSource, __: Path, said: str = what.format(place)) -> BuildResult:
            reason = trouble("infra.build-broke", HostError(said))
            return BuildResult(subject="native", state="error", artifact=None, reason=reason)

        fake = engine(builds={"native": build}) if where == "build" else engine(runs={"process": broken})
        measured = desk.measure(fake, use_cache=False)
        reasons = [fact.reason for fact in measured.facts if fact.reason is not None]
        assert any(reason.code.startswith("infra.") for reason in reasons)
        assert not [reason for reason in reasons if any(part in str(reason.params) for part in place.parts[1:])]


def test_what_another_grading_timed_while_we_waited_is_not_timed_again(desk: Desk) -> None:
    """Two gradings of the same content at once: equal inputs have to give equal facts."""
    other: list[Measured] = []
    waited = [False]

    class Waiting(FakeLock):
        @contextmanager
        def exclusive(self, timeout_s: float | None = None) -> Iterator[None]:
            if not waited[0]:
                waited[0] = True
                other.append(desk.measure(engine()))
            with super().exclusive():
                yield

    desk.lock = Waiting()
    ours = desk.measure(engine())
    assert ours.campaign == other[0].campaign
    assert {s.meta.step: s.cached for s in ours.steps}["time"] is True
