"""The closed set of arms, each with the engine that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from grader.model.grade import Mode

ENGINE_OF_ARM: Mapping[str, str] = MappingProxyType(
    {
        # An artifact's size needs no engine once the file is there.
        "build": "artifact",
        "committed": "artifact",
        "oci": "image",
        "process": "embedded",
        "wasmtime": "embedded",
        "wasmtime-cached": "embedded",
        "wasmtime-aot": "embedded",
        "sandbox-noop": "embedded",
        "docker": "docker",
        "docker-nonet": "docker",
        "ctr-runc": "containerd",
        "ctr-wasmtime": "containerd",
        "ctr-wasmedge": "containerd",
        "ctr-crun-wasmedge": "containerd",
        "shim-native": "containerd",
        "spin": "spin",
    }
)
"""A new arm is a new line here and an engine that knows it; a lab names arms and never engines."""

MODE_OF_ARM: Mapping[str, Mode] = MappingProxyType(
    {
        "process": "native",
        "sandbox-noop": "native",
        "wasmtime": "jit",
        "wasmtime-cached": "jit-cached",
        "wasmtime-aot": "aot",
    }
)
"""How an arm runs code, where the arm alone says so."""
