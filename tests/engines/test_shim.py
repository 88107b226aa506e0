"""A WASM container runs under the shim of these tests as under upstream's (docs of the crate; exit codes measured)."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.engines import PROGRAMS, Engines
from tests.engines.wasm import ECHO, TRAP, wasm_archive

pytestmark = [pytest.mark.serial, pytest.mark.once]

NAMESPACE = "lab-grader-shim-tests"
Run = Callable[..., "subprocess.CompletedProcess[str]"]
numbers = itertools.count()


@pytest.fixture
def run(engines: Engines, wasm_shim: Path, tmp_path: Path) -> Run:
    """Run a program in a WASM container to its end: `run(text, *arguments, options=...)`."""
    ctr = (PROGRAMS["ctr"], "--namespace", NAMESPACE)

    def run(text: str, *arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        name = f"example.org/wasm-{next(numbers)}:1"
        (tmp_path / "layout").mkdir()
        archive = wasm_archive(tmp_path / "layout", name, text, env=("FROM_IMAGE=yes",))
        engines.run(*ctr, "images", "import", "--platform=wasi/wasm", str(archive))
        argv = (*ctr, "run", "--rm", "--runtime", "io.containerd.wasmtime.v1", "--platform", "wasi/wasm", *options)
        command = ("/app.wasm", *arguments) if arguments else ()
        return engines.run(*argv, name, f"run-{next(numbers)}", *command, check=False)

    return run


def test_a_module_gets_the_images_environment_and_that_of_the_run_and_no_other(run: Run) -> None:
    done = run(ECHO, options=("--env", "MODE=once"))
    assert done.returncode == 0, done.stderr
    said = done.stdout.rstrip("\0").split("\0")
    assert {"FROM_IMAGE=yes", "MODE=once"} <= set(said)
    assert {text.partition("=")[0] for text in said} <= {"FROM_IMAGE", "MODE", "PATH", "HOSTNAME", "/app.wasm"}
    assert said[-1] == "/app.wasm"


def test_a_module_gets_its_arguments_and_its_exit_code_is_the_containers(run: Run) -> None:
    done = run(ECHO, "one", "two words", "three")
    assert done.stdout.split("\0")[-5:] == ["/app.wasm", "one", "two words", "three", ""]
    assert done.returncode == 3


def test_a_trap_ends_as_if_it_was_killed(run: Run) -> None:
    assert run(TRAP).returncode == 137


def test_an_exit_code_that_wasmtime_refuses_ends_as_if_it_was_killed(run: Run) -> None:
    assert run(ECHO, *["x"] * 126).returncode == 137


def test_what_is_no_module_is_refused_by_name(run: Run, engines: Engines) -> None:
    done = run(ECHO, options=("--label", "unused=1"))
    assert done.returncode == 0, done.stderr
    argv = (PROGRAMS["ctr"], "--namespace", NAMESPACE, "run", "--rm", "--runtime", "io.containerd.wasmtime.v1")
    image = engines.run(PROGRAMS["ctr"], "--namespace", NAMESPACE, "images", "ls", "-q").stdout.split()[-1]
    missing = engines.run(*argv, image, "no-module", "/absent.wasm", check=False)
    assert missing.returncode == 1
    assert "wasmtime executor can't handle spec" in missing.stderr
