"""What a container is to a grader, whichever engine runs it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.adapters.containerd import ContainerdEngine
from grader.adapters.docker import DockerEngine
from grader.adapters.owner import own_name
from grader.model.run import Artifact, Command, Completed
from tests.adapters.containers import image, once, server, shell
from tests.adapters.opened import LIMITS
from tests.samplelab import small_lab

pytestmark = [pytest.mark.serial, pytest.mark.once]


@dataclass(frozen=True)
class Containers:
    """One arm of one engine."""

    engine: DockerEngine | ContainerdEngine
    arm: str

    def command(self, what: Artifact, **changes: object) -> Command:
        return self.engine.command(self.arm, what, once({"WORD": "hello"}), LIMITS.model_copy(update=changes))

    def ran(self, what: Artifact, **changes: object) -> Completed:
        return self.engine.run_once(self.command(what, **changes))


@pytest.fixture(params=["docker", "ctr-runc"])
def containers(request: pytest.FixtureRequest) -> Containers:
    if request.param.startswith("docker"):
        docker = request.getfixturevalue("docker")
        return Containers(DockerEngine(docker, docker.runner), request.param)
    containerd = request.getfixturevalue("containerd")
    return Containers(ContainerdEngine(small_lab().probes.values(), containerd, containerd.runner), request.param)


@pytest.mark.parametrize("containers", ["docker", "docker-nonet", "ctr-runc"], indirect=True)
def test_a_container_says_its_word_and_leaves_nothing(containers: Containers, tmp_path: Path) -> None:
    done = containers.ran(shell(tmp_path, "echo $WORD; echo aside >&2; exit 3"))
    assert (done.outcome, done.exit_code, done.stdout, done.stderr) == ("failed", 3, "hello\n", "aside\n")
    assert done.total_s > 0
    assert done.argv[0] == ("ctr" if containers.arm == "ctr-runc" else "docker")
    assert done.argv[1:3] == ("run", "--rm")
    assert own_name() not in " ".join(done.argv)


def test_a_program_that_never_ends_is_ended_with_its_container(containers: Containers, tmp_path: Path) -> None:
    done = containers.ran(shell(tmp_path, "echo begun; while :; do :; done"), timeout_s=2)
    assert (done.outcome, done.stdout) == ("timeout", "begun\n")


def test_output_without_end_is_cut(containers: Containers, tmp_path: Path) -> None:
    done = containers.ran(shell(tmp_path, "/bin/busybox yes"), output_bytes=10_000)
    assert (done.outcome, len(done.stdout)) == ("output-limit", 10_000)


def test_memory_above_the_cap_is_named(containers: Containers, tmp_path: Path) -> None:
    done = containers.ran(shell(tmp_path, "x=xxxxxxxx; while :; do x=$x$x; done"))
    assert done.reason is not None
    assert (done.reason.code, done.reason.params) == ("run.memory-limit", {"bytes": 64 << 20})


def test_more_processes_than_the_cap_cannot_be_started(containers: Containers, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 80 ]; do /bin/busybox sleep 9 & i=$((i+1)); done; echo all started"
    done = containers.ran(shell(tmp_path, script), timeout_s=20)
    assert "all started" not in done.stdout
    assert "fork" in done.stderr


def test_an_image_that_names_no_program_is_not_started(containers: Containers, tmp_path: Path) -> None:
    done = containers.ran(image(tmp_path, {"readme": b"x"}, ["/no/such/program"]))
    assert done.outcome == "not-started"
    assert done.reason is not None
    assert "no such file" in str(done.reason.params["error"])


def test_memory_is_of_the_container_and_near_what_it_holds(containers: Containers, tmp_path: Path) -> None:
    held = "x=$(/bin/busybox head -c 20000000 /dev/zero | /bin/busybox tr '\\0' x); echo ${#x}"
    small = containers.engine.memory(containers.command(shell(tmp_path, "echo 0")))
    large = containers.engine.memory(containers.command(shell(tmp_path, held)))
    assert large.stdout == "20000000\n"
    floor, peak = small.memory_peak[0], large.memory_peak[0]
    first, *others = (reading.notion for reading in large.memory_peak)
    assert (first, set(others) <= {"shim"}) == ("cgroup", True)  # on a busy host no sample may meet so short a run
    assert peak.size_bytes - floor.size_bytes > 18_000_000


def test_a_server_that_ends_by_itself_says_so(containers: Containers, tmp_path: Path) -> None:
    command = containers.engine.command(containers.arm, shell(tmp_path, "echo no; exit 4"), server(), LIMITS)
    with containers.engine.serve(command, 8080) as serving:
        while not serving.ended():
            time.sleep(0.02)
        stopped = serving.stop(1)
    assert (stopped.how, stopped.completed.exit_code) == ("by-itself", 4)
