"""`grader bench --image` as people meet it, in real containers: what it measures, refuses, and leaves behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from grader.adapters.imagelayout import Layout, Member, Settings
from tests.adapters.containers import BUSYBOX, PLATFORM
from tests.e2e.conftest import ROOT, Grader, Run
from tests.engines.engines import Engines, missing, running
from tests.engines.wasm import ECHO, wasm_archive
from tests.images import docker_save, tar

pytestmark = [pytest.mark.serial, pytest.mark.once, pytest.mark.timeout(300)]

NAME = "theirs/app:1"
SERVE = (
    r"""trap 'exit 0' TERM; while :; do printf 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello'"""
    " | busybox nc -l -p 8080; done & wait"
)
SCRIPT = f'case "$MODE" in once) echo "MODE=$MODE";; serve) {SERVE};; *) exit 7;; esac'

Bench = Callable[..., Run]


def save(path: Path, script: str) -> Path:
    """Write an image of a shell script as `docker save` does, named as somebody's own."""
    files: dict[str, bytes | tuple[str, str]] = {"bin/busybox": BUSYBOX.read_bytes(), "tmp/.keep": b""}
    config = {"Entrypoint": ["/bin/busybox", "sh", "-c", script], "Env": ["PATH=/bin"]}
    docker_save(path, PLATFORM, [tar(files, mode=0o755)], config, tags=(NAME,))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("native") / "app.tar", SCRIPT)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of a module that prints its environment."""
    return wasm_archive(tmp_path_factory.mktemp("module") / "wasm", "made/here:1", ECHO)


@pytest.fixture
def bench(engines: Engines, grader: Grader) -> Bench:
    def run(*options: object, env: dict[str, str] | None = None) -> Run:
        return grader("bench", "--json", "--quiet", *options, env=engines.environ | (env or {}))

    return run


def arms(run: Run) -> dict[str, Any]:
    return {arm["name"]: arm for arm in json.loads(run.stdout)["arms"]}


def there(engines: Engines) -> tuple[str, ...]:
    """Return what the daemons hold: images with their ids and names, containers, networks, namespaces, their images."""
    docker, ctr = engines.docker, "ctr"
    asked = (
        (docker, "images", "--all", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"),
        (docker, "ps", "--all", "--quiet"),
        (docker, "network", "ls", "--format", "{{.Name}}"),
        (ctr, "namespaces", "ls", "-q"),
        (ctr, "--namespace", "default", "images", "ls", "-q"),
    )
    # Docker makes its namespace in containerd when it needs it first.
    return tuple("\n".join(sorted({*engines.run(*words).stdout.split("\n")} - {"moby"})) for words in asked)


@pytest.mark.usefixtures("wasm_shim")
def test_images_are_compared_on_all_arms_and_leave_nothing_in_the_daemons(
    engines: Engines, bench: Bench, archive: Path, module: Path, tmp_path: Path
) -> None:
    """The archive's own name is that of another image here, which must keep it."""
    engines.run(engines.docker, "load", "--input", str(save(tmp_path / "other.tar", "exit 9")))
    engines.run("ctr", "images", "import", "--platform", "wasi/wasm", str(module))
    before = there(engines)
    files = {name: tmp_path / name for name in ("runs.csv", "hyperfine.json", "runs.svg")}
    run = bench(
        *("--image", archive, "--image", "made/here:1", "--arms", "docker,ctr-runc,ctr-wasmtime", "--rounds", 6),
        *("--env", "MODE=once", "--expect-regex", "MODE=once", "--memory", "--baseline", "ctr-wasmtime"),
        *("--export-csv", files["runs.csv"], "--export-hyperfine", files["hyperfine.json"]),
        *("--plot", files["runs.svg"]),
    )
    assert run.code == 0, run.stderr
    assert there(engines) == before
    result, found = json.loads(run.stdout), arms(run)
    assert {name: (arm["state"], arm["n"]) for name, arm in found.items()} == dict.fromkeys(
        ("docker", "ctr-runc", "ctr-wasmtime"), ("measured", 6)
    )
    assert all(arm["memory_peak"]["median"] > 100_000 for arm in found.values())
    assert (result["memory"]["notion"], result["memory"]["floor_bytes"]) == ("cgroup", None)
    images = {name: (arm["image"]["platform"], arm["image"]["mode"]) for name, arm in found.items()}
    assert images == {
        "docker": (PLATFORM, "native"), "ctr-runc": (PLATFORM, "native"), "ctr-wasmtime": ("wasi/wasm", "jit"),
    }  # fmt: skip
    assert found["docker"]["image"]["digest"] == found["ctr-runc"]["image"]["digest"]
    pairs = [(ratio["numerator"], ratio["denominator"]) for ratio in result["ratios"]]
    assert pairs == [("docker", "ctr-wasmtime"), ("ctr-runc", "ctr-wasmtime"), ("docker", "ctr-runc")]
    assert [note["code"] for note in result["notes"]] == ["bench.two-engines"]
    assert all(path.stat().st_size > 0 for path in files.values())


def test_a_module_that_would_run_in_another_mode_than_the_arms_is_refused(
    archive: Path, grader: Grader, tmp_path: Path
) -> None:
    """The shim only has to be there: nothing is started."""
    if why := missing():
        pytest.skip(f"needs: containers: {why}")
    shims, layout = tmp_path / "shims", Layout(tmp_path)
    shims.mkdir()
    shutil.copy("/bin/true", shims / "containerd-shim-wasmedge-v1")
    layer = layout.layer([Member("app.wasm", bytes(wat2wasm(ECHO)) + b"\0\x0b\x08wasmedge\1\2")])
    layout.image("a/b:1", [layer], Settings(os="wasi", architecture="wasm", entrypoint=("/app.wasm",)))
    layout.archive(tmp_path / "compiled.tar")
    images = ("--image", archive, "--image", tmp_path / "compiled.tar")
    with running(shims=shims) as engines, engines.inside():
        run = grader("bench", *images, "--arms", "ctr-runc,ctr-wasmedge", "--env", "MODE=once", env=engines.environ)
    assert run.code == 2, run.stderr
    assert "`ctr-wasmedge` cannot run" in run.stderr
    assert "would interpret nothing" in run.stderr
    assert "ctr-crun-wasmedge-aot" in run.stderr


def test_an_arm_that_fails_has_no_number_and_the_others_are_printed(
    bench: Bench, archive: Path, tmp_path: Path
) -> None:
    broken = save(tmp_path / "broken.tar", "echo no; echo why >&2; exit 7")
    images = ("--image", archive, "--image", f"ctr-runc={broken}")
    run = bench(*images, "--arms", "docker-nonet,ctr-runc", "--env", "MODE=once", "--rounds", 1)
    assert run.code == 3
    found = arms(run)
    assert (found["docker-nonet"]["state"], found["ctr-runc"]["state"]) == ("measured", "failed")
    failure = found["ctr-runc"]["failure"]
    assert (failure["exit"], "why" in failure["tail"], found["ctr-runc"]["total"]) == (7, True, None)


def test_a_server_is_asked_at_the_port_that_it_has_in_its_container(bench: Bench, archive: Path) -> None:
    options = ("--ready", "http://localhost:8080/", "--expect-regex", "hello", "--env", "MODE=serve")
    run = bench("--image", archive, "--arms", "docker,ctr-runc", "--state", "first", *options)
    assert run.code == 0, run.stderr
    assert {name: arm["start"] is not None for name, arm in arms(run).items()} == {"docker": True, "ctr-runc": True}


@pytest.mark.usefixtures("wasm_shim")
def test_a_native_program_under_a_shim_is_told_by_words_alone(bench: Bench, tmp_path: Path) -> None:
    own = save(tmp_path / "app.tar", 'echo "$0"')
    options = ("--image", own, "--arms", "shim-native", "--rounds", 1)
    refused = bench(*options, "--env", "MODE=once")
    assert (refused.code, "its own environment" in refused.stderr) == (2, True)
    run = bench(*options, "--args", "once", "--expect-regex", "^once$")
    assert run.code == 0, run.stdout
    assert [note["code"] for note in json.loads(run.stdout)["notes"]] == ["bench.shim-variables"]
    assert arms(run)["shim-native"]["image"]["own_variables"] is False


@pytest.mark.parametrize(
    ("options", "env", "code", "said"),
    [
        (("--image", "{module}", "--arms", "docker"), {}, 2, "only for wasi/wasm"),
        (("--image", "{archive}", "--image", "{module}", "--arms", "ctr-runc"), {}, 2, "no arm runs"),
        (("--image", "gone:1", "--arms", "docker,ctr-runc"), {}, 2, "there is no image `gone:1`"),
        (("--image", "{archive}", "--arms", "ctr-wasmedge"), {}, 3, "containerd-shim-wasmedge-v1"),
        (("--image", "{archive}", "--arms", "docker", "--state", "file-cold"), {}, 2, "lie with a daemon"),
        (("--image", "{archive}", "--arms", "docker"), {"DOCKER_HOST": "unix:///nobody"}, 3, "cannot be reached"),
        (("--image", "{archive}", "--arms", "ctr-runc"), {"CONTAINERD_ADDRESS": "/nobody"}, 3, "cannot be reached"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_message(
    bench: Bench, archive: Path, module: Path, options: tuple[str, ...], env: dict[str, str], code: int, said: str
) -> None:
    run = bench(*(word.format(archive=archive, module=module) for word in options), env=env)
    assert (run.code, run.stdout) == (code, "")
    assert said in run.stderr
    assert len(run.stderr.splitlines()) <= 2


def test_an_interrupt_leaves_nothing_in_the_daemons(
    engines: Engines, environment: dict[str, str], archive: Path, tmp_path: Path
) -> None:
    before = there(engines)
    samples = tmp_path / "samples.jsonl"
    argv = [sys.executable, "-m", "grader", "bench", "--image", str(archive), "--arms", "docker,ctr-runc"]
    argv += ["--env", "MODE=once", "--rounds", "500", "--samples", str(samples)]
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment | engines.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            while not (samples.exists() and samples.read_bytes().count(b'{"sample":') >= 2):
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate()
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert "kept in" in err
    assert there(engines) == before
