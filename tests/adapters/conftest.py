"""What tests of adapters share: container engines, and the sandbox's attacking program and its two kinds of sandbox."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.adapters.sandbox import Sandbox
from grader.model.base import Record
from grader.model.run import Bind, Command, Completed, Limits
from grader.ports import SandboxStatus
from tests.adapters.opened import containerd as containerd
from tests.adapters.opened import docker as docker
from tests.adapters.talk import Request, Talk
from tests.engines.fixtures import engines as engines
from tests.engines.fixtures import go_image as go_image
from tests.engines.fixtures import own_engines as own_engines
from tests.engines.fixtures import session_engines as session_engines
from tests.engines.fixtures import wasm_shim as wasm_shim
from tests.ports import own_port
from tests.users import IMPORTS, open_folder, python_for

PLAIN_UID = 64990

_WORKER = """
import sys
from pathlib import Path
from grader.adapters.sandbox import Sandbox
from grader.errors import HostError
from grader.model.run import Command
from tests.adapters.opened import containerd as containerd
from tests.adapters.opened import docker as docker
from tests.adapters.talk import Request, talk
runner = Sandbox(lock=Path(sys.argv[1]))
print(runner.status().model_dump_json(), flush=True)
for line in sys.stdin:
    what, _, text = line.partition(" ")
    try:
        if what == "talk":
            done = talk(runner, Request.model_validate_json(text))
        else:
            done = runner.run(Command.model_validate_json(text), memory=what == "weigh")
        print(done.model_dump_json(), flush=True)
    except HostError as error:
        print("HostError", str(error).replace(chr(10), " "), flush=True)
"""


def go_program() -> Path | None:
    """Return the Go toolchain of the environment, else the host's."""
    found = importlib.util.find_spec("go")
    for root in found.submodule_search_locations or () if found else ():
        if (Path(root) / "bin/go").exists():
            return Path(root) / "bin/go"
    system = shutil.which("go")
    return None if system is None else Path(system)


@pytest.fixture(scope="session")
def shared_dir() -> Iterator[Path]:
    """A directory that every user may enter: pytest's own is for its user alone."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def attack(shared_dir: Path) -> Path:
    """The attacking program, built once."""
    go = go_program()
    if go is None:
        pytest.skip("needs: go: it builds the attacking program")
    program = shared_dir / "attack"
    source = Path(__file__).with_name("attacks") / "attack.go"
    env = {"HOME": str(shared_dir), "GOCACHE": str(shared_dir / "cache"), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    subprocess.run(
        [go, "build", "-o", program, source.name, "serve.go"],
        cwd=source.parent,
        env=env | {"PATH": "/usr/bin:/bin", "GOFLAGS": "", "GOPROXY": "off", "GO111MODULE": "off"},
        check=True,
    )
    shutil.rmtree(shared_dir / "cache")
    program.chmod(0o755)
    return program


class PlainUser:
    """A sandbox in a process of a user without rights, spoken to through pipes."""

    def __init__(self, lock: Path) -> None:
        command = [*_plain_python(), "-c", _WORKER, str(lock)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._status = SandboxStatus.model_validate_json(self._said())

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def status(self) -> SandboxStatus:
        return self._status

    def run(self, command: Command, *, memory: bool = False) -> Completed:
        return Completed.model_validate_json(self._ask("weigh" if memory else "run", command))

    def talk(self, request: Request) -> Talk:
        return Talk.model_validate_json(self._ask("talk", request))

    def _ask(self, what: str, record: Record) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what} {record.model_dump_json()}\n")
        self._process.stdin.flush()
        said = self._said()
        assert not said.startswith("HostError"), said
        return said

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(20)


def _plain_python() -> list[str]:
    """Return how a user without rights starts this Python with this package."""
    drop = ["/usr/bin/setpriv", f"--reuid={PLAIN_UID}", f"--regid={PLAIN_UID}", "--clear-groups"]
    env = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in IMPORTS.items())]
    line = [*(drop if os.geteuid() == 0 else ()), *env]

    def start(python: str) -> subprocess.Popen[str]:
        tried = [*line, python, "-c", "import tests.adapters.talk, grader.adapters.sandbox"]
        return subprocess.Popen(tried, stderr=subprocess.DEVNULL, text=True)

    return [*line, python_for(start)]


@pytest.fixture
def port() -> Iterator[int]:
    """A port for a server on this host's own network."""
    with own_port() as port:
        yield port


Run = Callable[..., Completed]


@pytest.fixture(scope="session")
def host_lock(shared_dir: Path) -> Path:
    """A lock file as the host has one, open to everybody."""
    path = shared_dir / "locks" / "host.lock"
    path.parent.mkdir()
    path.parent.chmod(0o755)
    path.touch()
    path.chmod(0o666)
    return path


@pytest.fixture(scope="session", params=["root", "plain-user"])
def sandbox(request: pytest.FixtureRequest, host_lock: Path) -> Iterator[Sandbox | PlainUser]:
    """A working sandbox, in each of the two ways in which one is made."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("needs: root: the sandbox that root makes")
    runner: Sandbox | PlainUser = Sandbox(lock=host_lock) if request.param == "root" else PlainUser(host_lock)
    status = runner.status()
    if not status.works:
        assert status.reason is not None
        assert status.reason.code != "sandbox.not-tight", status.reason
        pytest.skip(f"needs: sandbox: {status.reason.params} ({status.remedy})")
    yield runner
    if isinstance(runner, PlainUser):
        runner.close()


@pytest.fixture
def run(sandbox: Sandbox | PlainUser, attack: Path) -> Run:
    """Run the attacking program in the sandbox: `run("read", "/etc/shadow", binds=..., timeout_s=...)`."""

    def attacked(
        *args: str, binds: tuple[Bind, ...] = (), env: dict[str, str] | None = None, **limits: float
    ) -> Completed:
        return sandbox.run(
            Command(
                argv=("/app/attack", *args),
                env=env or {},
                binds=(Bind(source=str(attack), target="/app/attack"), *binds),
                limits=Limits.model_validate({"timeout_s": 30, **limits}),
            )
        )

    return attacked


@pytest.fixture
def writable(shared_dir: Path, sandbox: Sandbox | PlainUser) -> Iterator[Path]:
    """A directory that the sandbox's caller owns."""
    with tempfile.TemporaryDirectory(dir=shared_dir) as name:
        path = Path(name)
        path.chmod(0o755)
        if isinstance(sandbox, PlainUser) and os.geteuid() == 0:
            os.chown(path, PLAIN_UID, PLAIN_UID)
        yield path
