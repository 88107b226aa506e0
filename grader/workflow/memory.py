"""Read how much memory a run needs at most, on every timed arm; never in a timed run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.errors import HostError, LockError
from grader.judging.probes import WallClock, check_run
from grader.model.base import Message, Record, canonical_json
from grader.model.lab import Lab, StdoutJsonProbe
from grader.model.run import Command, Completed, MemoryReading, PeakRuns, ProbeResult, Runnable
from grader.model.selection import runs_right
from grader.model.trouble import trouble
from grader.workflow.build import content_key
from grader.workflow.plan import DISCARDED, timed_arms, why_not
from grader.workflow.site import Site

RECIPE = "2"
"""Raised when the same runs would be made or judged otherwise."""


class Peaks(Record):
    """What the runs of one arm gave, and whether it came from the cache."""

    runs: PeakRuns
    cached: bool


def read_peaks(site: Site, lab: Lab, runnable: Runnable, probes: Sequence[ProbeResult]) -> Iterator[Peaks]:
    """Read the peaks of each metric that asks for them, on each timed arm whose subject passed the metric's probe.

    The control arm is read too where another arm is: its figure is the floor that the boundary itself needs.
    """
    capabilities = site.engine.capabilities()
    if why_not(capabilities, "memory") is not None:
        return
    for name, metric in lab.metrics.items():
        probe = lab.probes.get(metric.probe or "")
        if metric.source != "memory" or not isinstance(probe, StdoutJsonProbe):
            continue
        arms = {
            arm: subject
            for arm, subject in timed_arms(lab).items()
            if subject is None or ((subject, arm) in runnable and runs_right(probes, metric.probe or "", subject, arm))
        }
        if all(subject is None for subject in arms.values()):
            continue
        for arm, subject in arms.items():
            if why_not(capabilities, f"arm:{arm}") is None:
                yield _peaks_of(site, name, lab.parameters.memory_runs, probe, arm, subject, runnable)


def _peaks_of(
    site: Site, metric: str, runs: int, probe: StdoutJsonProbe, arm: str, subject: str | None, runnable: Runnable
) -> Peaks:
    artifact = runnable[subject, arm] if subject is not None else None
    command = site.engine.command(arm, artifact, probe, site.limits)
    run = canonical_json(command.model_copy(update={"binds": ()}))
    what = (canonical_json(probe), artifact.sha256 if artifact else "", run, str(runs), site.host_of(arm))
    key = content_key(RECIPE, metric, subject or "", arm, *what, *site.maker(arm))
    stored = site.earlier("memory", key, PeakRuns)
    if stored is not None:
        return Peaks(runs=stored, cached=True)
    site.progress.step(f"memory {metric}", arm)
    empty = PeakRuns(metric=metric, subject=subject, arm=arm)
    try:
        with site.lock.shared():
            made = _run(site, empty, command, probe if subject is not None else None, runs)
    except LockError:
        raise
    except HostError as error:
        return Peaks(runs=empty.model_copy(update={"reason": trouble("infra.run-broke", error)}), cached=False)
    # Others share the lock and may have read the same meanwhile: equal inputs give equal facts.
    stored = site.earlier("memory", key, PeakRuns)
    if stored is not None:
        return Peaks(runs=stored, cached=True)
    if made.completed is None or made.completed.reason is None:
        site.keep("memory", key, made)
    return Peaks(runs=made, cached=False)


def _run(site: Site, empty: PeakRuns, command: Command, probe: StdoutJsonProbe | None, runs: int) -> PeakRuns:
    """Run until all counted readings are there or a run is bad: then there is no figure at all."""
    peaks: list[tuple[MemoryReading, ...]] = []
    for number in range(DISCARDED + runs):
        before = site.clock.wall()
        completed = site.engine.memory(command)
        reason = _bad(probe, completed, WallClock(before=before, after=site.clock.wall()))
        if reason is not None:
            return empty.model_copy(update={"reason": reason, "completed": completed})
        if number >= DISCARDED:
            peaks.append(completed.memory_peak)
    return empty.model_copy(update={"peaks": tuple(peaks), "completed": completed})


def _bad(probe: StdoutJsonProbe | None, completed: Completed, clock: WallClock) -> Message | None:
    if probe is not None:
        return check_run(probe, completed, clock)
    if completed.outcome == "ok":
        return None
    return completed.reason or Message(code="infra.run-broke", params={"detail": f"exit {completed.exit_code}"})
