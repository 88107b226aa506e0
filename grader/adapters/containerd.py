"""The containerd engine: the same image by `ctr run` on runc, and WebAssembly on whichever runtimes the host has."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from grader.adapters.aotimage import check_mode
from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.containerfile import host_platform
from grader.adapters.ctr import ASK_S, CONTAINER, NAME, Ctr, CtrRunner, listener, sweep
from grader.adapters.host import SYSTEM_PATH, file_digest, tool
from grader.adapters.imageengine import (
    KINDS,
    ImageEngine,
    arguments,
    arms_of,
    cpus,
    declared,
    variables,
    writable,
)
from grader.adapters.ociarchive import ArchivedImage
from grader.adapters.owner import own_name
from grader.adapters.spawn import spawn
from grader.errors import HostError
from grader.model.arms import ARMS, Arm
from grader.model.base import Message
from grader.model.host import Tool
from grader.model.lab import HttpGet, Probe
from grader.model.run import Artifact, Bind, Command, Limits
from grader.ports import Launcher
from grader.recipes.oci import Platform

DEFAULT_ADDRESS = Path("/run/containerd/containerd.sock")
WASM = Platform.parse("wasi/wasm")
_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
"""What `ctr` gives a container; it has no word for all.  Source: containerd, oci/spec.go `defaultUnixCaps`."""
_HARMLESS = "NET_BIND_SERVICE"
"""Means nothing in a network of its own.  Under a WASM shim it stays: youki's libcontainer, on which those are built,
takes a list of none for no wish at all, and a module's process keeps every capability of the shim's, which is root."""
_RUNC = "io.containerd.runc.v2"


def find_address(environ: Mapping[str, str], default: Path = DEFAULT_ADDRESS) -> Path | None:
    """Return the socket that `CONTAINERD_ADDRESS` names, or else the host's own; None if there is none."""
    named = environ.get("CONTAINERD_ADDRESS", "").removeprefix("unix://")
    if named:
        return Path(named)
    return default if default.exists() else None


@contextmanager
def open_containerd(address: Path, search_path: str, parents: CgroupParents) -> Iterator[Containerd]:
    """Talk to a daemon, remove what dead graders left in it, and at the end what this one made.

    Raises: HostError if it does not answer, or if there is no `ctr`.
    """
    program = shutil.which("ctr", path=search_path)
    if program is None:
        raise HostError("there is no `ctr` program", where="PATH", hint="apt-get install containerd")
    listener(address)
    ctr = Ctr(Path(program), address, own_name())
    sweep(ctr)
    runner = CtrRunner(ctr, parents)
    try:
        yield Containerd(ctr, runner, parents)
    finally:
        with suppress(HostError):  # a daemon that has died meanwhile was told of; what it keeps, the next start sweeps
            runner.close()


class Containerd:
    """An open daemon, where it can be told to put containers, and the runtimes that it would find."""

    def __init__(self, ctr: Ctr, runner: CtrRunner, parents: CgroupParents) -> None:
        self.parents: Final = parents
        self.ctr: Final = ctr
        self.runner: Final = runner

    @functools.cached_property
    def _search_path(self) -> str:
        """Return where the daemon looks for shims: its own PATH, and the folder of its own program."""
        pid = listener(self.ctr.address)
        try:
            own = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            path = next((word[5:].decode() for word in own if word.startswith(b"PATH=")), "")
            return os.pathsep.join((path, str(Path(f"/proc/{pid}/exe").readlink().parent)))
        except OSError:
            return SYSTEM_PATH

    def missing(self, arm: Arm) -> Message | None:
        """Return what an arm lacks here, None if nothing."""
        if arm.binary:
            return self._missing_crun(arm.binary)
        if self.shim(arm.runtime) is None:
            return Message(code="engine.no-shim", params={"shim": _shim_name(arm.runtime), "arm": arm.name})
        return None

    def shim(self, runtime: str) -> Path | None:
        """Return the program that containerd starts for a runtime, None if it would find none."""
        found = shutil.which(_shim_name(runtime), path=self._search_path)
        return Path(found) if found else None

    def _missing_crun(self, program: str) -> Message | None:
        found = shutil.which(program, path=SYSTEM_PATH)
        if found is None:
            return Message(code="engine.tool-missing", params={"tool": program})
        said = spawn((found, "--version"), {}, timeout_s=ASK_S, output_bytes=1 << 16).stdout
        return None if "+WASM" in said else Message(code="engine.crun-without-wasm", params={"tool": program})

    @functools.cached_property
    def tools(self) -> tuple[Tool, ...]:
        """Return `ctr`, and the shims and runtimes that are there."""
        program = str(self.ctr.program)
        found = [tool("ctr", self.ctr.program, (program, "--version"))]
        shims = {arm.runtime for arm in arms_of(NAME).values()}
        for runtime in sorted(shims):
            shim = self.shim(runtime)
            if shim is not None:
                found.append(_tool(shim))
        for name in ("runc", *sorted({arm.binary for arm in arms_of(NAME).values() if arm.binary})):
            path = shutil.which(name, path=SYSTEM_PATH)
            if path is not None:
                found.append(_tool(Path(path)))
        return tuple(found)


class ContainerdEngine(ImageEngine):
    """Implements `ports.Engine` for the arms that `ctr run` starts.

    Args:
        probes: Those that it will be given: not every arm can run every one.
    """

    name = NAME

    def __init__(self, probes: Iterable[Probe], containerd: Containerd, launcher: Launcher) -> None:
        super().__init__(launcher, containerd.ctr.version)
        self._sets_variables = any(probe.env for probe in probes)
        self._containerd = containerd

    def capabilities(self) -> Mapping[str, Message | None]:
        """Return what is there by `arm:`, `probe:` and `memory`, or why it is not."""
        return self._capabilities

    @functools.cached_property
    def _capabilities(self) -> dict[str, Message | None]:
        missing = self._containerd.parents.missing
        arms = {f"arm:{name}": missing or self._missing(arm) for name, arm in arms_of(NAME).items()}
        return dict.fromkeys(KINDS, missing) | arms

    def _missing(self, arm: Arm) -> Message | None:
        lacking = self._containerd.missing(arm)
        if lacking is None and drops_environment(arm) and self._sets_variables:
            # The program would see the shim's variables: it could not be told what to do.
            return Message(code="engine.shim-drops-environment", params={"arm": arm.name})
        return lacking

    def tools(self) -> tuple[Tool, ...]:
        """Return the client, the shims and the runtimes."""
        return self._containerd.tools

    def prepare(self, arm: str, artifact: Artifact, out_dir: Path) -> Artifact:
        """Return the image as it is.  Raises: SubmissionError if it would run in another mode than the arm's."""
        check_mode(arm, artifact, WASM)
        return artifact

    def command(
        self, arm: str, artifact: Artifact | None, probe: Probe, limits: Limits, get: HttpGet | None = None
    ) -> Command:
        """Return the line of `ctr run`, without what is only of one run.

        Raises: ValueError for an arm of another engine, and for a request where none or one is wanted.
        """
        if artifact is None or arm not in arms_of(NAME):
            raise ValueError(f"{self.name} cannot run {arm}")
        wanted = host_platform() if ARMS[arm].mode == "native" else WASM
        found, env, words = declared(artifact, wanted), variables(probe, get), arguments(probe)
        if found is not None and words:  # what stands behind the id replaces all that the image would run
            words = (*found.config.entrypoint, *words)
        options = (
            *_runtime(ARMS[arm]),
            "--platform",
            str(found.platform if found is not None else wanted),
            *caps(limits, found, ARMS[arm]),
            *(word for name in env for word in ("--env", f"{name}={env[name]}")),
        )
        image = f"sha256:{artifact.sha256}"
        argv = ("ctr", "run", "--rm", *options, image, CONTAINER, *words)
        binds = (Bind(source=artifact.path, target=image),)
        return Command(argv=argv, binds=binds, limits=limits, engine=self.name)


def caps(limits: Limits, image: ArchivedImage | None, arm: Arm) -> tuple[str, ...]:
    """Return the options that keep a container to its limits; how many processes it has is its parent group's cap.

    New privileges and a network are what `ctr` gives no container by itself.
    """
    folders, size = writable(limits, image)
    dropped = [name for name in _CAPABILITIES if name != _HARMLESS or arm.runtime == _RUNC]
    mounts = (f"type=tmpfs,src=tmpfs,dst={folder},options=nosuid:nodev:size={size}" for folder in folders)
    return (
        "--read-only",
        "--seccomp",
        *(word for name in dropped for word in ("--cap-drop", f"CAP_{name}")),
        "--memory-limit",
        str(limits.memory_bytes),
        "--cpus",
        str(cpus()),
        *(word for mount in mounts for word in ("--mount", mount)),
    )


def _runtime(arm: Arm) -> tuple[str, ...]:
    binary = ("--runc-binary", arm.binary) if arm.binary else ()
    return ("--runtime", arm.runtime, *binary, *(("--annotation", arm.annotation) if arm.annotation else ()))


def drops_environment(arm: Arm) -> bool:
    """Return whether an arm's program gets other variables than its container: WASM shims start native ones so."""
    return arm.mode == "native" and arm.runtime not in ("", _RUNC)


def _shim_name(runtime: str) -> str:
    """Return the program of a runtime.  Source: containerd, runtime/v2/shim/util.go `BinaryName`."""
    *_, name, version = runtime.split(".")
    return f"containerd-shim-{name}-{version}"


def _tool(path: Path) -> Tool:
    """Return a runtime with its version, which some shims do not tell: their digest does."""
    for argument in ("--version", "-v"):
        try:
            return tool(path.name, path, (str(path), argument))
        except HostError:
            continue
    return Tool(name=path.name, version="unknown", sha256=file_digest(path))
