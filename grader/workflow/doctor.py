"""Find out what a host can do: what was seen of it, and what its sandbox and its engine prove, for one purpose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from grader.bootstrap.checks import NEEDS, Purpose, place
from grader.errors import HostError
from grader.model.base import Message, Record, Scalar
from grader.model.catalogue import Rules, refusals
from grader.model.host import Check
from grader.model.hostcheck import FITTING, VERSIONS
from grader.model.lab import CommittedFile, Lab
from grader.ports import Engine, Runner, SandboxStatus

ENGINES = ("docker", "containerd")
"""Checks of what may be absent, but not dead."""

_VERSION = re.compile(r"[0-9]+(\.[0-9]+)+")
_PORT = 8080
"""Of a network that nobody else has."""


class Diagnosis(Record):
    """The answer of `doctor`.  Invariant: `ready` unless a check that is needed is `missing`."""

    schema_: Annotated[Literal["grader/doctor/1"], Field(alias="schema")] = "grader/doctor/1"
    grader: str
    for_: Annotated[Purpose, Field(alias="for")]
    lab: str
    ready: bool
    checks: tuple[Check, ...]


def diagnose(
    lab: Lab,
    purpose: Purpose,
    seen: Sequence[Check],
    runner: Runner,
    engine: Engine,
    remedies: Mapping[str, str],
    version: str,
) -> Diagnosis:
    """Join what was seen of the host with what the boundary and the engine prove by running.

    Args:
        seen: Checks that need neither; one of an id that is proved here gives way.
        remedies: By check id, the command that installs a missing tool.
        version: Of the grader.
    """
    checks = {check.id: check for check in (*seen, *_proved(lab, runner, engine, remedies))}
    needs = NEEDS[purpose] - unused(lab)
    if purpose != "claims":  # A grading ends at a container engine that is there and does not answer.
        needs |= {id_ for id_ in ENGINES if id_ in checks and checks[id_].state == "missing"}
    marked = [checks[id_].model_copy(update={"needed": id_ in needs}) for id_ in sorted(checks, key=place)]
    ready = not any(check.needed and check.state == "missing" for check in marked)
    return Diagnosis.model_validate(
        {"grader": version, "for": purpose, "lab": lab.id, "ready": ready, "checks": tuple(marked)}
    )


def unfit_sets(rules: Rules, said: Mapping[str, str]) -> Iterable[Check]:
    """Yield a warning for each rule of compatibility that holds against what is installed here.

    Args:
        said: By tool, what it says of its version; a rule about what only some courses do holds as well.
    """
    versions = {tool: match[0] for tool, text in said.items() if (match := _VERSION.search(text))}
    needs = sorted({need for rule in rules.rules for need in rule.needs})
    for rule in refusals(rules, versions, needs):
        found = ", ".join(f"{tool} {versions[tool]}" for tool in sorted(rule.tools))
        params: dict[str, Scalar] = {"found": found, "expected": FITTING}
        message = Message(code="doctor.pitfall.found", params=params)
        yield Check(id=f"{VERSIONS}{rule.id}", state="warning", message=message, remedy=rule.remedy, prevents=rule.says)


def unused(lab: Lab) -> frozenset[str]:
    """Return the tools among the checks that nothing in the lab uses."""
    sources = (source for step in lab.steps.values() for source in step.first_of)
    tools = {source.tool for source in sources if not isinstance(source, CommittedFile)}
    arms = [
        arm for by_subject in (lab.timing.arms, *(p.arms for p in lab.probes.values())) for arm in _arms(by_subject)
    ]
    if any(arm.startswith("wasmtime") for arm in arms):
        tools.add("wasmtime")
    return frozenset({"go", "wasmtime"} - tools)


def _arms(by_subject: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    return (arm for arms in by_subject.values() for arm in arms)


def _proved(lab: Lab, runner: Runner, engine: Engine, remedies: Mapping[str, str]) -> Iterable[Check]:
    status = runner.status()
    yield _sandbox(runner, status)
    yield _memory_peak(runner, status, remedies.get("memory-peak", ""))
    for weakness in status.weak:
        yield Check(id="cgroups", state="warning", message=weakness, remedy=remedies.get("cgroups", ""))
    tools = {tool.name: tool.version for tool in engine.tools()}
    yield _go(tools.get("go"), lab.toolchains.get("go"), remedies.get("go", ""))
    if "wasmtime" in tools:
        yield _check("wasmtime", "ok", "doctor.wasmtime", {"found": f"wasmtime {tools['wasmtime']}"})
    else:
        yield _check("wasmtime", "missing", "doctor.wasmtime.absent", {}, remedies.get("wasmtime", ""))
    if "tinygo" in tools:
        yield _check("tinygo", "ok", "doctor.tinygo", {"found": tools["tinygo"]})
    else:
        yield _check("tinygo", "warning", "doctor.tinygo.absent", {})


def _sandbox(runner: Runner, status: SandboxStatus) -> Check:
    """Start something that does nothing as a server too: reaching one takes more than running a program."""
    if not status.works:
        reason = status.reason or Message(code="doctor.sandbox.none")
        return Check(id="sandbox", state="missing", message=reason, remedy=status.remedy)
    try:
        with runner.serve(runner.noop(), _PORT) as server:
            server.stop(0.0)
    except HostError as error:
        return _check("sandbox", "warning", "doctor.sandbox.servers", {"found": error.what})
    return _check("sandbox", "ok", "doctor.sandbox", {"found": status.kind})


def _memory_peak(runner: Runner, status: SandboxStatus, remedy: str) -> Check:
    """Run something that does nothing, and see what its memory was read from."""
    if not status.works:
        return _check("memory-peak", "warning", "doctor.memory-peak.none", {})
    readings = runner.run(runner.noop(), memory=True).memory_peak
    if any(reading.notion == "cgroup" for reading in readings):
        return _check("memory-peak", "ok", "doctor.memory-peak.cgroup", {})
    if not status.weak:  # There are cgroups, so it is the kernel that does not tell.
        return _check("memory-peak", "warning", "doctor.memory-peak.old-kernel", {"expected": "Linux 5.19"})
    return _check("memory-peak", "warning", "doctor.memory-peak.sampled", {}, remedy)


def _go(found: str | None, wanted: str | None, remedy: str) -> Check:
    params: dict[str, Scalar] = {"found": found, "expected": wanted or "any"}
    if found is None:
        return _check("go", "missing", "doctor.go.absent", params, remedy)
    if wanted not in (None, found):
        return _check("go", "missing", "doctor.go.other", params, remedy)
    return _check("go", "ok", "doctor.go", params)


def _check(
    id_: str, state: Literal["ok", "warning", "missing"], code: str, params: dict[str, Scalar], remedy: str = ""
) -> Check:
    return Check(id=id_, state=state, message=Message(code=code, params=params), remedy=remedy)
