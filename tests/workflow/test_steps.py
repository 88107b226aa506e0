"""The evidence of a step, as its folder holds it."""

from __future__ import annotations

import json
from pathlib import Path

from grader.model.base import Message
from grader.model.image import ImageFile, ImageResult
from grader.model.run import Answer, ProbeResult
from grader.testing import image_file
from grader.workflow.steps import step_of_image, step_of_probe
from tests.samplelab import size


def test_what_a_server_answered_does_not_act_on_the_terminal_of_one_who_reads_it() -> None:
    """Bodies are kept as Latin-1, so that each byte from 0x80 to 0x9F is a control code of its own."""
    body = "\x1b[31m\x9b31m"
    answer = Answer(path="/", status=200, content_type="text/html\x9d", body=body, reason=None)
    result = ProbeResult(
        probe="server",
        subject="native",
        arm="process",
        state="passed",
        value="valid",
        completed=None,
        reason=None,
        answers=(answer,),
    )
    meta = step_of_probe(result, cached=False).files()["probe-server-native-process/meta.json"].decode("utf-8")
    assert all(char.isprintable() or char == "\n" for char in meta)
    assert json.loads(meta)["answers"][0]["body"] == body


def test_an_image_leaves_its_identity_its_sizes_and_its_program_as_evidence(tmp_path: Path) -> None:
    program = ImageFile(path="/app/x", size_bytes=7, sha256="b")
    image = image_file(tmp_path, "native", size("content", 42), program=program)
    result = ImageResult(subject="native", state="built", image=image, argv=("docker", "build"), log="Step 1\n")
    files = step_of_image(result, cached=False).files()
    meta = json.loads(files["image-native/meta.json"])
    assert (meta["artifact_sha256"], meta["sizes"][0]["size_bytes"]) == (image.artifact.sha256, 42)
    assert meta["program"] == {"path": "/app/x", "size_bytes": 7, "sha256": "b"}
    assert files["image-native/stderr"] == b"Step 1\n"
    assert str(tmp_path) not in files["image-native/meta.json"].decode()


def test_a_refused_recipe_leaves_every_reason(tmp_path: Path) -> None:
    refusals = (Message(code="image.base"), Message(code="image.onbuild"))
    result = ImageResult(subject="native", state="refused", image=None, reason=refusals[0], refusals=refusals)
    meta = json.loads(step_of_image(result, cached=False).files()["image-native/meta.json"])
    assert [refusal["code"] for refusal in meta["refusals"]] == ["image.base", "image.onbuild"]
    assert meta["artifact_sha256"] is None
