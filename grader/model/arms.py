"""The closed set of arms: what each runs, on which engine, and how."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from grader.model.base import Record
from grader.model.grade import Mode

EngineName = Literal["artifact", "image", "embedded", "docker", "containerd", "spin"]

Runs = Literal["artifact", "image", "nothing"]


class Arm(Record):
    """One way to run the workload.

    `engine` is who runs it; `artifact` and `image` stand for what needs nobody: the size of a file is there once the
    file is.  `runs` is what is started: the subject's artifact, its image, or nothing of a submission's.
    `mode` says how its code is run, where the arm alone says so; `container` whether a container is started for it.
    `runtime` is containerd's own name of what starts it, `annotation` what its container is marked with, `binary` the
    program that a runtime for several programs starts; `network` is what a container sees of the world: a bridge with
    no way out, or nothing.
    """

    name: str
    engine: EngineName
    mode: Mode | None = None
    runs: Runs = "artifact"
    container: bool = False
    runtime: str = ""
    annotation: str = ""
    binary: str = ""
    network: Literal["", "internal", "none"] = ""


_RUNC = "io.containerd.runc.v2"
_COMPAT = "module.wasm.image/variant=compat"


def _container(name: str, engine: EngineName, mode: Mode, **changes: str) -> Arm:
    return Arm.model_validate(
        {"name": name, "engine": engine, "mode": mode, "runs": "image", "container": True, "network": "none"} | changes
    )


_ALL = (
    Arm(name="build", engine="artifact"),
    Arm(name="committed", engine="artifact"),
    Arm(name="oci", engine="image", runs="image"),
    Arm(name="process", engine="embedded", mode="native"),
    Arm(name="wasmtime", engine="embedded", mode="jit"),
    Arm(name="wasmtime-cached", engine="embedded", mode="jit-cached"),
    Arm(name="wasmtime-aot", engine="embedded", mode="aot"),
    Arm(name="sandbox-noop", engine="embedded", mode="native", runs="nothing"),
    _container("docker", "docker", "native", network="internal"),
    _container("docker-nonet", "docker", "native"),
    _container("ctr-runc", "containerd", "native", runtime=_RUNC),
    _container("ctr-wasmtime", "containerd", "jit", runtime="io.containerd.wasmtime.v1"),
    _container("ctr-wasmedge", "containerd", "interpreted", runtime="io.containerd.wasmedge.v1"),
    _container(
        "ctr-crun-wasmedge",
        "containerd",
        "interpreted",
        runtime=_RUNC,
        binary="crun",
        annotation=_COMPAT,
    ),
    _container("ctr-crun-wasmedge-aot", "containerd", "aot", runtime=_RUNC, binary="crun", annotation=_COMPAT),
    _container("shim-native", "containerd", "native", runtime="io.containerd.wasmtime.v1"),
    Arm(name="spin", engine="spin"),
)

ARMS: Mapping[str, Arm] = MappingProxyType({arm.name: arm for arm in _ALL})
"""A new arm is a new line here and an engine that knows it; a lab names arms and never engines."""

ENGINE_OF_ARM: Mapping[str, str] = MappingProxyType({arm.name: arm.engine for arm in _ALL})

MODE_OF_ARM: Mapping[str, Mode] = MappingProxyType({arm.name: arm.mode for arm in _ALL if arm.mode is not None})
"""How an arm runs code, where the arm alone says so."""


def runs_image(arm: str) -> bool:
    """Return whether what is run on an arm is the subject's image rather than its artifact."""
    return ARMS[arm].runs == "image"


def in_container(arm: str) -> bool:
    """Return whether an arm starts a container; a grade from elsewhere may hold arms that are not known here."""
    return arm in ARMS and ARMS[arm].container
