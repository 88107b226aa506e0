"""The one table of `doctor`: what each purpose needs, what each check says, and how its answer is shown.  Pure.

Both implementations share it: `survey` here, before the environment exists, and `workflow.doctor` after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "missing"]
Purpose = Literal["claims", "fill", "grade", "time"]

_RUNS = frozenset(
    {"system", "python", "environment", "bubblewrap", "sandbox", "go", "wasmtime", "host-lock", "cache", "disk"}
)
NEEDS: Mapping[Purpose, frozenset[str]] = {
    "claims": frozenset({"python", "environment"}),
    "fill": _RUNS,
    "grade": _RUNS,
    "time": _RUNS,
}

# In the order in which they are shown: each is what the ones after it stand on.
ORDER = (
    "system", "python", "environment", "bubblewrap", "sandbox", "cgroups", "go", "wasmtime", "tinygo", "docker",
    "containerd", "buildah", "memory-peak", "host-lock", "cache", "disk", "cpus", "memory",
)  # fmt: skip

_NAME = 12
"""Columns of the longest id above."""

# Every message of `doctor`, by code.  `found` and `expected` are values; the sentence is here.
WORDING: Mapping[str, str] = {
    "doctor.system": "{found}",
    "doctor.system.other": "{found}: only `claims` works here, the rest needs {expected}",
    "doctor.python": "Python {found} (needs {expected})",
    "doctor.environment": "{found} is made from the present lock file",
    "doctor.environment.installed": "installed as a package in {found}",
    "doctor.environment.absent": "not set up yet ({expected})",
    "doctor.environment.stale": "interrupted, of another place or of an older lock file ({expected})",
    "doctor.bubblewrap": "{found}",
    "doctor.bubblewrap.absent": "not installed: a submission's code runs only in a sandbox",
    "doctor.sandbox": "{found}: a real run in it was cut off from this host as it should be",
    "doctor.sandbox.servers": "programs run in it as they should, but a server in it cannot be reached: {found}",
    "doctor.sandbox.later": "tested with a real run once the environment is set up",
    "doctor.sandbox.none": "needs bubblewrap",
    "doctor.sandbox.apparmor": "AppArmor keeps plain users of this host from making user namespaces (found {found}, "
    "needs {expected})",
    "doctor.sandbox.user-namespaces": "this kernel keeps plain users from making user namespaces (found {found}, "
    "needs {expected})",
    "doctor.cgroups": "cgroup {found}: memory and processes of a submission are capped",
    "doctor.cgroups.closed": "cgroup {found}, where this user may make no groups: memory and processes of a submission "
    "are capped less exactly",
    "doctor.cgroups.none": "no cgroup file system: memory and processes of a submission are not capped",
    "doctor.memory-peak.cgroup": "a program's memory is read from a cgroup of its own, which misses no peak",
    "doctor.memory-peak.sampled": "a program's memory is read from `smaps_rollup` of its processes only, again and "
    "again: short peaks are missed",
    "doctor.memory-peak.old-kernel": "this kernel does not tell the peak of a cgroup ({expected} does), so a program's "
    "memory is read from `smaps_rollup` of its processes, again and again: short peaks are missed",
    "doctor.memory-peak.none": "nothing is run without a sandbox, so no memory is read",
    "doctor.go": "Go {found} (the lab's own: {expected})",
    "doctor.go.other": "Go {found}, whose builds are not those of the lab's own ({expected})",
    "doctor.go.absent": "comes with the environment ({expected})",
    "doctor.wasmtime": "{found}",
    "doctor.wasmtime.absent": "comes with the environment",
    "doctor.tinygo": "TinyGo {found}",
    "doctor.tinygo.absent": "not installed: a module that is not handed in is built by Go itself, and marked so",
    "doctor.docker": "{found}; its daemon is asked once the environment is set up",
    "doctor.containerd": "{found}; its daemon is asked once the environment is set up",
    "doctor.engine": "{found} answers",
    "doctor.engine.lacks": "{found} answers, but cannot run {expected}",
    "doctor.engine.absent": "{found}: what only it can run is `not_run`",
    "doctor.buildah": "{found}",
    "doctor.buildah.absent": "not installed: images for WASM are not built",
    "doctor.host-lock": "{found} keeps builds and timing of all users apart",
    "doctor.host-lock.creatable": "{found} is made at the first run",
    "doctor.host-lock.closed": "{found} cannot be opened for writing by this user: nothing can be built or timed",
    "doctor.host-lock.other": "{found} is not a plain file: nothing can be built or timed",
    "doctor.host-lock.absent": "{found} is not there, and this user cannot make it: nothing can be built or timed",
    "doctor.cache": "{found} can be written",
    "doctor.cache.closed": "{found} cannot be written",
    "doctor.disk": "{found} GB free (needs {expected} GB)",
    "doctor.cpus": "{found} (needs {expected})",
    "doctor.cpus.few": "{found}: anything else that runs shows in every timed run (better: {expected})",
    "doctor.memory": "{found} GB (needs {expected} GB)",
    "doctor.memory.little": "{found} GB: compiling a large module may fail (better: {expected} GB)",
    "doctor.tool.failed": "does not work: {found}",
    "doctor.pitfall": "{found}",
    "doctor.pitfall.found": "{found} (expected: {expected})",
}


@dataclass(frozen=True)
class About:
    """What a check wants, where its answer does not say it, and what one would see otherwise, word for word."""

    expected: str
    prevents: str


ABOUT: Mapping[str, About] = {
    "system": About("Linux", "use WSL2 or a Linux VM"),
    "python": About("3.11 or later", "ModuleNotFoundError: No module named 'tomllib'"),
    "environment": About("made from the present lock file", "ModuleNotFoundError: No module named 'pydantic'"),
    "bubblewrap": About("bubblewrap", "bwrap: command not found"),
    "sandbox": About("programs and servers run in it", "bwrap: No permissions to create new namespace"),
    "cgroups": About("groups of this user's own", "Out of memory: Killed process"),
    "go": About("the lab's own Go", "go: command not found"),
    "wasmtime": About("wasmtime", "wasmtime: command not found"),
    "tinygo": About("TinyGo", "fatal error: all goroutines are asleep - deadlock!"),
    "docker": About(
        "a daemon that answers",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    ),
    "containerd": About(
        "a daemon that answers, with the shims of the lab's arms",
        'runtime "io.containerd.wasmtime.v1" binary not installed "containerd-shim-wasmtime-v1": file does not exist',
    ),
    "buildah": About("buildah", "buildah: command not found"),
    "memory-peak": About("cgroups of Linux 5.19 or later", "a peak of memory that is too small"),
    "host-lock": About("a plain file that every user may write", "Permission denied"),
    "cache": About("a folder that this user may write", "Permission denied"),
    "disk": About("free space", "no space left on device"),
    "cpus": About("2", "a timed run that is as slow as what else runs"),
    "memory": About("2", "signal: killed"),
    "pitfalls": About("a program that looks for pitfalls", "nothing is known of them"),
}
"""By check id; a check that brings its own is not here."""


def told(check: str, params: Mapping[str, object], text: str, prevents: str = "") -> dict[str, str]:
    """Return what every check says as data: what was found, what was expected, and what that prevents."""
    about = ABOUT.get(check, About("", ""))
    return {
        "found": str(params.get("found") or text),
        "expected": str(params.get("expected") or about.expected),
        "prevents": prevents or about.prevents,
    }


@dataclass(frozen=True)
class Check:
    """One line of `doctor`, in plain types; `model.host.Check` is the same once pydantic is there."""

    id: str
    state: State
    code: str
    params: Mapping[str, str | int | float]
    remedy: str = ""
    prevents: str = ""

    def text(self) -> str:
        """Return the wording."""
        return WORDING[self.code].format_map(self.params)


@dataclass(frozen=True)
class Line:
    """One line of `doctor` as it is shown."""

    id: str
    state: State
    text: str
    remedy: str
    needed: bool
    prevents: str = ""


def place(check: str) -> int:
    """Return what checks are sorted by; pitfalls come last, as they were found."""
    return ORDER.index(check) if check in ORDER else len(ORDER)


def table(lines: Sequence[Line], purpose: str) -> str:
    """Return the whole answer for a person; what is needed and missing stands out without colour."""
    out = []
    wide = max(_NAME, *(len(line.id) for line in lines)) if lines else _NAME
    for line in sorted(lines, key=lambda line: place(line.id)):
        mark = "MISSING" if line.state == "missing" and line.needed else line.state
        out.append(f"{mark:<8} {line.id:<{wide}} {line.text}")
        if line.state != "ok" and line.id not in ORDER and line.prevents:
            out.append(f"{'':{wide + 9}} prevents: {line.prevents}")
        if line.state != "ok" and line.remedy:
            out.append(f"{'':{wide + 9}} -> {line.remedy}")
    gaps = [line for line in lines if line.needed and line.state == "missing"]
    if gaps:
        out.append(f"\nThis host is not ready for `{purpose}`: see {', '.join(f'`{line.id}`' for line in gaps)}.")
    else:
        out.append(f"\nThis host is ready for `{purpose}`.")
    return "\n".join(out) + "\n"
