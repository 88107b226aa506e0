"""Run each probe once on each arm that the engine has, and keep what a program's content decides."""

from __future__ import annotations

from collections.abc import Callable

from grader.errors import HostError, LockError
from grader.judging.cgi import answer_of_run
from grader.judging.http import judge_answer
from grader.judging.probes import VALID, WallClock, judge_probe
from grader.model.lab import CgiProbe, HttpProbe, Lab, Probe, StdoutJsonProbe
from grader.model.run import Answer, Artifact, Command, Completed, Runnable
from grader.workflow.plan import Capabilities, why_not
from grader.workflow.probing import Probed, start_probing
from grader.workflow.server import probe_server
from grader.workflow.site import Site

RECIPE = "3"
"""Raised when the same output would be judged otherwise."""


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
    if isinstance(probe, HttpProbe):
        return probe_server(site, name, probe, arm, artifact)
    if isinstance(probe, CgiProbe):
        return _probe_cgi(site, name, probe, arm, artifact)
    return _probe_once(site, name, probe, arm, artifact)


def _probe_once(site: Site, name: str, probe: StdoutJsonProbe, arm: str, artifact: Artifact) -> Probed:
    command = site.engine.command(arm, artifact, probe, site.limits)
    probing = start_probing(site, name, probe, arm, artifact, (command,), RECIPE)
    stored = probing.earlier()
    if stored is not None:
        return stored
    site.progress.step(f"probe {name}", f"{artifact.subject} on {arm}")
    try:
        with site.lock.shared():
            completed, clock = _clocked(site.engine.run_once, command, site.clock.wall)
    except LockError:
        raise
    except HostError as error:
        return probing.broken(error)
    result = judge_probe(name, probe, artifact.subject, arm, completed, clock)
    return probing.done(result, lasting=completed.reason is None)


def _probe_cgi(site: Site, name: str, probe: CgiProbe, arm: str, artifact: Artifact) -> Probed:
    """Run the program once per route; the first wrong answer ends it, and its run is the step's evidence."""
    commands = [site.engine.command(arm, artifact, probe, site.limits, get) for get in probe.get]
    probing = start_probing(site, name, probe, arm, artifact, commands, RECIPE)
    stored = probing.earlier()
    if stored is not None:
        return stored
    site.progress.step(f"probe {name}", f"{artifact.subject} on {arm}")
    answers: list[Answer] = []
    try:
        with site.lock.shared():
            for get, command in zip(probe.get, commands, strict=True):
                completed, clock = _clocked(site.engine.run_once, command, site.clock.wall)
                answers.append(judge_answer(get, answer_of_run(get.path, completed), clock))
                if answers[-1].reason is not None:
                    break
    except LockError:
        raise
    except HostError as error:
        return probing.broken(error)
    result = probing.judged(answers[-1].reason, VALID, completed, answers=answers)
    return probing.done(result, lasting=completed.reason is None)


def _clocked(
    run: Callable[[Command], Completed], command: Command, wall: Callable[[], float]
) -> tuple[Completed, WallClock]:
    before = wall()
    completed = run(command)
    return completed, WallClock(before=before, after=wall())
