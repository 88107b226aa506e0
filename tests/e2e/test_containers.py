"""The reference solution in real containers: every arm that this host has, and what a broken daemon leaves of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from tests.e2e.conftest import ROOT, SOLUTION, Grader, Run
from tests.engines.engines import Engines
from tests.hostile.making import HONEST_MODULE

pytestmark = [pytest.mark.serial, pytest.mark.once, pytest.mark.timeout(900)]

HERE = {"docker", "docker-nonet", "ctr-runc", "ctr-wasmtime"}
"""Arms that the engines of these tests have; others need a shim or a runtime that Debian 12 lacks."""

LABS_OWN = "startup_time.ratio@docker/ctr-wasmtime"


@dataclass(frozen=True)
class Graded:
    """A finished grading: how the command ended, its folder, and what it wrote there."""

    run: Run
    folder: Path

    @property
    def grade(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "grade.json").read_text("utf-8"))
        return loaded

    def facts(self, metric: str) -> dict[str, dict[str, Any]]:
        """Return the facts of a metric by arm; of several notions the first."""
        found: dict[str, dict[str, Any]] = {}
        for fact in self.grade["facts"]:
            if fact["metric"] == metric:
                found.setdefault(fact["arm"], fact)
        return found

    def sizes(self, fact_id: str) -> dict[str, int]:
        """Return the sizes of an image by notion."""
        return {f["notion"]: f["value"] for f in self.grade["facts"] if f["id"] == fact_id}


Grade = Callable[..., Graded]


def handed_in(folder: Path) -> Path:
    """Write the reference solution with a small module: compiling a real one takes all the time there is."""
    shutil.copytree(SOLUTION, folder)
    (folder / "main.wasm").write_bytes(wat2wasm(HONEST_MODULE.read_text("utf-8")))
    return folder


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handed_in(tmp_path_factory.mktemp("handed-in") / "solution")


@pytest.fixture(scope="module")
def grade(
    session_engines: Engines,
    go_image: str,
    wasm_shim: Path,
    grader: Grader,
    engine_works: None,
    quick_lab: Path,
    shared_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Grade:
    """Grade in containers; the command is inside the engines' own network."""
    root = tmp_path_factory.mktemp("out")

    def run(source: Path, *options: object) -> Graded:
        folder = root / str(len(list(root.iterdir())))
        env = {**session_engines.environ, "GRADER_ENGINE": "containers", "GRADER_CACHE": str(shared_cache)}
        with session_engines.inside():
            done = grader("grade", source, "--lab", quick_lab, "--out", folder, "-q", *options, env=env)
        return Graded(done, folder)

    return run


@pytest.fixture(scope="module")
def first(grade: Grade, submission: Path) -> Graded:
    done = grade(submission)
    assert done.run.code == 0, done.run.stderr
    return done


def test_every_arm_that_is_here_is_timed_and_every_other_says_what_it_lacks(first: Graded) -> None:
    times = first.facts("startup_time")
    assert {arm for arm, fact in times.items() if fact["state"] == "measured"} >= HERE | {"process", "wasmtime"}
    lacking = {arm: fact["reason"]["code"] for arm, fact in times.items() if fact["state"] != "measured"}
    assert {code.partition(".")[0] for code in lacking.values()} <= {"engine"}
    assert "engine.no-daemon" not in lacking.values()


def test_the_image_is_the_students_own_and_holds_the_course_s_program(first: Graded) -> None:
    sizes = first.sizes("native.image_size@docker")
    assert (sizes["docker_images"], sizes["docker_inspect"], sizes["unpacked"]) == (4_698_112,) * 3
    programs = first.facts("binary_size")
    assert (programs["docker"]["value"], programs["build"]["value"]) == (4_698_112, 4_698_112)


def test_the_content_of_the_wasm_image_is_what_its_manifest_says_to_the_byte(first: Graded, submission: Path) -> None:
    sizes = first.sizes("wasm.image_size@oci")
    assert sizes["unpacked"] == (submission / "main.wasm").stat().st_size
    assert sizes["content"] == sizes["ctr_ls"]  # one manifest, no index before it
    assert sizes["oci_archive"] > sizes["content"]


def test_memory_of_both_containers_is_read_from_their_groups(first: Graded, session_engines: Engines) -> None:
    peaks = first.facts("memory_peak")
    for arm in HERE:
        assert peaks[arm]["notion"] == "cgroup"
        assert peaks[arm]["value"] > 100_000
    idle = {f["notion"] for f in first.grade["facts"] if f["id"] == "native.memory_idle@docker"}
    assert "cgroup" in idle
    assert "docker_stats" in idle or session_engines.without_metrics()


def test_a_module_in_a_container_cannot_serve_and_says_so(first: Graded) -> None:
    served = first.facts("server_mode")
    assert (served["docker"]["value"], served["ctr-wasmtime"]["value"]) == ("valid", "no server: Netdev not set")
    none = first.facts("memory_idle")["ctr-wasmtime"]
    assert (none["state"], none["reason"]["code"]) == ("not_run", "fact.no-server-but")


@pytest.mark.parametrize("file", ["table.md", "feedback.md", "feedback.html", "report.md"])
def test_wherever_the_labs_ratio_stands_the_share_of_the_engine_stands_beside_it(first: Graded, file: str) -> None:
    assert first.facts("startup_time.ratio")["docker/ctr-wasmtime"]["state"] == "measured"
    text = (first.folder / file).read_text("utf-8")
    assert "like for like" in text
    if file != "report.md":
        assert "is two changes at once" in text
        assert "compare sizes of one line only" in text


def test_the_same_again_starts_no_container_and_builds_nothing(
    first: Graded, grade: Grade, submission: Path, session_engines: Engines
) -> None:
    since = session_engines.run(session_engines.docker, "info", "--format", "{{.SystemTime}}").stdout.strip()
    again = grade(submission)
    until = session_engines.run(session_engines.docker, "info", "--format", "{{.SystemTime}}").stdout.strip()
    events = ("events", "--since", since, "--until", until, "--filter", "type=container", "--format", "{{.Action}}")
    assert session_engines.run(session_engines.docker, *events).stdout.split() == []
    assert (again.folder / "grade.json").read_bytes() == (first.folder / "grade.json").read_bytes()
    steps = {folder.name for folder in (again.folder / "steps").iterdir()}
    assert set(json.loads((again.folder / "run.json").read_text("utf-8"))["cached"]) == steps


def test_nothing_is_left_in_either_daemon(first: Graded, session_engines: Engines) -> None:
    listed = {
        what: session_engines.run(session_engines.docker, *argv).stdout.split()
        for what, argv in {
            "containers": ("ps", "-aq"),
            "images": ("images", "-a", "--format", "{{.Repository}}"),
            "networks": ("network", "ls", "--format", "{{.Name}}"),
        }.items()
    }
    assert listed["containers"] == []
    assert not [name for name in listed["images"] + listed["networks"] if "lab-grader" in name]
    namespaces = session_engines.run("ctr", "namespaces", "ls", "-q").stdout.split()
    assert not [name for name in namespaces if "lab-grader" in name]


def test_a_recipe_that_reaches_beyond_the_submission_is_refused_and_the_rest_goes_on(
    grade: Grade, tmp_path: Path
) -> None:
    source = handed_in(tmp_path / "reaching")
    recipe = (source / "Dockerfile").read_text("utf-8")
    text = recipe.replace("FROM scratch", "FROM scratch\nADD https://example.org/x /x\nONBUILD RUN true")
    (source / "Dockerfile").write_text(f"# syntax=example.org/frontend\n{text}", "utf-8")
    found = grade(source, "--no-cache")
    assert found.run.code == 0, found.run.stderr
    refused = [f["message"]["code"] for f in found.grade["findings"] if f["rule"] == "image-refused"]
    assert refused == ["image.syntax", "image.remote-add", "image.onbuild"]
    image = found.facts("image_size")["docker"]
    assert (image["state"], image["reason"]["code"]) == ("not_run", "image.syntax")
    assert found.facts("startup_time")["ctr-wasmtime"]["state"] == "measured"


# A daemon in trouble is nobody's fault but ours.


@pytest.fixture
def environ(own_engines: Engines, environment: dict[str, str], shared_cache: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a command whose engines may be broken; of what is cached it has what Go is built with."""
    for kind in ("go-cache", "tool"):
        if (shared_cache / kind).exists():
            shutil.copytree(shared_cache / kind, tmp_path / "cache" / kind, symlinks=True, copy_function=os.link)
    cache = {"GRADER_CACHE": str(tmp_path / "cache"), "GRADER_ENGINE": "auto"}
    return environment | dict(own_engines.environ) | cache


@pytest.mark.parametrize("daemon", ["dockerd", "containerd"])
def test_a_daemon_that_is_dead_ends_the_run_before_it_begins_and_doctor_says_which(
    own_engines: Engines, environ: dict[str, str], grader: Grader, submission: Path, tmp_path: Path, daemon: str
) -> None:
    own_engines.stop(daemon)
    name = {"dockerd": "docker", "containerd": "containerd"}[daemon]
    done = grader("grade", submission, "--out", tmp_path / "out", "-q", env=environ)
    assert (done.code, (tmp_path / "out").exists()) == (3, False)
    assert "Traceback" not in done.stderr
    told = grader("doctor", "--json", env=environ)
    checks = {check["id"]: check for check in json.loads(told.stdout)["checks"]}
    assert (told.code, checks[name]["state"], checks[name]["needed"]) == (3, "missing", True)


@pytest.mark.parametrize("dies", [False, True], ids=["no base image", "no base image, and containerd dies"])
def test_what_an_engine_cannot_do_takes_only_its_own_arms_along(
    own_engines: Engines,
    environ: dict[str, str],
    submission: Path,
    quick_lab: Path,
    tmp_path: Path,
    wasm_shim: Path,
    engine_works: None,
    dies: bool,
) -> None:
    """The registry of these engines is empty, so the native image can never be built: that is nobody's mistake."""
    out = tmp_path / "out"
    argv = [sys.executable, "-m", "grader", "grade", str(submission), "--lab", str(quick_lab), "--out", str(out)]
    said = ""
    with subprocess.Popen(
        argv, env=environ, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            said += line
            if dies and line.startswith("image wasm"):
                own_engines.stop("containerd")
    assert child.returncode == 3, said
    assert "grader doctor" in said
    grade = json.loads((out / "grade.json").read_text("utf-8"))
    times = {f["arm"]: f for f in grade["facts"] if f["metric"] == "startup_time"}
    assert times["docker"]["reason"]["code"] == "infra.image-broke"
    assert times["process"]["state"] == "measured"
    assert (times["ctr-wasmtime"]["state"] == "measured") != dies
    if dies:
        assert times["ctr-wasmtime"]["reason"]["code"].startswith("infra.")
    # The module is not the one that the report states the size of, and answers no CGI request; nothing else costs.
    assert {c["id"] for c in grade["criteria"] if c["outcome"] == "fail"} == {"t3.binary_size", "bonus.manifest"}
    assert grade["score"]["state"] == "infra_error"
