"""The stand-in for the lab's Go image, which the daemon finds in its mirror.

That the lab's own Dockerfile builds from it, to the known bytes, is seen by grading (`tests/e2e/test_containers.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.adapters.standin import LABEL
from tests.engines.engines import Engines

pytestmark = [pytest.mark.serial, pytest.mark.once]


def build(engines: Engines, context: Path, dockerfile: str, name: str) -> tuple[int, str]:
    (context / "Dockerfile").write_text(dockerfile, "utf-8")
    done = engines.run(engines.docker, "build", "--tag", name, str(context), timeout_s=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_build_that_needs_apk_fails_in_an_image_that_says_it_is_a_stand_in(
    engines: Engines, go_image: str, tmp_path: Path
) -> None:
    code, said = build(engines, tmp_path, f"FROM {go_image}\nRUN apk add git\n", "with-apk")
    assert code != 0
    assert "apk: not found" in said
    label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    assert engines.run(engines.docker, "image", "inspect", "--format", label, go_image).stdout.strip() == go_image


def test_the_stand_in_is_not_taken_over_by_what_is_built_from_scratch(
    engines: Engines, go_image: str, tmp_path: Path
) -> None:
    text = f"FROM {go_image} AS build\nRUN echo made > /made\nFROM scratch\nCOPY --from=build /made /made\n"
    assert build(engines, tmp_path, text, "from-scratch")[0] == 0
    labels = engines.run(engines.docker, "image", "inspect", "--format", "{{.Config.Labels}}", "from-scratch").stdout
    assert labels.strip() == "map[]"


def test_an_image_that_the_mirror_lacks_is_found_nowhere(engines: Engines, tmp_path: Path) -> None:
    code, said = build(engines, tmp_path, "FROM golang:1.99-alpine\n", "absent")
    assert code != 0
    assert "golang" in said
