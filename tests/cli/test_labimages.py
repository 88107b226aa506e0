"""`grader lab images`: which images a lab starts from, and a mirror that has them when it is done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grader.adapters.labfile import labs_directory
from grader.adapters.toolchains import find_go
from grader.cli.app import app
from grader.errors import GraderError, HostError, LabError, UsageError
from tests.engines.engines import Engines

SHIPPED = labs_directory() / "lab12-f25"
IMAGE = "golang:1.21-alpine"


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["lab", "images", *map(str, args)], catch_exceptions=False)


def failure(kind: type[GraderError], *args: object) -> GraderError:
    with pytest.raises(kind) as caught:
        run(*args)
    return caught.value


@pytest.fixture
def other_lab(tmp_path: Path) -> Path:
    """The shipped lab, whose solution starts from one image more."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path / SHIPPED.name))
    recipe = folder / "solution" / "Dockerfile"
    recipe.write_text(f"FROM debian:12-slim AS tools\n{recipe.read_text('utf-8')}", "utf-8")
    return folder


@pytest.fixture
def go() -> None:
    if find_go() is None:
        pytest.skip("needs: go: the embedded extra is not installed")


def test_the_images_of_the_labs_own_dockerfiles_are_listed(other_lab: Path) -> None:
    assert run().stdout == f"{IMAGE}\n"
    listed = json.loads(run("--lab", other_lab, "--json").stdout)
    assert listed == {"schema": "grader/images/1", "images": [IMAGE, "debian:12-slim"]}


def test_a_lab_whose_own_dockerfile_is_refused_is_wrong(other_lab: Path) -> None:
    (other_lab / "solution" / "Dockerfile").write_text("FROM example.org/unknown:1\n", "utf-8")
    assert "image.base" in failure(LabError, "--lab", other_lab).what


def test_an_address_that_is_none_is_wrong_usage_and_one_that_is_dead_is_the_hosts_trouble() -> None:
    assert failure(UsageError, "--push-mirror", "nonsense").exit_code == 2
    assert failure(HostError, "--push-mirror", "http://127.0.0.1:1").exit_code == 3


@pytest.mark.serial
@pytest.mark.once
def test_a_daemon_finds_the_image_in_the_mirror_afterwards_and_a_second_time_nothing_is_pushed(
    own_engines: Engines, go: None
) -> None:
    url = f"http://{own_engines.registry}"
    (pushed,) = json.loads(run("--push-mirror", url, "--json").stdout)["images"]
    assert (pushed["image"], pushed["state"]) == (IMAGE, "pushed")
    own_engines.run(own_engines.docker, "pull", IMAGE)
    digests = own_engines.run(own_engines.docker, "image", "inspect", "-f", "{{.RepoDigests}}", IMAGE).stdout
    assert pushed["digest"] in digests
    assert run("--push-mirror", url).stdout == f"{IMAGE}  there already  {pushed['digest']}\n"


@pytest.mark.serial
@pytest.mark.once
def test_an_image_without_stand_in_is_told_when_the_others_are_there(
    own_engines: Engines, go: None, other_lab: Path
) -> None:
    url = f"http://{own_engines.registry}"
    error = failure(HostError, "--lab", other_lab, "--push-mirror", url)
    assert "`debian:12-slim`" in error.what
    assert IMAGE not in error.what
    assert run("--push-mirror", url).stdout.split("  ")[1] == "there already"
