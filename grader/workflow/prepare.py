"""Prepare once what an arm runs: most run the artifact itself, `wasmtime-aot` its compiled form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grader.errors import HostError, LockError, SubmissionError
from grader.model.arms import runs_image
from grader.model.base import Message, canonical_json, digest
from grader.model.lab import Lab
from grader.model.run import Artifact, Runnable
from grader.model.trouble import trouble, without_host_paths
from grader.workflow.build import content_key
from grader.workflow.plan import used_arms, why_not
from grader.workflow.records import read_record
from grader.workflow.site import Site

RECIPE = "1"
"""Raised when the same artifact would be prepared otherwise."""

RECORD = "prepared.json"


class _AsItIsError(Exception):
    """Leaves `Store.directory` without an entry: the arm runs the artifact itself."""


def prepare_arms(
    site: Site, lab: Lab, artifacts: Mapping[str, Artifact], images: Mapping[str, Artifact], work: Path
) -> tuple[Runnable, dict[str, Message]]:
    """Return by subject and arm what is run there, and by capability why an arm has nothing to run.

    Args:
        artifacts, images: By subject.
    """
    runnable: dict[tuple[str, str], Artifact] = {}
    missing: dict[str, Message] = {}
    for subject, arm in used_arms(lab):
        artifact = (images if runs_image(arm) else artifacts).get(subject)
        if artifact is None or why_not(site.engine.capabilities(), f"arm:{arm}") is not None:
            continue
        try:
            runnable[subject, arm] = prepare_artifact(site, arm, artifact, work)
        except SubmissionError as error:
            params = {"arm": arm, "detail": without_host_paths(error.what)}
            missing[f"arm:{arm}"] = Message(code="run.not-prepared", params=params)
        except LockError:
            raise
        except HostError as error:
            missing[f"arm:{arm}"] = trouble("infra.run-broke", error)
    return runnable, missing


def prepare_artifact(site: Site, arm: str, artifact: Artifact, work: Path) -> Artifact:
    """Return what the arm runs, its path in the store, in `work` or the artifact's own.

    Raises: SubmissionError if the artifact cannot be prepared; HostError if this host broke.
    """
    engine = site.engine
    if not site.use_cache:
        folder = work / f"prepare-{arm}-{artifact.subject}"
        folder.mkdir()
        with site.lock.shared():
            return engine.prepare(arm, artifact, folder)

    def fill(folder: Path) -> None:
        with site.lock.shared():
            made = engine.prepare(arm, artifact, folder)
        if made.path == artifact.path:
            raise _AsItIsError
        (folder / RECORD).write_bytes(canonical_json(made.model_copy(update={"path": Path(made.path).name})))

    key = content_key(RECIPE, arm, artifact.subject, artifact.sha256, *site.maker(arm))
    try:
        folder = site.store.directory("prepared", key, fill, lambda kept: _read(kept) is not None)
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
