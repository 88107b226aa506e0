from __future__ import annotations

from pathlib import Path

from grader.model.base import Message
from grader.model.lab import Lab
from grader.model.submission import ManifestEntry
from grader.testing import FakeEngine, FakeImages, completed
from grader.workflow.join import joined
from grader.workflow.plan import choose_source, plan_submission, source_key, timed_arms
from tests.samplelab import container_engine, container_lab, engine, image_builder, small_lab, submission

LAB = small_lab()
WASM = LAB.steps["wasm"]
GO = {"tool:go": None}


def kind(choice: object) -> str:
    return choice.code if isinstance(choice, Message) else str(getattr(choice, "kind", ""))


def test_a_handed_in_file_comes_before_any_compiler_even_if_it_is_broken(tmp_path: Path) -> None:
    assert kind(choose_source(submission(tmp_path, {"main.wasm": b"TODO"}), WASM, GO)) == "file"
    assert kind(choose_source(submission(tmp_path, {"main.go": b""}), WASM, GO)) == "tool"


def test_without_file_and_compiler_the_first_reason_is_given(tmp_path: Path) -> None:
    assert kind(choose_source(submission(tmp_path), WASM, {"tool:go": Message(code="no-go")})) == "build.no-file"
    assert kind(choose_source(submission(tmp_path), LAB.steps["native"], {})) == "plan.no-tool"


def test_a_file_that_a_repository_lists_but_does_not_hold_is_not_replaced_by_a_build(tmp_path: Path) -> None:
    handed_in = submission(tmp_path)
    listed = ManifestEntry(path="main.wasm", size=0, sha256="git:0", state="absent")
    manifest = handed_in.manifest.model_copy(update={"entries": (*handed_in.manifest.entries, listed)})
    assert kind(choose_source(handed_in.model_copy(update={"manifest": manifest}), WASM, GO)) == "build.object-missing"


def test_the_key_of_a_build_follows_its_sources_and_not_the_report(tmp_path: Path) -> None:
    source = LAB.steps["native"].first_of[0]
    files = {"main.go": b"a", "report.md": b"first"}
    key = source_key(submission(tmp_path / "1", files), source)
    assert source_key(submission(tmp_path / "2", files | {"report.md": b"second"}), source) == key
    assert source_key(submission(tmp_path / "3", files | {"main.go": b"b"}), source) != key
    assert source_key(submission(tmp_path / "4", files | {"extra.go": b""}), source) != key
    executable = submission(tmp_path / "5", files)
    entries = tuple(e.model_copy(update={"executable": True}) for e in executable.manifest.entries)
    manifest = executable.manifest.model_copy(update={"entries": entries})
    assert source_key(executable.model_copy(update={"manifest": manifest}), source) != key


def test_a_committed_files_key_is_its_own_content(tmp_path: Path) -> None:
    source = WASM.first_of[0]
    key = source_key(submission(tmp_path / "1", {"main.wasm": b"w", "main.go": b"a"}), source)
    assert source_key(submission(tmp_path / "2", {"main.wasm": b"w", "main.go": b"b"}), source) == key
    assert source_key(submission(tmp_path / "3", {"main.wasm": b"x", "main.go": b"a"}), source) != key


def test_files_are_looked_for_below_the_labs_folder(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    handed_in = submission(tmp_path, {"lab/main.wasm": b"w"}).model_copy(update={"root": "lab"})
    assert kind(choose_source(handed_in, WASM, GO)) == "file"


def test_a_plan_names_every_step_with_its_command_or_why_there_is_none(tmp_path: Path) -> None:
    fake = engine()
    steps = {step.id: step for step in plan_submission(submission(tmp_path), LAB, fake)}
    assert list(steps) == [
        "build-native",
        "build-wasm",
        "probe-once-native-process",
        "probe-once-wasm-wasmtime",
        "probe-server-native-process",
        "time-process",
        "time-wasmtime",
        "time-sandbox-noop",
    ]
    assert steps["build-native"].argv == ("/build", "dockerfile")
    assert (steps["time-process"].argv, steps["time-process"].env) == (("/process",), {"MODE": "once"})
    assert steps["probe-server-native-process"].reason == Message(code="no-http")
    assert fake.built == fake.ran == []
    runs = {step: planned.runs for step, planned in steps.items()}
    assert (runs["build-native"], runs["probe-server-native-process"], runs["time-process"]) == (1, 0, 10)


def test_the_control_arm_has_no_subject() -> None:
    assert timed_arms(LAB) == {"process": "native", "wasmtime": "wasm", "sandbox-noop": None}


def planned(folder: Path, fake: FakeEngine, lab: Lab = LAB, files: dict[str, bytes] | None = None) -> dict[str, object]:
    return {step.id: step.reason or step.argv for step in plan_submission(submission(folder, files), lab, fake)}


def test_what_has_no_build_is_planned_with_the_builds_reason(tmp_path: Path) -> None:
    no_go = Message(code="no-go")
    steps = planned(tmp_path, engine(missing={"tool:go": no_go}), files={"main.wasm": b"w"})
    assert [steps[step] for step in ("build-native", "probe-once-native-process", "time-process")] == [no_go] * 3
    assert steps["time-wasmtime"] == ("/wasmtime",)


def test_an_arm_that_the_engine_does_not_mention_is_not_planned(tmp_path: Path) -> None:
    arms = {"native": ("process", "unheard-of"), "wasm": ("wasmtime",)}
    lab = LAB.model_copy(update={"timing": LAB.timing.model_copy(update={"arms": arms})})
    assert planned(tmp_path, engine(), lab)["time-unheard-of"] == Message(code="plan.unknown-to-engine")


def test_what_is_compiled_ahead_of_time_is_planned_between_builds_and_probes(tmp_path: Path) -> None:
    arms = {"native": ("process",), "wasm": ("wasmtime-aot",)}
    lab = LAB.model_copy(update={"timing": LAB.timing.model_copy(update={"arms": arms})})
    steps = planned(tmp_path, engine(runs={"wasmtime-aot": lambda: completed("")}), lab)
    assert list(steps)[:3] == ["build-native", "build-wasm", "prepare-wasmtime-aot-wasm"]
    assert steps["prepare-wasmtime-aot-wasm"] == ("/compile",)
    missing = Message(code="no-wasmtime")
    assert planned(tmp_path, engine(missing={"arm:wasmtime-aot": missing}), lab)["prepare-wasmtime-aot-wasm"] == missing


def test_a_build_is_planned_with_its_environment(tmp_path: Path) -> None:
    steps = {step.id: step for step in plan_submission(submission(tmp_path), LAB, engine())}
    assert steps["build-native"].env == {"CGO_ENABLED": "0"}


IMAGES = {"main.go": b"package main", "Dockerfile": b"FROM golang:1.21", "Dockerfile.wasm": b"FROM scratch"}


def planned_images(folder: Path, images: FakeImages, files: dict[str, bytes]) -> dict[str, object]:
    one = joined(engine(), (container_engine("docker", "docker"),), images)
    steps = plan_submission(submission(folder, files), container_lab(), one, images)
    return {step.id: step.reason or step.argv for step in steps}


def test_images_are_planned_after_builds_and_what_runs_them_waits_for_them(tmp_path: Path) -> None:
    images = image_builder()
    steps = planned_images(tmp_path, images, IMAGES)
    assert list(steps)[:4] == ["build-native", "build-wasm", "image-native", "image-wasm"]
    assert (steps["image-native"], steps["image-wasm"]) == (
        ("/build-image", "Dockerfile"),
        ("/build-image", "Dockerfile.wasm"),
    )
    assert steps["time-docker"] == ("/docker",)
    assert images.built == []


def test_an_image_without_its_recipe_is_planned_with_the_reason_and_so_is_what_would_run_it(tmp_path: Path) -> None:
    files = {name: data for name, data in IMAGES.items() if name != "Dockerfile.wasm"}
    gone = Message(code="build.no-file", params={"file": "Dockerfile.wasm"})
    assert planned_images(tmp_path, image_builder(), files)["image-wasm"] == gone


def test_an_image_that_takes_in_what_was_not_built_is_planned_with_that_reason(tmp_path: Path) -> None:
    no_go = Message(code="no-go")
    images = image_builder()
    one = joined(engine(missing={"tool:go": no_go}), (container_engine("docker", "docker"),), images)
    steps = {s.id: s.reason for s in plan_submission(submission(tmp_path, IMAGES), container_lab(), one, images)}
    # The first source of the module is a file that is not there, which is the first reason.
    assert steps["image-wasm"] == steps["build-wasm"] == Message(code="build.no-file", params={"file": "main.wasm"})
    assert (steps["build-native"], steps["image-native"], steps["time-docker"]) == (no_go, None, None)


def test_without_a_builder_of_images_the_plan_says_what_is_missing(tmp_path: Path) -> None:
    fake = engine(missing={"image:native": Message(code="no-images")})
    steps = {s.id: s.reason for s in plan_submission(submission(tmp_path, IMAGES), container_lab(), fake)}
    assert steps["image-native"] == Message(code="no-images")
