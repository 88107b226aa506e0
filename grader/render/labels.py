"""Names for people in place of internal ids: arms, metrics, subjects, rows, claims and criteria.  Pure.

A lab's own names stand among its wordings, as `<kind>.<id>`: `subject.native`, `row.image_size`, `claim.spin.url`,
`title.t1.once`.  They come before those here, which every lab shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grader.model.base import Language, Scalar
from grader.model.lab import Lab

Own = Mapping[str, str] | None

NAMES: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "arm.build": "our own build",
        "arm.committed": "the file in the submission",
        "arm.ctr-crun-wasmedge": "containerd with crun and WasmEdge",
        "arm.ctr-runc": "containerd with runc",
        "arm.ctr-wasmedge": "containerd with the WasmEdge shim",
        "arm.ctr-wasmtime": "containerd with the wasmtime shim",
        "arm.docker": "Docker container",
        "arm.docker-nonet": "Docker container without a network",
        "arm.oci": "OCI image",
        "arm.process": "native process",
        "arm.sandbox-noop": "empty sandbox",
        "arm.shim-native": "native program under the WASM shim",
        "arm.spin": "Spin",
        "arm.wasmtime": "wasmtime",
        "arm.wasmtime-aot": "wasmtime, precompiled",
        "arm.wasmtime-cached": "wasmtime with its cache",
        "metric.binary_size": "binary size",
        "metric.cli_output": "output of one run",
        "metric.first_answer_time": "time to the first answer",
        "metric.first_output_time": "time to the first output",
        "metric.image_size": "image size",
        "metric.memory_idle": "memory of the idle server",
        "metric.memory_peak": "peak memory of one run",
        "metric.reduction": "reduction",
        "metric.server_mode": "server mode",
        "metric.startup_time": "start-up time",
        "metric.startup_time.ratio": "ratio of the start-up times",
        "metric.wagi_output": "answers to CGI requests",
        "mode.aot": "compiled beforehand",
        "mode.control": "control",
        "mode.interpreted": "interpreted",
        "mode.jit": "compiled at start",
        "mode.jit-cached": "compiled at start, cached",
        "mode.native": "native",
        "notion.cgroup": "cgroup",
        "notion.content": "size of the content",
        "notion.ctr_ls": "`ctr images ls`",
        "notion.disk_usage": "disk usage",
        "notion.docker_images": "`docker images`",
        "notion.docker_inspect": "`docker image inspect`",
        "notion.docker_stats": "`docker stats`",
        "notion.file": "size of the file",
        "notion.oci_archive": "OCI archive",
        "notion.smaps": "`smaps_rollup`",
        "probe.cgi": "CGI",
        "probe.http": "server",
        "probe.stdout_json": "command-line",
        "subject.derived": "difference",
        "subject.wasm": "WASM",
        "value.valid": "valid",
    },
    "ru": {
        "arm.build": "наша сборка",
        "arm.committed": "файл из работы",
        "arm.ctr-crun-wasmedge": "containerd с crun и WasmEdge",
        "arm.ctr-runc": "containerd с runc",
        "arm.ctr-wasmedge": "containerd с шимом WasmEdge",
        "arm.ctr-wasmtime": "containerd с шимом wasmtime",
        "arm.docker": "контейнер Docker",
        "arm.docker-nonet": "контейнер Docker без сети",
        "arm.oci": "образ OCI",
        "arm.process": "обычный процесс",
        "arm.sandbox-noop": "пустая песочница",
        "arm.shim-native": "обычная программа под шимом WASM",
        "arm.spin": "Spin",
        "arm.wasmtime": "wasmtime",
        "arm.wasmtime-aot": "wasmtime с готовым кодом",
        "arm.wasmtime-cached": "wasmtime с кэшем",
        "metric.binary_size": "размер бинарного файла",
        "metric.cli_output": "вывод одного запуска",
        "metric.first_answer_time": "время до первого ответа",
        "metric.first_output_time": "время до первого вывода",
        "metric.image_size": "размер образа",
        "metric.memory_idle": "память сервера в покое",
        "metric.memory_peak": "пик памяти за один запуск",
        "metric.reduction": "уменьшение",
        "metric.server_mode": "режим сервера",
        "metric.startup_time": "время запуска",
        "metric.startup_time.ratio": "отношение времён запуска",
        "metric.wagi_output": "ответы на запросы CGI",
        "mode.aot": "скомпилировано заранее",
        "mode.control": "для сравнения",
        "mode.interpreted": "интерпретатор",
        "mode.jit": "компиляция при запуске",
        "mode.jit-cached": "компиляция при запуске, с кэшем",
        "mode.native": "обычная программа",
        "notion.cgroup": "cgroup",
        "notion.content": "размер содержимого",
        "notion.ctr_ls": "`ctr images ls`",
        "notion.disk_usage": "место на диске",
        "notion.docker_images": "`docker images`",
        "notion.docker_inspect": "`docker image inspect`",
        "notion.docker_stats": "`docker stats`",
        "notion.file": "размер файла",
        "notion.oci_archive": "архив OCI",
        "notion.smaps": "`smaps_rollup`",
        "probe.cgi": "CGI",
        "probe.http": "сервер",
        "probe.stdout_json": "командная строка",
        "subject.derived": "разница",
        "subject.native": "обычная программа",
        "subject.wasm": "WASM",
        "value.valid": "верно",
    },
}


def own_words(lab: Lab, language: Language = "en") -> dict[str, str]:
    """Return a lab's own wordings and names in a language; titles that it has not translated stand as they are."""
    own = {f"title.{criterion.id}": criterion.title for criterion in lab.rubric}
    for row in lab.table.rows:
        if language == "en" or f"metric.{row.key}" not in NAMES[language]:
            own[f"row.{row.key}"] = row.labels[0]
    return {"lab.title": lab.title} | own | lab.messages.get(language, {})


def name_of(kind: str, identifier: str, own: Own = None, *, language: Language = "en") -> str:
    """Return the name of an id of some kind; the id itself in plain words if nobody has named it."""
    code = f"{kind}.{identifier}"
    return (own or {}).get(code) or NAMES[language].get(code) or identifier.replace("_", " ")


def arm_name(arm: str, own: Own = None, *, language: Language = "en") -> str:
    """Return the name of an arm, or of the arms of a ratio (`process/wasmtime`)."""
    return " / ".join(name_of("arm", one, own, language=language) for one in arm.split("/"))


def quantity_name(claim_id: str, own: Own = None, *, language: Language = "en") -> str:
    """Return what a claim's id stands for: `start-up time (native)`, `image size (difference)`, `TinyGo version`."""
    whole = (own or {}).get(f"claim.{claim_id}") or NAMES[language].get(f"claim.{claim_id}")
    if whole is not None:
        return whole
    first, dot, second = claim_id.partition(".")
    if not dot:
        return name_of("metric", claim_id, own, language=language)
    if f"metric.{first}" in {**NAMES[language], **(own or {})}:  # `<metric>.<derived>`; others: `<subject>.<metric>`
        first, second = "derived", first
    metric, subject = (name_of(k, i, own, language=language) for k, i in (("metric", second), ("subject", first)))
    return f"{metric} ({subject})"


def cell_name(cell: str, own: Own = None, *, language: Language = "en") -> str:
    """Return what a cell of the table is, from `row.column`."""
    row, _, column = cell.rpartition(".")
    return f"{row_name(row, own, language=language)} ({name_of('subject', column, own, language=language)})"


def row_name(key: str, own: Own = None, *, language: Language = "en") -> str:
    """Return the label of a row of the table; a row that the lab has not named is called as its metric."""
    return (own or {}).get(f"row.{key}") or name_of("metric", key, own, language=language)


def in_words(params: Mapping[str, Scalar], own: Own = None, *, language: Language = "en") -> dict[str, Scalar]:
    """Return the params of a message with names in place of the ids among them; data keep the ids."""
    return {name: _in_words(name, value, own, language) for name, value in params.items()}


def _in_words(name: str, value: Scalar, own: Own, language: Language) -> Scalar:
    if not isinstance(value, str):
        return value
    if name in ("ids", "cells", "rows"):
        name_one = {"ids": quantity_name, "cells": cell_name, "rows": row_name}[name]
        return ", ".join(name_one(one, own, language=language) for one in value.split(", "))
    name_it = _NAMED.get(name)
    return name_it(value, own, language) if name_it is not None else value


def _kind(kind: str) -> Callable[[str, Own, Language], str]:
    return lambda identifier, own, language: name_of(kind, identifier, own, language=language)


_NAMED: Mapping[str, Callable[[str, Own, Language], str]] = {
    "arm": lambda arm, own, language: arm_name(arm, own, language=language),
    "id": lambda claim_id, own, language: quantity_name(claim_id, own, language=language),
    "instead": _kind("metric"),
    "kind": _kind("probe"),
    "label": lambda arm, own, language: arm_name(arm, own, language=language),
    "need": _kind("title"),
    "notion": _kind("notion"),
    "own": lambda arm, own, language: arm_name(arm, own, language=language),
    "subject": _kind("subject"),
}
"""Which params of messages hold ids; a new message that speaks of an arm calls its param `arm`."""
