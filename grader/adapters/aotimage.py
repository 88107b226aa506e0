"""Modules in images that were compiled before: WasmEdge runs native code where a module carries it, else interprets."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grader.adapters.containerfile import MAX_PROGRAM, archived
from grader.adapters.ociarchive import OciArchive
from grader.errors import SubmissionError
from grader.model.arms import ARMS
from grader.model.run import Artifact
from grader.recipes.artifact import is_compiled_for_wasmedge
from grader.recipes.oci import Platform


def check_mode(arm: str, image: Artifact, wanted: Platform) -> None:
    """See that an image runs in the mode that a WasmEdge arm is named for: nothing else tells the two apart.

    Raises: SubmissionError if its module carries native code and should not, or should and does not.
    """
    mode = ARMS[arm].mode
    if mode not in ("interpreted", "aot"):
        return
    compiled = is_compiled_for_wasmedge(_module(image, wanted))
    if mode == "aot" and not compiled:
        raise SubmissionError("its module carries no code for WasmEdge, which would interpret it", where=arm)
    if mode == "interpreted" and compiled:
        raise SubmissionError("its module carries code for WasmEdge, which would interpret nothing", where=arm)


def _module(image: Artifact, wanted: Platform) -> bytes:
    found = archived(image, wanted)
    words = found.config.entrypoint or found.config.command
    if not words:
        return b""
    with tempfile.TemporaryDirectory() as folder, OciArchive.open(Path(image.path)) as archive:
        target = Path(folder) / "module"
        absent = archive.extract(found, words[0], target, MAX_PROGRAM)
        return b"" if absent is not None else target.read_bytes()
