"""Engines for tests stand beside others and leave nothing behind, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engines import keeper
from tests.engines.engines import PROGRAMS, Engines, EnginesError, missing, sweep
from tests.engines.fixtures import started
from tests.survivors import survivors
from tests.users import python_for

pytestmark = [pytest.mark.serial, pytest.mark.once]

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "lab-grader-engine-tests"
PLACES = ("/etc/docker", "/opt/containerd", "/run/containerd", "/run/docker", "/var/lib/containerd", "/var/lib/docker")
GONE_S = 60.0
OWNER = """
import sys, time
from pathlib import Path
from tests.engines.engines import running
from tests.engines.test_engines import make_busy
with running() as engines:
    make_busy(engines, Path(sys.argv[1]))
    print(engines.root, engines.keeper.pid, flush=True)
    time.sleep(600)
"""


@dataclass(frozen=True)
class Traces:
    """What engines could leave on a host."""

    mounts: frozenset[str]
    interfaces: frozenset[str]
    groups: frozenset[Path]
    folders: frozenset[str]

    @classmethod
    def now(cls) -> Traces:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        return cls(
            mounts=frozenset(line.split(" ")[4] for line in mounts),
            interfaces=frozenset(path.name for path in Path("/sys/class/net").iterdir()),
            groups=frozenset(path for path in keeper.top_groups() if "lab-grader-eng" in path.name),
            folders=frozenset(place for place in PLACES if Path(place).exists()),
        )


def build_sleeper(engines: Engines, folder: Path) -> None:
    """Build an image that needs nothing from anywhere."""
    folder.mkdir(exist_ok=True)
    (folder / "busybox").write_bytes(Path(PROGRAMS["busybox"]).read_bytes())
    (folder / "busybox").chmod(0o755)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY busybox /busybox\nVOLUME /data\n", "utf-8")
    engines.run(engines.docker, "build", "-q", "-t", "sleeper", str(folder))


def make_busy(engines: Engines, folder: Path) -> None:
    """Leave in engines all that a test leaves there that is cut off in its midst."""
    build_sleeper(engines, folder)
    docker = engines.docker
    engines.run(docker, "network", "create", "--internal", "inner")
    engines.run(docker, "run", "-d", "--network", "inner", "sleeper", "/busybox", "sleep", "600")
    engines.run(docker, "run", "-d", "-p", "127.0.0.1:8080:8080", "sleeper", "/busybox", "sleep", "600")
    engines.run(docker, "save", "-o", str(folder / "sleeper.tar"), "sleeper")
    ctr = (PROGRAMS["ctr"], "--namespace", NAMESPACE)
    engines.run(*ctr, "images", "import", str(folder / "sleeper.tar"))
    image = "docker.io/library/sleeper:latest"
    engines.run(*ctr, "run", "-d", "--null-io", image, "sleeper", "/busybox", "sleep", "600")


@pytest.fixture
def before() -> Traces:
    if why := missing():
        pytest.skip(f"needs: containers: {why}")
    return Traces.now()


@pytest.fixture
def owner(before: Traces, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """A process that owns busy engines: it, their folder, and the pid of their keeper."""
    argv = [sys.executable, "-c", OWNER, str(tmp_path / "context")]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        root, _, pid = process.stdout.readline().partition(" ")
        assert Traces.now().groups > before.groups
        assert len(survivors(root)) > 5
        yield process, Path(root), int(pid)
        process.kill()


def test_nothing_is_left_when_engines_end(before: Traces, tmp_path: Path) -> None:
    with started() as engines:
        make_busy(engines, tmp_path / "context")
        while_running = Traces.now()
        assert while_running.groups > before.groups
        assert len(survivors(str(engines.root))) > 5
    assert not engines.root.exists()
    assert survivors(str(engines.root)) == []
    assert Traces.now() == before
    assert while_running.mounts == before.mounts
    assert while_running.interfaces == before.interfaces


def test_nothing_is_left_when_their_owner_is_killed(
    before: Traces, owner: tuple[subprocess.Popen[str], Path, int]
) -> None:
    process, root, _ = owner
    process.kill()
    assert keeper.wait_until(lambda: not root.exists() and not survivors(str(root)), GONE_S)
    assert keeper.wait_until(lambda: Traces.now() == before, GONE_S), (before, Traces.now())


def test_what_a_killed_keeper_leaves_is_swept_by_the_next_engines(
    before: Traces, owner: tuple[subprocess.Popen[str], Path, int]
) -> None:
    process, root, pid = owner
    os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    assert len(survivors(str(root))) > 5
    sweep()
    assert not root.exists()
    assert survivors(str(root)) == []
    assert Traces.now() == before


def test_the_sweep_leaves_engines_alone_that_are_in_use(own_engines: Engines) -> None:
    sweep()
    assert own_engines.run(own_engines.docker, "version").returncode == 0


def test_the_sweep_leaves_a_folder_alone_that_is_just_being_made(before: Traces, tmp_path: Path) -> None:
    keeper.sweep(tmp_path)
    assert tmp_path.exists()
    os.utime(tmp_path, (0, 0))
    keeper.sweep(tmp_path)
    assert not tmp_path.exists()


def test_two_engines_stand_side_by_side_and_end_alone(own_engines: Engines, tmp_path: Path) -> None:
    """As with a system's daemon: the same names, ports and bridges, and neither sees the other's."""
    listing = (own_engines.docker, "ps", "-q")
    with started() as others:
        make_busy(others, tmp_path / "theirs")
        make_busy(own_engines, tmp_path / "ours")
        assert len(own_engines.run(*listing).stdout.split()) == len(others.run(*listing).stdout.split()) == 2
    assert len(own_engines.run(*listing).stdout.split()) == 2
    run = (PROGRAMS["ctr"], "--namespace", NAMESPACE, "run", "--rm", "docker.io/library/sleeper:latest", "after")
    assert own_engines.run(*run, "/busybox", "echo", "still here").stdout == "still here\n"


def test_processes_that_containers_leave_are_reaped_while_the_engines_run(own_engines: Engines, tmp_path: Path) -> None:
    """Or a few thousand containers fill the host's table of processes."""
    build_sleeper(own_engines, tmp_path / "context")
    own_engines.run(own_engines.docker, "run", "--rm", "sleeper", "/busybox", "true")

    def dead() -> list[int]:
        """What has no command line any more is dead, and gone with the next reaping."""
        return [pid for pid in keeper.descendants([own_engines.keeper.pid]) if not is_alive(pid)]

    def is_alive(pid: int) -> bool:
        with suppress(FileNotFoundError):
            return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
        return True

    assert keeper.wait_until(lambda: not dead(), GONE_S)


def test_a_stopped_daemon_is_gone_and_comes_back_with_its_images(own_engines: Engines, tmp_path: Path) -> None:
    build_sleeper(own_engines, tmp_path / "context")
    images = (own_engines.docker, "images", "-q")
    had = own_engines.run(*images).stdout
    assert had
    own_engines.stop("dockerd")
    assert own_engines.run(*images, check=False).returncode != 0
    own_engines.start("dockerd")
    assert own_engines.run(*images).stdout == had


def test_a_daemon_that_does_not_start_is_told_with_its_own_words(own_engines: Engines) -> None:
    own_engines.stop("dockerd")
    (own_engines.root / "dockerd.json").write_text('{"none-such": true}', "utf-8")
    with pytest.raises(EnginesError, match=r"dockerd ended: .*none-such"):
        own_engines.start("dockerd")


def test_a_plain_user_is_told_that_only_root_can(before: Traces) -> None:
    tried = "from tests.engines.engines import missing; print(missing())"
    drop = ["setpriv", "--reuid=64990", "--regid=64990", "--clear-groups", "env", "-i", f"PYTHONPATH={ROOT}"]

    def start(python: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*drop, python, "-c", "import tests.engines.engines"], text=True)

    done = subprocess.run([*drop, python_for(start), "-c", tried], capture_output=True, text=True, check=True)
    assert done.stdout == "only root can start a container engine\n"


def test_where_no_namespace_can_be_made_the_engines_say_so_and_leave_nothing(before: Traces, tmp_path: Path) -> None:
    """As root in a container without the right to mount."""
    tried = (
        "from tests.engines.engines import EnginesError, running\n"
        "try:\n"
        "    with running(): print('started')\n"
        "except EnginesError as error: print(error)\n"
    )
    argv = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-c", tried]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[Errno 1] Operation not permitted: 'unshare'\n"
    assert list(tmp_path.iterdir()) == []
    assert Traces.now() == before
