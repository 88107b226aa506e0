"""Engines of the tests' own: Debian's containerd, dockerd and registry in a temporary folder, beside those of the host.

`keeper.py` runs and ends them; here is how a test starts that and where everything is.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.engines import keeper

PREFIX = "lab-grader-engines-"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where packages install programs: another `docker` on the caller's PATH may be too new for the daemon."""
PROGRAMS: Mapping[str, str] = {
    name: shutil.which(name, path=SYSTEM_PATH) or f"/usr/bin/{name}"
    for name in ("containerd", "ctr", "dockerd", "docker", "runc", "docker-registry", "buildah", "busybox", "ip")
}
DAEMONS = ("containerd", "registry", "dockerd")
REGISTRY = "127.0.0.1:5000"
"""The loopback is the engines' own, so that this port is always free."""
STOP_S = 90.0
_NEW_NETWORK = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class EnginesError(Exception):
    """The engines could not be started, or one of them did not do what it was told."""


@dataclass(frozen=True)
class Engines:
    """Running engines.  What has a bare path in it is a socket or a program of this host."""

    root: Path
    keeper: subprocess.Popen[str]

    @property
    def docker(self) -> str:
        """Debian's client."""
        return PROGRAMS["docker"]

    @property
    def docker_host(self) -> str:
        """As in `DOCKER_HOST`."""
        return f"unix://{self.root}/docker.sock"

    @property
    def containerd_address(self) -> str:
        """As in `CONTAINERD_ADDRESS`."""
        return f"{self.root}/containerd.sock"

    @property
    def registry(self) -> str:
        """Host and port of the registry, plain HTTP; the daemon's mirror and free to push to."""
        return REGISTRY

    @property
    def environ(self) -> dict[str, str]:
        """What somebody's shell has who uses these engines: a whole environment, not an addition to one."""
        return {
            "PATH": SYSTEM_PATH,
            "HOME": str(self.root / "home"),
            "DOCKER_HOST": self.docker_host,
            "CONTAINERD_ADDRESS": self.containerd_address,
        }

    @property
    def cgroup_parent(self) -> str:
        """Where dockerd puts containers that are given no other parent."""
        return f"/{self.root.name}"

    def pid(self, name: str) -> int:
        """Return the pid that a daemon was last started with."""
        return int((self.root / f"{name}.pid").read_text("ascii"))

    def log(self, name: str) -> str:
        """Return what a daemon has said so far."""
        return (self.root / f"{name}.log").read_text("utf-8", "replace")

    @staticmethod
    def without_metrics() -> bool:
        """Tell whether containerd cannot read metrics on this host, so that `docker stats` shows 0 B.

        A systemd in some container may have mounted more hierarchies of cgroup v1 than are mounted outside it;
        containerd looks for each that a process is in, and gives up at the first without a mount.
        """
        lines = (line.split(":", 2)[1] for line in Path("/proc/self/cgroup").read_text("ascii").splitlines())
        active = {name for line in lines for name in line.split(",") if name and "=" not in name}
        return not active <= keeper.group_mounts().keys()

    def start(self, name: str) -> None:
        """Start a daemon again, one of `DAEMONS`; it answers when this returns."""
        self._order(f"start {name}")

    def stop(self, name: str) -> None:
        """End a daemon, one of `DAEMONS`; containers of dockerd end with it, those of containerd stay."""
        self._order(f"stop {name}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Put the calling thread, and what it starts, into the engines' network: there are their ports and bridges."""
        with _namespace("self") as own, _namespace(str(self.keeper.pid)) as theirs:
            _enter(theirs)
            try:
                yield
            finally:
                _enter(own)

    def run(self, *argv: str, timeout_s: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as somebody would who uses these engines, in the environment `environ`."""
        return subprocess.run(
            argv, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s,
            check=check,
        )  # fmt: skip

    def close(self) -> None:
        """End everything; returns when nothing of it is left."""
        with suppress(BrokenPipeError):
            self.keeper.communicate("end\n", timeout=STOP_S)
        self.keeper.wait(STOP_S)

    def _order(self, line: str) -> None:
        assert self.keeper.stdin is not None
        self.keeper.stdin.write(f"{line}\n")
        self.keeper.stdin.flush()
        self._read_answer()

    def _read_answer(self) -> None:
        assert self.keeper.stdout is not None
        line = self.keeper.stdout.readline()
        problem = json.loads(line) if line else "the keeper has ended"
        if problem:
            raise EnginesError(problem)


def missing() -> str | None:
    """Return why there can be no engines on this host, None if there can."""
    if os.geteuid() != 0:
        return "only root can start a container engine"
    absent = [name for name, program in PROGRAMS.items() if not os.access(program, os.X_OK)]
    if absent:
        return f"no {', '.join(absent)}: `bin/test --require containers` installs Debian's"
    return None


@contextmanager
def running(*, shims: Path | None = None) -> Iterator[Engines]:
    """Start engines for the body.

    Args:
        shims: A folder with shims, for containerd to find.
    Raises: EnginesError.
    """
    sweep()
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = _held(root)
    argv = [sys.executable, "-I", keeper.__file__, json.dumps({"lock": lock, **_plan(root, shims)})]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        text=True,
        start_new_session=True,
        pass_fds=[lock],
    )
    os.close(lock)
    engines = Engines(root, process)
    try:
        engines._read_answer()
        yield engines
    finally:
        engines.close()


def sweep() -> None:
    """Remove what engines have left whose keeper was killed too."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        keeper.sweep(root)


def _held(root: Path) -> int:
    """Make the folder's lock file so that it is never seen unlocked: then a sweep would take it for a dead one's."""
    unseen = root / f"new-{keeper.LOCK}"
    lock = os.open(unseen, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unseen.rename(root / keeper.LOCK)
    return lock


def _plan(root: Path, shims: Path | None) -> dict[str, object]:
    """Write the daemons' settings and return what the keeper is told."""
    containerd, docker = f"{root}/containerd.sock", f"unix://{root}/docker.sock"
    for folder in ("home", "registry"):
        (root / folder).mkdir()
    (root / "containerd.toml").write_text(_CONTAINERD.format(root=root), "utf-8")
    (root / "registry.yml").write_text(json.dumps(_registry(root)), "utf-8")
    (root / "dockerd.json").write_text(json.dumps(_dockerd(root)), "utf-8")
    ctr = [PROGRAMS["ctr"], "--address", containerd, "--timeout", "4s"]
    return {
        "root": str(root),
        # Nothing else of ours: a shim hands its whole environment to the native programs that it starts.
        "environ": {"PATH": ":".join([*([str(shims)] if shims else []), SYSTEM_PATH])},
        "daemons": {
            "containerd": {
                "argv": [PROGRAMS["containerd"], "--config", f"{root}/containerd.toml"],
                "probe": [*ctr, "version"],
                "namespaces": [*ctr, "namespaces", "ls", "-q"],
            },
            "registry": {
                "argv": [PROGRAMS["docker-registry"], "serve", f"{root}/registry.yml"],
                "probe": ["/bin/bash", "-c", f"< /dev/tcp/{REGISTRY.replace(':', '/')}"],
            },
            "dockerd": {
                "argv": [PROGRAMS["dockerd"], "--config-file", f"{root}/dockerd.json"],
                "probe": [PROGRAMS["docker"], "--host", docker, "version"],
            },
        },
    }


_CONTAINERD = """\
version = 2
root = "{root}/containerd"
state = "{root}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{root}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/containerd-opt"
"""


def _dockerd(root: Path) -> dict[str, object]:
    return {
        "hosts": [f"unix://{root}/docker.sock"],
        "containerd": f"{root}/containerd.sock",
        "data-root": f"{root}/docker",
        "exec-root": f"{root}/docker-exec",
        "pidfile": f"{root}/dockerd.own.pid",
        "deprecated-key-path": f"{root}/docker-key.json",  # else one is made below /etc
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{root.name}",
        "registry-mirrors": [f"http://{REGISTRY}"],
        "shutdown-timeout": 2,
    }


def _registry(root: Path) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": f"{root}/registry"}, "delete": {"enabled": True}},
        "http": {"addr": REGISTRY},
    }


@contextmanager
def _namespace(pid: str) -> Iterator[int]:
    opened = os.open(f"/proc/{'thread-self' if pid == 'self' else pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")
