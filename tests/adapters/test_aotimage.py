from __future__ import annotations

from pathlib import Path

import pytest

from grader.adapters.aotimage import check_mode
from grader.adapters.imagelayout import Layout, Member, Settings
from grader.errors import SubmissionError
from grader.model.run import Artifact
from grader.recipes.oci import Platform

MODULE = b"\0asm\x01\0\0\0"
COMPILED = MODULE + b"\0\x0b\x08wasmedge\1\2"
AOT, INTERPRETED = "ctr-crun-wasmedge-aot", "ctr-crun-wasmedge"


def image(folder: Path, module: bytes, *words: str) -> Artifact:
    folder.mkdir()
    layout, archive = Layout(folder), folder.with_suffix(".tar")
    layer = layout.layer([Member("app.wasm", module)])
    written = layout.image("a/b:1", [layer], Settings(os="wasi", architecture="wasm", entrypoint=words))
    layout.archive(archive)
    sha256 = written.manifest.digest.removeprefix("sha256:")
    return Artifact(subject="wasm", label="image", sha256=sha256, size=archive.stat().st_size, path=str(archive))


@pytest.mark.parametrize(
    ("arm", "module", "said"),
    [
        (AOT, COMPILED, None),
        (INTERPRETED, MODULE, None),
        (AOT, MODULE, "would interpret it"),
        (INTERPRETED, COMPILED, "would interpret nothing"),
        ("ctr-wasmedge", COMPILED, "would interpret nothing"),
        ("ctr-wasmtime", COMPILED, None),  # compiles every module itself, and reads no such section
    ],
)
def test_an_arm_of_wasmedge_runs_only_what_its_mode_says(
    tmp_path: Path, arm: str, module: bytes, said: str | None
) -> None:
    made = image(tmp_path / "i", module, "/app.wasm")
    if said is None:
        check_mode(arm, made, Platform.parse("wasi/wasm"))
        return
    with pytest.raises(SubmissionError, match=said):
        check_mode(arm, made, Platform.parse("wasi/wasm"))


@pytest.mark.parametrize("words", [(), ("/absent.wasm",)])
def test_an_image_that_runs_no_file_of_its_own_is_not_compiled(tmp_path: Path, words: tuple[str, ...]) -> None:
    made = image(tmp_path / "i", COMPILED, *words)
    with pytest.raises(SubmissionError, match="would interpret it"):
        check_mode(AOT, made, Platform.parse("wasi/wasm"))
