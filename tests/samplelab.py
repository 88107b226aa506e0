"""A small lab in the shape of a real one, a submission for it, and an engine that serves both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grader.model.base import Message
from grader.model.image import ImageResult, ImageSize
from grader.model.lab import BuildSource, Lab
from grader.model.run import BuildResult, Completed, MemoryReading
from grader.model.submission import Manifest, ManifestEntry, Submission
from grader.testing import FakeEngine, FakeImages, FakeServer, artifact_file, completed, image_file

NOW = 1_764_272_795.0

Build = Callable[[BuildSource, Path], BuildResult]

INSTANT = [{"key": "timestamp", "within_s": 2}, {"key": "local", "offset": "+03:00", "same_instant_as": "timestamp"}]


def small_lab(**changes: object) -> Lab:
    """Two subjects with one probe, three timed arms, and metrics of every source."""
    size = {"unit": "byte", "tolerance": "printed"}
    usable = {"unit": "second", "tolerance": "usable", "source": "timing", "probe": "once"}
    both = {"native": ["docker", "process"], "wasm": ["ctr-wasmtime", "wasmtime"]}
    lab: dict[str, object] = {
        "schema": "grader/lab/1",
        "id": "small",
        "version": "1",
        "title": "Small",
        "subjects": ["native", "wasm"],
        "parameters": {"rounds": 8, "warmups": 2, "seed": 7},
        "inputs": {"roots": ["."], "reports": ["report.md"], "sources": ["main.go"]},
        "toolchains": {"go": "1.21.13"},
        "steps": {
            "native": {
                "first_of": [
                    {
                        "kind": "dockerfile",
                        "file": "Dockerfile",
                        "command": "go build",
                        "tool": "go",
                        "allow": ["-trimpath", "-ldflags", "-o"],
                        "env": {"CGO_ENABLED": "0"},
                    }
                ]
            },
            "wasm": {
                "first_of": [
                    {"kind": "file", "file": "main.wasm"},
                    {
                        "kind": "tool",
                        "tool": "go",
                        "argv": ["build", "-trimpath", "-o", "main.wasm", "main.go"],
                        "env": {"GOOS": "wasip1", "GOARCH": "wasm"},
                        "output": "main.wasm",
                        "comparable": False,
                    },
                ]
            },
        },
        "probes": {
            "once": {
                "kind": "stdout_json",
                "metric": "cli_output",
                "env": {"MODE": "once"},
                "checks": INSTANT,
                "arms": {"native": ["process"], "wasm": ["wasmtime"]},
            },
            "server": {
                "kind": "http",
                "metric": "server_mode",
                "port": 8080,
                "get": [{"path": "/", "type": "text/html"}],
                "arms": {"native": ["process"]},
            },
        },
        "metrics": {
            "binary_size": {
                **size,
                "source": "artifact",
                "arms": {"native": ["build"], "wasm": ["committed", "build"]},
            },
            "image_size": {**size, "source": "image", "arms": {"native": ["docker"]}},
            "startup_time": {**usable, "arms": both},
            "first_output_time": {**usable, "arms": both},
            "memory_idle": {**usable, "unit": "byte", "source": "memory", "probe": "server", "arms": both},
            "cli_output": {"unit": None, "tolerance": "value", "source": "probe", "probe": "once", "arms": both},
            "server_mode": {
                "unit": None,
                "tolerance": "value",
                "source": "probe",
                "probe": "server",
                "arms": {"native": ["process"]},
            },
        },
        "timing": {
            "probe": "once",
            "arms": {"native": ["process"], "wasm": ["wasmtime"]},
            "control": "sandbox-noop",
            "ratios": ["process/wasmtime", "docker/ctr-wasmtime"],
        },
        "table": {
            "columns": {
                "metric": ["metric"],
                "subjects": {"native": ["native"], "wasm": ["wasm"]},
                "derived": ["ratio"],
            },
            "rows": [{"key": "size", "labels": ["size"], "metric": "binary_size"}],
        },
        "handed_in": {"t1": {"files": ["main.go"]}},
        "rubric": [
            {
                "id": "r1",
                "task": "t1",
                "points": 1,
                "evidence": "executed",
                "from": ["native.cli_output"],
                "title": "runs",
            }
        ],
    }
    return Lab.model_validate(lab | changes)


ROUTES = [
    {"path": "/", "type": "text/html"},
    {"path": "/api/time", "type": "application/json", "checks": INSTANT},
]


def serving_lab(**changes: object) -> Lab:
    """The small lab with a server that WASM cannot be, CGI programs, peaks of memory, and a row that needs them."""
    base = small_lab().model_dump(mode="json", by_alias=True)
    here = {"native": ["process"], "wasm": ["wasmtime"]}
    usable = {"tolerance": "usable", "arms": here}
    text = {"unit": None, "tolerance": "value", "source": "probe", "arms": here}
    server = {
        "kind": "http",
        "metric": "server_mode",
        "port": 8080,
        "get": ROUTES,
        "expect_failure": {"wasm": ["Netdev not set", "all goroutines are asleep"]},
        "arms": here,
    }
    base["probes"] |= {
        "server": server,
        "wagi": {"kind": "cgi", "metric": "wagi_output", "get": ROUTES, "arms": here},
    }
    base["metrics"] |= {
        "memory_idle": {**usable, "unit": "byte", "source": "memory", "probe": "server"},
        "memory_peak": {**usable, "unit": "byte", "source": "memory", "probe": "once"},
        "first_answer_time": {**usable, "unit": "second", "source": "answer", "probe": "server"},
        "server_mode": {**text, "probe": "server"},
        "wagi_output": {**text, "probe": "wagi"},
    }
    reduction = {"id": "memory_idle.reduction", "formula": "(native - wasm) / native", "unit": "percent"}
    row = {"key": "memory", "labels": ["memory"], "metric": "memory_idle", "instead": "memory_peak"}
    base["table"]["rows"].append({**row, "derived": reduction})
    return Lab.model_validate(base | changes)


def container_lab(**changes: object) -> Lab:
    """The small lab with images, and arms of three engines."""
    base = small_lab().model_dump(mode="json", by_alias=True)
    base["images"] = {
        "native": {"file": "Dockerfile", "platform": "linux", "bases": ["golang"]},
        "wasm": {"file": "Dockerfile.wasm", "platform": "wasi/wasm", "artifact": "main.wasm"},
    }
    sizes = {"native": ["docker"], "wasm": ["oci"]}
    base["metrics"]["image_size"] |= {"arms": sizes, "notions": ["docker_images", "content", "ctr_ls", "unpacked"]}
    base["metrics"]["binary_size"]["arms"]["native"] = ["docker", "build"]
    base["probes"]["once"]["arms"] = {"native": ["process", "docker"], "wasm": ["wasmtime", "ctr-wasmtime"]}
    del base["probes"]["server"], base["metrics"]["server_mode"], base["metrics"]["memory_idle"]
    base["timing"] |= {
        "arms": {"native": ["docker", "ctr-runc", "process"], "wasm": ["ctr-wasmtime", "wasmtime"]},
        "ratios": ["docker/ctr-wasmtime", "ctr-runc/ctr-wasmtime", "docker/ctr-runc", "process/wasmtime"],
    }
    return Lab.model_validate(base | changes)


def container_engine(
    name: str, *arms: str, runs: Mapping[str, Callable[[], Completed]] | None = None, **changes: object
) -> FakeEngine:
    """Return the fake of a daemon that runs these arms as it should."""
    right = {arm: lambda: completed(right_output()) for arm in arms} | dict(runs or {})
    return FakeEngine(builds={}, runs=right, name=name, **changes)  # type: ignore[arg-type]


def size(notion: str, size_bytes: int) -> ImageSize:
    """Return a size of an image in one notion."""
    return ImageSize.model_validate({"notion": notion, "size_bytes": size_bytes, "method": f"how {notion}"})


def image_builder(**changes: object) -> FakeImages:
    """Return a builder that makes both images."""
    made = {"native": (size("docker_images", 900), size("content", 400)), "wasm": (size("content", 80),)}

    def build(subject: str) -> Callable[[Path], ImageResult]:
        def give(out_dir: Path) -> ImageResult:
            image = image_file(out_dir, subject, *made[subject], archive=f"image of {subject}".encode())
            return ImageResult(subject=subject, state="built", image=image, argv=("/build-image",))

        return give

    return FakeImages({"native": build("native"), "wasm": build("wasm")}, **changes)  # type: ignore[arg-type]


def submission(folder: Path, files: Mapping[str, bytes] | None = None) -> Submission:
    """Write a submission's files and return its record, as freezing would."""
    folder.mkdir(parents=True, exist_ok=True)
    files = (
        {"main.go": b"package main", "Dockerfile": b"FROM golang:1.21", "report.md": b"# r"} if files is None else files
    )
    entries = []
    for path, data in sorted(files.items()):
        (folder / path).write_bytes(data)
        entries.append(ManifestEntry(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
    return Submission(
        id="s-00000000",
        source="directory",
        manifest=Manifest(entries=tuple(entries)),
        frozen_dir=str(folder),
        report_path="report.md",
    )


def right_output(now: float = NOW) -> str:
    """What a right program prints at a Unix time."""
    local = datetime.fromtimestamp(now, UTC) + timedelta(hours=3)
    return json.dumps({"timestamp": int(now), "local": f"{local:%Y-%m-%d %H:%M:%S}"})


def engine(
    *,
    builds: Mapping[str, Build] | None = None,
    runs: Mapping[str, Callable[[], Completed]] | None = None,
    missing: Mapping[str, Message] | None = None,
    cgi: Mapping[str, Callable[[str], Completed]] | None = None,
    servers: Mapping[str, Callable[[], FakeServer]] | None = None,
    peaks: Mapping[str, tuple[MemoryReading, ...]] | None = None,
) -> FakeEngine:
    """Return an engine that builds both subjects and whose programs are right at `NOW`.

    It serves, asks CGI programs and reads peaks only where it is given how these end.
    """

    def build(subject: str) -> Build:
        def made(source: BuildSource, out_dir: Path) -> BuildResult:
            label = "committed" if source.kind == "file" else "build"
            artifact = artifact_file(out_dir, subject, f"program {subject}".encode(), label=label)
            state = "committed" if source.kind == "file" else "built"
            return BuildResult.model_validate(
                {"subject": subject, "label": label, "state": state, "artifact": artifact, "argv": ("/build",)}
            )

        return made

    def right() -> Completed:
        return completed(right_output())

    absent = {
        "arm:docker": Message(code="no-docker"),
        "arm:ctr-wasmtime": Message(code="no-ctr"),
    }
    absent |= {} if servers else {"probe:http": Message(code="no-http")}
    absent |= {} if cgi else {"probe:cgi": Message(code="no-cgi")}
    # A server's memory is read by the server itself, so an engine with servers has that too.
    absent |= {} if peaks or servers else {"memory": Message(code="no-memory")}
    return FakeEngine(
        builds={"native": build("native"), "wasm": build("wasm")} | dict(builds or {}),
        runs={"process": right, "wasmtime": right, "sandbox-noop": completed} | dict(runs or {}),
        missing=absent | dict(missing or {}),
        cgi=cgi,
        servers=servers,
        peaks=peaks,
    )
