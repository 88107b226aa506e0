"""A small lab in English and Russian for the tests of reading."""

from __future__ import annotations

import pytest

from grader.model.lab import Lab


def small_lab() -> Lab:
    """Return a lab with two subjects, four measured rows and one that is only known."""
    both = {"native": ["docker"], "wasm": ["wasmtime"]}

    def metric(unit: str, source: str, **more: object) -> dict[str, object]:
        return {"unit": unit, "arms": both, "tolerance": "usable", "source": source, **more}

    def row(key: str, labels: list[str], derived: str, formula: str, unit: str) -> dict[str, object]:
        return {
            "key": key,
            "metric": key,
            "labels": labels,
            "derived": {"id": f"{key}.{derived}", "formula": formula, "unit": unit},
        }

    reduction = "(native - wasm) / native"
    return Lab.model_validate(
        {
            "schema": "grader/lab/1",
            "id": "small",
            "version": "1",
            "title": "Small",
            "subjects": ["native", "wasm"],
            "inputs": {"roots": ["."], "reports": ["report.md"], "sources": ["main.go"]},
            "toolchains": {},
            "steps": {},
            "probes": {},
            "metrics": {
                "binary_size": metric("byte", "artifact"),
                "image_size": metric(
                    "byte", "image", notions=["docker_images", "docker_inspect", "ctr_ls", "oci_archive"]
                ),
                "startup_time": metric("second", "timing"),
                "memory_idle": metric("byte", "memory", notions=["docker_stats", "cgroup"]),
            },
            "timing": {"probe": "once", "arms": {}},
            "table": {
                "columns": {
                    "metric": ["metric", "метрика"],
                    "subjects": {
                        "native": ["traditional container", "traditional", "container", "традиционный", "контейнер"],
                        "wasm": ["wasm", "webassembly"],
                    },
                    "derived": ["improvement", "difference", "delta", "разница"],
                    "other": ["notes", "примечан"],
                },
                "rows": [
                    row("binary_size", ["binary size", "binary", "бинарный файл"], "reduction", reduction, "percent"),
                    row("image_size", ["image size", "image", "размер образа"], "reduction", reduction, "percent"),
                    row("startup_time", ["startup time", "startup", "запуск"], "ratio", "native / wasm", "ratio"),
                    row("memory_idle", ["memory", "память"], "reduction", reduction, "percent"),
                    {"key": "base_image", "labels": ["base image", "базовый образ"]},
                ],
            },
            "texts": [{"id": "tinygo.version", "pattern": r"tinygo version (?P<value>\d+\.\d+\.\d+)"}],
            "outputs": [{"id": "native.cli_output", "keys": ["moscow_time", "timestamp"], "key": "moscow_time"}],
            "handed_in": {},
            "rubric": [{"id": "t1.words", "task": "t1", "points": 1, "evidence": "review", "title": "Words"}],
        }
    )


STATEMENTS = {
    "subjects": {"native": ["traditional", "task 2"], "wasm": ["wasm", "app.wasm", "task 3"]},
    "words": {"startup_time": ["startup benchmark"]},
    "quantities": [
        {"id": "cloud.cold_time", "unit": "second", "words": ["cold start", "cold"], "about": ["cloud"]},
        {"id": "cloud.deploy_time", "unit": "second", "words": ["deployment", "deploy"], "about": ["cloud"]},
    ],
    "commands": [
        {"pattern": r"\btime\b.*\bcloud deploy", "id": "cloud.deploy_time", "once": True},
        {"pattern": r"wasmtime run", "id": "wasm.startup_time"},
        {"pattern": r"docker run", "id": "native.startup_time"},
        {"pattern": r"image inspect", "id": "native.image_size", "notion": "docker_inspect"},
    ],
    "listings": [
        {"kind": "files", "name": r"(^|[/\\])app\.wasm$", "id": "wasm.binary_size"},
        {"kind": "files", "name": r"(^|[/\\])app$", "id": "native.binary_size"},
        {"kind": "docker_images", "name": "^app", "id": "native.image_size"},
        {"kind": "docker_stats", "id": "native.memory_idle"},
        {"kind": "ctr_images", "name": "app-wasm", "id": "wasm.image_size"},
    ],
}


@pytest.fixture(scope="session")
def lab() -> Lab:
    return small_lab()


@pytest.fixture(scope="session")
def spoken() -> Lab:
    """Return the same lab with words for text and pasted output."""
    return Lab.model_validate({**small_lab().model_dump(by_alias=True), "statements": STATEMENTS})
