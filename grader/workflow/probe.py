"""Run each probe once on each arm that the engine has, and keep what a program's content decides."""

from __future__ import annotations

from grader.errors import HostError
from grader.judging.probes import WallClock, judge_probe
from grader.model.base import Record, canonical_json
from grader.model.lab import Lab, Probe, StdoutJsonProbe
from grader.model.run import Artifact, ProbeResult
from grader.model.trouble import trouble
from grader.workflow.build import content_key
from grader.workflow.plan import Capabilities, why_not
from grader.workflow.prepare import Runnable
from grader.workflow.site import Site

RECIPE = "1"
"""Raised when the same output would be judged otherwise."""


class Probed(Record):
    """A probe's result and whether it came from the cache."""

    result: ProbeResult
    cached: bool


def probes_of(lab: Lab, runnable: Runnable, capabilities: Capabilities) -> tuple[tuple[str, str, str], ...]:
    """Return probe, subject and arm of what the engine can probe, in the lab's order."""
    return tuple(
        (name, subject, arm)
        for name, probe in lab.probes.items()
        if why_not(capabilities, f"probe:{probe.kind}") is None
        for subject, arms in probe.arms.items()
        for arm in arms
        if (subject, arm) in runnable
    )


def run_probe(site: Site, name: str, probe: Probe, arm: str, artifact: Artifact) -> Probed:
    """Run a probe, or take what the same artifact gave before under the same tools.

    A run that hit a limit (it has a reason) or met a broken host is not kept: the next one may go better.
    """
    assert isinstance(probe, StdoutJsonProbe)  # the only kind that an engine has by now
    subject = artifact.subject
    command = site.engine.command(arm, artifact, probe, site.limits)
    what = (canonical_json(probe), artifact.sha256, "\0".join(command.argv), canonical_json(site.limits))
    key = content_key(RECIPE, site.engine.name, name, subject, arm, *what, *site.tools())
    stored = site.earlier("probe", key, ProbeResult)
    if stored is not None:
        return Probed(result=stored, cached=True)
    site.progress.step(f"probe {name}", f"{subject} on {arm}")
    try:
        with site.lock.shared():
            before = site.wall()
            completed = site.engine.run_once(command)
            after = site.wall()
    except HostError as error:
        reason = trouble("infra.run-broke", error)
        broken = ProbeResult(probe=name, subject=subject, arm=arm, state="not_run", reason=reason)
        return Probed(result=broken, cached=False)
    result = judge_probe(name, probe, subject, arm, completed, WallClock(before=before, after=after))
    if completed.reason is None:
        site.keep("probe", key, result)
    return Probed(result=result, cached=False)
