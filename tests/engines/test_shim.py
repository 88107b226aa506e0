"""A WASM container runs under the shim of these tests as under upstream's (docs of the crate; exit codes measured)."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.adapters.containerfile import host_platform
from grader.adapters.imagelayout import Layout, Member, Settings
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


def test_what_is_no_module_is_refused_by_name(engines: Engines, wasm_shim: Path, tmp_path: Path) -> None:
    name = "example.org/no-module:1"
    (tmp_path / "layout").mkdir()
    archive = wasm_archive(tmp_path / "layout", name, ECHO)
    ctr = (PROGRAMS["ctr"], "--namespace", NAMESPACE)
    engines.run(*ctr, "images", "import", "--platform=wasi/wasm", str(archive))
    argv = (*ctr, "run", "--rm", "--runtime", "io.containerd.wasmtime.v1", name, "no-module", "/absent.wasm")
    done = engines.run(*argv, check=False)
    assert done.returncode == 1
    assert "wasmtime executor can't handle spec" in done.stderr


def test_a_native_program_gets_the_shims_environment_and_nothing_of_the_container(
    engines: Engines, wasm_shim: Path, tmp_path: Path
) -> None:
    """As upstream's: so the engines start containerd with a clean environment, and so must a host."""
    (tmp_path / "layout").mkdir()
    layout = Layout(tmp_path / "layout")
    layer = layout.layer([Member("busybox", Path(PROGRAMS["busybox"]))])
    name = "example.org/native:1"
    layout.image(name, [layer], Settings(os="linux", architecture=host_platform().architecture, env=("MODE=once",)))
    layout.archive(tmp_path / "native.tar")
    ctr = (PROGRAMS["ctr"], "--namespace", NAMESPACE)
    engines.run(*ctr, "images", "import", str(tmp_path / "native.tar"))
    argv = (*ctr, "run", "--rm", "--runtime", "io.containerd.wasmtime.v1", name, "native", "/busybox", "env")
    names = {line.partition("=")[0] for line in engines.run(*argv).stdout.splitlines()}
    assert "MODE" not in names
    assert names & os.environ.keys() <= {"PATH", "HOME", "PWD"}
