"""Run each probe once on each arm that the engine has, and keep what a program's content decides."""

from __future__ import annotations

import time
from collections.abc import Callable

from grader.errors import HostError
from grader.judging.probes import WallClock, judge_probe
from grader.model.base import Record, canonical_json
from grader.model.lab import StdoutJsonProbe
from grader.model.run import Artifact, Limits, ProbeResult
from grader.model.trouble import trouble
from grader.ports import Engine, HostLock, Progress, Store
from grader.workflow.build import content_key
from grader.workflow.records import load_record

RECIPE = "1"
"""Raised when the same output would be judged otherwise."""


class Probed(Record):
    """A probe's result and whether it came from the cache."""

    result: ProbeResult
    cached: bool


def run_probe(
    name: str,
    probe: StdoutJsonProbe,
    subject: str,
    arm: str,
    artifact: Artifact,
    engine: Engine,
    store: Store,
    lock: HostLock,
    progress: Progress,
    limits: Limits,
    *,
    use_cache: bool,
    wall: Callable[[], float] = time.time,
) -> Probed:
    """Run a probe, or take what the same artifact gave before under the same tools.

    A run that hit a limit (it has a reason) or met a broken host is not kept: the next one may go better.
    """
    command = engine.command(arm, artifact, probe, limits)
    what = (canonical_json(probe), artifact.sha256, "\0".join(command.argv), canonical_json(limits))
    key = content_key(RECIPE, engine.name, name, subject, arm, *what, *(canonical_json(t) for t in engine.tools()))
    stored = load_record(store, "probe", key, ProbeResult) if use_cache else None
    if stored is not None:
        return Probed(result=stored, cached=True)
    progress.step(f"probe {name}", f"{subject} on {arm}")
    try:
        with lock.shared():
            before = wall()
            completed = engine.run_once(command)
            after = wall()
    except HostError as error:
        reason = trouble("infra.run-broke", error)
        broken = ProbeResult(probe=name, subject=subject, arm=arm, state="not_run", reason=reason)
        return Probed(result=broken, cached=False)
    result = judge_probe(name, probe, subject, arm, completed, WallClock(before=before, after=after))
    if use_cache and completed.reason is None:
        store.save("probe", key, canonical_json(result))
    return Probed(result=result, cached=False)
