"""Prepare once what an arm runs: most run the artifact itself, `wasmtime-aot` its compiled form."""

from __future__ import annotations

from pathlib import Path

from grader.model.base import canonical_json, digest
from grader.model.run import Artifact
from grader.ports import Engine, HostLock, Store
from grader.workflow.build import content_key
from grader.workflow.records import read_record

RECIPE = "1"
"""Raised when the same artifact would be prepared otherwise."""

RECORD = "prepared.json"


class _AsItIsError(Exception):
    """Leaves `Store.directory` without an entry: the arm runs the artifact itself."""


def prepare_artifact(
    arm: str, artifact: Artifact, engine: Engine, store: Store, lock: HostLock, *, work: Path, use_cache: bool
) -> Artifact:
    """Return what the arm runs, its path in the store, in `work` or the artifact's own.

    Raises: SubmissionError if the artifact cannot be prepared; HostError if this host broke.
    """
    if not use_cache:
        folder = work / f"prepare-{arm}-{artifact.subject}"
        folder.mkdir()
        with lock.shared():
            return engine.prepare(arm, artifact, folder)

    def fill(folder: Path) -> None:
        with lock.shared():
            made = engine.prepare(arm, artifact, folder)
        if made.path == artifact.path:
            raise _AsItIsError
        (folder / RECORD).write_bytes(canonical_json(made.model_copy(update={"path": Path(made.path).name})))

    tools = (canonical_json(tool) for tool in engine.tools())
    key = content_key(RECIPE, engine.name, arm, artifact.subject, artifact.sha256, *tools)
    try:
        folder = store.directory("prepared", key, fill, lambda kept: _read(kept) is not None)
    except _AsItIsError:
        return artifact
    prepared = _read(folder)
    assert prepared is not None  # `directory` has just found it whole
    return prepared


def _read(folder: Path) -> Artifact | None:
    artifact = read_record(folder / RECORD, Artifact)
    if artifact is None:
        return None
    path = folder / Path(artifact.path).name
    try:
        whole = digest(path.read_bytes()) == artifact.sha256
    except OSError:
        return None
    return artifact.model_copy(update={"path": str(path)}) if whole else None
