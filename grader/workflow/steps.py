"""The evidence of each step: what `steps/<step>/` of the output folder holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from grader.model.base import Message, Record
from grader.model.image import ImageFile, ImageResult, ImageSize
from grader.model.run import Answer, BuildResult, MemoryReading, PeakRuns, ProbeResult, ServerRun
from grader.model.steps import build_step, image_step, memory_step, probe_step
from grader.render.escape import json_document


# Formats of a step's `meta.json`: grader/step/1 is the first; before its first release `cached` left it for
# `run.json`, because it differs between two gradings of the same inputs.
class StepMeta(Record):
    """What `meta.json` of a step says; times are of the run that was done, however long ago."""

    schema_: Annotated[Literal["grader/step/1"], Field(alias="schema")] = "grader/step/1"
    step: str
    argv: tuple[str, ...] = ()
    state: str
    exit_code: int | None = None
    signal: int | None = None
    total_s: float | None = None
    artifact_sha256: str | None = None
    artifact_size: int | None = None
    reason: Message | None = None
    answers: tuple[Answer, ...] = ()
    server: ServerRun | None = None
    peaks: tuple[tuple[MemoryReading, ...], ...] = ()
    sizes: tuple[ImageSize, ...] = ()
    program: ImageFile | None = None
    refusals: tuple[Message, ...] = ()


class StepOutput(Record):
    """One step's evidence: the streams as they were, what is known about the run, and whether the cache had it."""

    meta: StepMeta
    stdout: bytes
    stderr: bytes
    cached: bool

    def files(self) -> dict[str, bytes]:
        """Return the step's files by path below `steps/`."""
        meta = json_document(self.meta.model_dump_json(indent=2, by_alias=True))  # bodies of answers are a stranger's
        return {
            f"{self.meta.step}/stdout": self.stdout,
            f"{self.meta.step}/stderr": self.stderr,
            f"{self.meta.step}/meta.json": meta.encode() + b"\n",
        }


def step_of_build(result: BuildResult, *, cached: bool) -> StepOutput:
    """Return a build's evidence; its tools' messages are the step's stderr."""
    meta = StepMeta(
        step=build_step(result.subject),
        argv=result.argv,
        state=result.state,
        artifact_sha256=result.artifact.sha256 if result.artifact else None,
        artifact_size=result.artifact.size if result.artifact else None,
        reason=result.reason,
    )
    return StepOutput(meta=meta, stdout=b"", stderr=result.log.encode("utf-8", "replace"), cached=cached)


def step_of_image(result: ImageResult, *, cached: bool) -> StepOutput:
    """Return the evidence of an image's build: its identity, its sizes, and why a recipe is refused."""
    image = result.image
    meta = StepMeta(
        step=image_step(result.subject),
        argv=result.argv,
        state=result.state,
        artifact_sha256=image.artifact.sha256 if image else None,
        artifact_size=image.artifact.size if image else None,
        reason=result.reason,
        sizes=image.sizes if image else (),
        program=image.program if image else None,
        refusals=result.refusals,
    )
    return StepOutput(meta=meta, stdout=b"", stderr=result.log.encode("utf-8", "replace"), cached=cached)


def step_of_probe(result: ProbeResult, *, cached: bool) -> StepOutput:
    """Return a probe's evidence: what the program printed, byte for byte."""
    run = result.completed
    meta = StepMeta(
        step=probe_step(result.probe, result.subject, result.arm),
        argv=run.argv if run else (),
        state=result.state,
        exit_code=run.exit_code if run else None,
        signal=run.signal if run else None,
        total_s=run.total_s if run else None,
        reason=result.reason,
        answers=result.answers,
        server=result.server,
    )
    stdout, stderr = (run.stdout_bytes(), run.stderr_bytes()) if run else (b"", b"")
    return StepOutput(meta=meta, stdout=stdout, stderr=stderr, cached=cached)


def step_of_peaks(runs: PeakRuns, *, cached: bool) -> StepOutput:
    """Return the evidence of runs whose memory was read: every reading, and the streams of the last run."""
    last = runs.completed
    meta = StepMeta(
        step=memory_step(runs.metric, runs.arm),
        argv=last.argv if last else (),
        state="measured" if runs.reason is None else "not_run" if runs.reason.blameless else "failed",
        exit_code=last.exit_code if last else None,
        signal=last.signal if last else None,
        reason=runs.reason,
        peaks=runs.peaks,
    )
    stdout, stderr = (last.stdout_bytes(), last.stderr_bytes()) if last else (b"", b"")
    return StepOutput(meta=meta, stdout=stdout, stderr=stderr, cached=cached)
