"""Build each subject once per content: what was built before is not built again."""

from __future__ import annotations

from pathlib import Path

from grader.errors import TimeLimitError
from grader.model.base import Message, Record, canonical_json, digest
from grader.model.lab import BuildSource, CommittedFile, Step
from grader.model.run import BuildResult
from grader.model.submission import Submission
from grader.model.trouble import trouble
from grader.ports import Engine
from grader.workflow.once import Kind, made_once
from grader.workflow.plan import choose_source, source_dir, source_key
from grader.workflow.records import read_record
from grader.workflow.site import Site

RECIPE = "1"
"""Raised when the same inputs would give another artifact or another reason."""

RECORD = "result.json"


class Built(Record):
    """A build's result and whether it came from the cache."""

    result: BuildResult
    cached: bool


def build_subject(site: Site, subject: str, step: Step, submission: Submission, work: Path) -> Built:
    """Build one subject, or take what an earlier build of the same content gave.

    Args:
        work: Holds the artifact where the cache is not used; the caller keeps it as long as the artifact is needed.
    """
    engine = site.engine
    source = choose_source(submission, step, engine.capabilities())
    if isinstance(source, Message):
        return Built(result=BuildResult(subject=subject, state="not_run", artifact=None, reason=source), cached=False)

    def build(folder: Path) -> BuildResult:
        site.progress.step(f"build {subject}")
        try:
            with site.lock.shared():
                return engine.build(subject, step, source, source_dir(submission), folder)
        except TimeLimitError as error:
            reason = trouble("infra.build-broke", error)
            return BuildResult(subject=subject, state="not_run", artifact=None, reason=reason)

    if not site.use_cache:
        folder = work / f"build-{subject}"
        folder.mkdir()
        return Built(result=build(folder), cached=False)
    key = _key(subject, step, source, submission, engine)
    result, cached = made_once(site.store, _BUILDS, key, build)
    return Built(result=result, cached=cached)


def content_key(*parts: str | bytes) -> str:
    """Return a digest of all parts, each told apart from the next."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return digest(b"".join(len(part).to_bytes(8, "big") + part for part in encoded))


def _key(subject: str, step: Step, source: BuildSource, submission: Submission, engine: Engine) -> str:
    names = {"wasmtime"} if isinstance(source, CommittedFile) else {source.tool, "go"}
    tools = [canonical_json(tool) for tool in engine.tools() if tool.name in names]
    what = (subject, str(step.timeout_s), canonical_json(source), source_key(submission, source))
    return content_key(RECIPE, engine.name, *what, *tools)


def _keep(result: BuildResult, folder: Path) -> bool:
    if result.artifact is not None:
        (folder / RECORD).write_bytes(canonical_json(_placed(result, Path())))
    return result.artifact is not None


def _read(folder: Path) -> BuildResult | None:
    """Return the record of a kept artifact; None if either is missing or damaged, or of another version."""
    stored = read_record(folder / RECORD, BuildResult)
    if stored is None or stored.artifact is None:
        return None
    result = _placed(stored, folder)
    assert result.artifact is not None
    try:
        whole = digest(Path(result.artifact.path).read_bytes()) == result.artifact.sha256
    except OSError:
        return None
    return result if whole else None


def _placed(result: BuildResult, folder: Path) -> BuildResult:
    """Return the result with its artifact in `folder`; a record knows only the file's name."""
    assert result.artifact is not None
    path = str(folder / Path(result.artifact.path).name)
    return result.model_copy(update={"artifact": result.artifact.model_copy(update={"path": path})})


_BUILDS = Kind("build", BuildResult, _keep, _read)
