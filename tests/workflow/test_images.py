"""Images are built once per content, and what is run in containers is what was built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from grader.errors import HostError
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.host import Tool
from grader.model.image import ImageResult
from grader.testing import FakeImages, completed
from grader.workflow.join import joined
from grader.workflow.measure import Measured
from tests.samplelab import container_engine, container_lab, engine, image_builder, submission
from tests.workflow.test_measure import Desk

FILES = {
    "main.go": b"package main",
    "Dockerfile": b"FROM golang:1.21",
    "Dockerfile.wasm": b"FROM scratch",
    "main.wasm": b"wasm",
    "report.md": b"# r",
}
LAB = container_lab()


class Rig:
    """Measures submissions with fakes of three engines, again and again with one store."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, LAB)
        self.folder = folder
        self.count = 0
        self.fresh()

    def hand_in(self, files: Mapping[str, bytes]) -> None:
        """Measure these files from now on."""
        self.count += 1
        self.desk.submission = submission(self.folder / str(self.count), files)

    def measure(self, files: Mapping[str, bytes] | None = None, *, use_cache: bool = True) -> Measured:
        """Measure the usual files but for some; `-` in place of one leaves it out."""
        self.hand_in({name: data for name, data in (FILES | dict(files or {})).items() if data != b"-"})
        one = joined(self.plain, (self.docker, self.containerd), self.images)
        return self.desk.measure(one, use_cache=use_cache, images=self.images)

    def fresh(self) -> None:
        """Take new fakes, which have run and built nothing yet."""
        self.plain, self.images = engine(), image_builder()
        self.docker = container_engine("docker", "docker")
        self.containerd = container_engine("containerd", "ctr-runc", "ctr-wasmtime")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def facts(measured: Measured, fact_id: str) -> list[Fact]:
    return [fact for fact in measured.facts if fact.id == fact_id]


def test_every_arm_is_run_by_its_own_engine_and_every_ratio_is_there(rig: Rig) -> None:
    measured = rig.measure()
    times = {f.arm: f.state for f in measured.facts if f.metric == "startup_time"}
    assert times == dict.fromkeys(
        ("process", "wasmtime", "sandbox-noop", "docker", "ctr-runc", "ctr-wasmtime"), "measured"
    )
    ratios = {f.arm for f in measured.facts if f.metric == "startup_time.ratio" and f.state == "measured"}
    assert ratios == set(LAB.timing.ratios)
    assert set(rig.plain.ran) == {"process", "wasmtime", "sandbox-noop"}
    assert (set(rig.docker.ran), set(rig.containerd.ran)) == ({"docker"}, {"ctr-runc", "ctr-wasmtime"})


def test_a_size_is_a_fact_per_notion_and_the_lab_says_which_comes_first(rig: Rig) -> None:
    found = facts(rig.measure(), "native.image_size@docker")
    assert [(f.notion, f.value, f.unit) for f in found] == [("docker_images", 900, "byte"), ("content", 400, "byte")]
    assert found[0].evidence == ("steps/image-native/meta.json",)


def test_a_second_time_no_image_is_built_and_no_container_started(rig: Rig) -> None:
    first = rig.measure()
    rig.fresh()
    again = rig.measure()
    assert (rig.images.built, rig.docker.ran, rig.containerd.ran, rig.plain.ran) == ([], [], [], [])
    assert again.facts == first.facts
    assert {step.cached for step in again.steps} == {True}


@pytest.mark.parametrize(
    ("files", "rebuilt"),
    [
        ({"report.md": b"# other"}, []),
        ({"main.go": b"package other"}, ["native", "wasm"]),
        ({"main.wasm": b"other"}, ["native", "wasm"]),
    ],
)
def test_an_image_depends_on_the_files_and_not_on_the_report(
    rig: Rig, files: dict[str, bytes], rebuilt: list[str]
) -> None:
    rig.measure()
    rig.fresh()
    rig.measure(files)
    assert rig.images.built == rebuilt


@pytest.mark.parametrize(
    "changed",
    [{"bases": ("golang@sha256:2",)}, {"tools": (Tool(name="docker", version="2", sha256="b"),)}],
    ids=["another base", "another builder"],
)
def test_an_image_depends_on_what_it_starts_from_and_on_who_builds_it(rig: Rig, changed: dict[str, object]) -> None:
    rig.images = image_builder(bases=("golang@sha256:1",), tools=(Tool(name="docker", version="1", sha256="a"),))
    rig.measure()
    rig.images = image_builder(**{"bases": ("golang@sha256:1",), "tools": rig.images.tools()} | changed)
    rig.measure()
    assert rig.images.built == ["native", "wasm"]


def test_an_image_that_was_damaged_in_the_store_is_built_again(rig: Rig) -> None:
    rig.measure()
    for archive in rig.desk.store.root.glob("image/*/image.tar"):
        archive.write_bytes(b"damaged")
    rig.fresh()
    rig.measure()
    assert rig.images.built == ["native", "wasm"]


def test_without_the_cache_it_is_built_each_time_and_nothing_is_kept(rig: Rig) -> None:
    rig.measure(use_cache=False)
    rig.measure(use_cache=False)
    assert rig.images.built == ["native", "wasm", "native", "wasm"]
    assert not list(rig.desk.store.root.glob("image/*"))


def test_the_image_of_wasm_takes_in_the_artifact_that_was_handed_in_or_built(rig: Rig) -> None:
    rig.measure()
    assert [taken.label if taken else None for taken in rig.images.took] == [None, "committed"]
    rig.fresh()
    rig.measure({"main.wasm": b"-"})
    assert [taken.label if taken else None for taken in rig.images.took] == [None, "build"]


def failing(state: str, code: str, **changes: object) -> Callable[[Path], ImageResult]:
    reason = {"code": code, "params": {"line": 1, "found": "FROM evil"}}
    return lambda _: ImageResult.model_validate(
        {"subject": "native", "state": state, "image": None, "reason": reason, "log": "no such file\n"} | changes
    )


@pytest.mark.parametrize(
    ("state", "code", "fact_state", "built_again"),
    [
        ("failed", "image.build-failed", "failed", False),
        ("refused", "image.base", "not_run", True),
        ("error", "infra.image-broke", "not_run", True),
    ],
)
def test_an_image_that_cannot_be_had_leaves_the_other_arms_alone(
    rig: Rig, state: str, code: str, fact_state: str, built_again: bool
) -> None:
    for _ in range(2):
        rig.fresh()
        rig.images = FakeImages({**image_builder().images, "native": failing(state, code)})
        measured = rig.measure()
    assert ("native" in rig.images.built) == built_again
    for fact_id in ("native.image_size@docker", "native.binary_size@docker", "native.startup_time@ctr-runc"):
        (fact,) = facts(measured, fact_id)
        assert (fact.state, fact.reason and fact.reason.code) == (fact_state, code)
    assert facts(measured, "native.startup_time@process")[0].state == "measured"
    assert facts(measured, "wasm.startup_time@ctr-wasmtime")[0].state == "measured"
    assert ("image-native", "no such file\n") in measured.logs


def test_each_refusal_is_a_finding(rig: Rig) -> None:
    refusals = [{"code": "image.base", "params": {"line": 1, "found": "FROM evil"}}, {"code": "image.onbuild"}]
    rig.images = FakeImages({**image_builder().images, "native": failing("refused", "image.base", refusals=refusals)})
    found = [f for f in rig.measure().findings if f.rule == "image-refused"]
    assert [(f.message.code, f.quote) for f in found] == [("image.base", "FROM evil"), ("image.onbuild", "")]


def test_a_submission_without_the_recipe_has_failed_and_nothing_is_asked_of_a_daemon(rig: Rig) -> None:
    measured = rig.measure({"Dockerfile.wasm": b"-"})
    (fact,) = facts(measured, "wasm.image_size@oci")
    assert (fact.state, fact.reason) == ("failed", Message(code="build.no-file", params={"file": "Dockerfile.wasm"}))
    assert rig.images.built == ["native"]


def test_a_base_that_cannot_be_had_is_our_trouble(rig: Rig) -> None:
    rig.images = image_builder(bases=HostError("the mirror does not answer"))
    (fact,) = facts(rig.measure(), "native.image_size@docker")
    assert fact.state == "not_run"
    assert fact.reason == Message(code="infra.image-broke", params={"detail": "the mirror does not answer"})


def test_a_daemon_that_builds_nothing_says_why(rig: Rig) -> None:
    rig.images = FakeImages(
        {"wasm": image_builder().images["wasm"]}, missing={"native": Message(code="no-docker-here")}
    )
    (fact,) = facts(rig.measure(), "native.image_size@docker")
    assert (fact.state, fact.reason) == ("not_run", Message(code="no-docker-here"))


def test_a_daemon_that_dies_under_the_probe_takes_only_its_own_arm_along(rig: Rig) -> None:
    def dead() -> None:
        raise HostError("the daemon does not answer")

    rig.docker = container_engine("docker", runs={"docker": dead})  # type: ignore[dict-item]
    times = {f.arm: f for f in rig.measure().facts if f.metric == "startup_time"}
    assert times["docker"].state == "not_run"
    assert times["docker"].reason == Message(code="infra.run-broke", params={"detail": "the daemon does not answer"})
    assert {arm for arm, fact in times.items() if fact.state == "measured"} == times.keys() - {"docker"}


def test_a_program_that_is_wrong_in_one_container_is_right_elsewhere(rig: Rig) -> None:
    rig.containerd = container_engine(
        "containerd", "ctr-runc", runs={"ctr-wasmtime": lambda: completed("no", exit_code=0)}
    )
    measured = rig.measure()
    (wrong,) = facts(measured, "wasm.cli_output@ctr-wasmtime")
    assert (wrong.state, facts(measured, "wasm.startup_time@ctr-wasmtime")[0].state) == ("failed", "failed")
    assert facts(measured, "wasm.startup_time@wasmtime")[0].state == "measured"


def test_what_ran_without_containers_is_not_run_again_because_an_engine_came(rig: Rig) -> None:
    rig.hand_in(FILES)
    rig.desk.measure(engine())
    rig.plain = engine(runs={"process": lambda: completed("wrong")})  # would fail the probe if it were run again
    rig.docker = container_engine("docker", "docker", tools=(Tool(name="docker", version="1", sha256="a"),))
    rig.desk.measure(joined(rig.plain, (rig.docker,), rig.images), images=rig.images)
    assert rig.plain.ran.count("process") == 1  # timed: the campaign has another arm now, and ends this one at once
