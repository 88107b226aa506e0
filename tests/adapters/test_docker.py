from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from grader.adapters import dockerapi
from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.docker import Docker, DockerEngine, find_client, find_socket, open_docker
from grader.adapters.owner import LABEL
from grader.errors import HostError
from grader.model.run import Artifact, Completed
from tests.adapters.containers import SERVE, once, server, shell
from tests.adapters.opened import LIMITS, left_in_docker, opened_docker, socket_of
from tests.engines.engines import PROGRAMS, Engines

pytestmark = [pytest.mark.serial, pytest.mark.once]


@pytest.fixture
def engine(docker: Docker) -> DockerEngine:
    return DockerEngine(docker, docker.runner)


def ran(engine: DockerEngine, what: Artifact, **changes: object) -> Completed:
    limits = LIMITS.model_copy(update=changes)
    return engine.run_once(engine.command("docker", what, once({"WORD": "hello"}), limits))


def test_an_image_is_loaded_once_and_its_line_names_nothing_of_this_run(engine: DockerEngine, tmp_path: Path) -> None:
    what = shell(tmp_path, "echo $WORD")
    lines = {ran(engine, what).argv for _ in range(2)}
    assert len(lines) == 1
    assert f"sha256:{what.sha256}" in next(iter(lines))
    assert not any(word.startswith("--name") for word in next(iter(lines)))


def test_an_image_that_is_swept_away_before_it_has_a_name_is_loaded_again(
    docker: Docker, engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = docker.api.tag
    sweeps = [True]

    def swept(image: str, repository: str, tag: str) -> None:
        if sweeps:
            sweeps.pop()
            docker.api.remove_image(image)
        named(image, repository, tag)

    monkeypatch.setattr(docker.api, "tag", swept)
    assert ran(engine, shell(tmp_path, "echo $WORD, swept away")).stdout == "hello, swept away\n"
    assert not sweeps


CONFINED = """
touch /x 2>/dev/null && echo root is writable
touch /tmp/x || echo tmp is not
touch /data/x || echo volume is not
busybox dd if=/dev/zero of=/data/big bs=1M count=40 2>/dev/null && echo the volume has no end
busybox chown 1 /tmp/x 2>/dev/null && echo may change owners
busybox mount -t tmpfs x /tmp 2>/dev/null && echo may mount
busybox grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status
"""


def test_what_a_container_may_not_do(engine: DockerEngine, tmp_path: Path) -> None:
    script = CONFINED.replace("busybox", "/bin/busybox").replace("touch", "/bin/busybox touch")
    done = ran(engine, shell(tmp_path, script, Volumes={"/data": {}}))
    said = [line.split() for line in done.stdout.splitlines()]
    assert said == [["CapEff:", "0000000000000000"], ["NoNewPrivs:", "1"], ["Seccomp:", "2"]]


REACH_OUT = """
for address in $(/bin/busybox ip route | /bin/busybox grep -o 'via [0-9.]*' | /bin/busybox cut -c5-) $HOSTS; do
  /bin/busybox nc -w 2 $address $PORT </dev/null && echo reached $address &
done
/bin/busybox nslookup -timeout=1 example.org >/dev/null 2>&1 && echo resolved &
wait
/bin/busybox ip -o link | /bin/busybox wc -l
"""


@pytest.mark.parametrize("name", ["/x,type=bind,src=/", "/bin"])
def test_an_image_whose_volume_no_container_is_given_is_never_run(
    engine: DockerEngine, tmp_path: Path, name: str
) -> None:
    what = shell(tmp_path, "echo $WORD", Volumes={name: {}})
    with pytest.raises(ValueError, match="volume"):
        engine.command("docker", what, once(), LIMITS)


@pytest.mark.parametrize(("arm", "interfaces"), [("docker", "2"), ("docker-nonet", "1")])
def test_no_arm_reaches_even_this_host_and_only_one_has_a_bridge(
    engine: DockerEngine, engines: Engines, tmp_path: Path, arm: str, interfaces: str
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listening:
        listening.settimeout(20)
        threading.Thread(target=answer_all, args=(listening,), daemon=True).start()
        env = {"PORT": str(listening.getsockname()[1]), "HOSTS": "172.17.0.1"}
        done = engine.run_once(engine.command(arm, shell(tmp_path, REACH_OUT), once(env), LIMITS))
    assert done.stdout.split() == [interfaces]


def answer_all(listening: socket.socket) -> None:
    with suppress(OSError):
        while True:
            listening.accept()[0].close()


@pytest.mark.parametrize("code", [125, 126, 127])
def test_a_program_that_ends_as_the_client_would_is_still_the_program(
    engine: DockerEngine, tmp_path: Path, code: int
) -> None:
    done = ran(engine, shell(tmp_path, f"echo 'docker: Error response from daemon: sorry.' >&2; exit {code}"))
    assert (done.outcome, done.exit_code) == ("failed", code)


@pytest.mark.parametrize("arm", ["docker", "docker-nonet"])
def test_a_server_is_reached_looked_at_and_stopped(
    engine: DockerEngine, engines: Engines, tmp_path: Path, arm: str
) -> None:
    command = engine.command(arm, shell(tmp_path, SERVE), server(), LIMITS)
    with engine.serve(command, 8080) as serving:
        deadline = time.monotonic() + 20
        while (answer := serving.ask("/", 8080, timeout_s=2)).reason is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (answer.status, answer.body) == (200, "hi")
        readings = {reading.notion: reading.size_bytes for reading in serving.memory()}
        assert readings.keys() - {"docker_stats"} == {"cgroup", "shim"}
        assert "docker_stats" in readings or engines.without_metrics()
        assert all(0 < size <= LIMITS.memory_bytes for notion, size in readings.items() if notion == "docker_stats")
        stopped = serving.stop(0.5)
    assert stopped.how == "killed"  # a shell as first process has no handler for SIGTERM
    assert stopped.completed.stdout.startswith("begun\n")


def test_a_plan_needs_no_image(engine: DockerEngine) -> None:
    unbuilt = Artifact(subject="native", label="image", sha256="", size=0, path="unbuilt")
    assert engine.command("docker", unbuilt, once(), LIMITS).argv[:2] == ("docker", "run")


KILLED = """
import sys
from pathlib import Path
from grader.adapters.cgroupparents import CgroupParents
from grader.adapters.docker import DockerEngine, open_docker
from grader.model.run import Artifact, Limits
from tests.adapters.containers import SERVE, once, server, shell
from tests.adapters.opened import LIMITS, left_in_docker, opened_docker, socket_of
parents = CgroupParents.find()
what = Artifact.model_validate_json(sys.argv[2])
with open_docker(Path(sys.argv[1]), "/usr/bin", parents) as docker:
    engine = DockerEngine(docker, docker.runner)
    with engine.serve(engine.command("docker", what, server(), Limits(timeout_s=60)), 8080) as serving:
        while not serving.memory():
            pass
        print("serving", flush=True)
        input()
"""


def test_what_a_killed_grader_leaves_is_removed_by_the_next(engines: Engines, tmp_path: Path) -> None:
    before = left_in_docker(engines)
    what = shell(tmp_path, "/bin/busybox sleep 60")
    argv = [sys.executable, "-c", KILLED, str(socket_of(engines)), what.model_dump_json()]
    killed = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "serving\n"
    killed.kill()
    killed.communicate()
    assert left_in_docker(engines) != before
    CgroupParents.find()
    with opened_docker(engines):
        assert left_in_docker(engines) == before


def test_what_a_living_grader_has_is_left_alone(docker: Docker, engines: Engines) -> None:
    label = f"{LABEL}=1-2-3"  # of another pid namespace
    engines.run(engines.docker, "network", "create", "--label", label, "somebody-elses")
    try:
        with opened_docker(engines):
            assert [network.name for network in docker.api.networks(label)] == ["somebody-elses"]
    finally:
        engines.run(engines.docker, "network", "rm", "somebody-elses")


def test_a_daemon_that_dies_under_a_container_is_a_broken_host(own_engines: Engines, tmp_path: Path) -> None:
    with opened_docker(own_engines) as docker:
        engine = DockerEngine(docker, docker.runner)
        assert ran(engine, shell(tmp_path, "echo $WORD")).outcome == "ok"
        os.kill(own_engines.pid("dockerd"), signal.SIGKILL)
        with pytest.raises(HostError):
            ran(engine, shell(tmp_path, "echo $WORD"))
        own_engines.start("dockerd")


def test_a_daemon_that_hangs_under_a_container_is_a_broken_host(
    own_engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerapi, "ASK_S", 1.0)
    with opened_docker(own_engines) as docker:
        engine = DockerEngine(docker, docker.runner)
        what = shell(tmp_path, "echo $WORD")
        assert ran(engine, what).outcome == "ok"
        os.kill(own_engines.pid("dockerd"), signal.SIGSTOP)
        try:
            with pytest.raises(HostError, match="did not answer within 1 s"):
                ran(engine, what, timeout_s=2)
        finally:
            os.kill(own_engines.pid("dockerd"), signal.SIGCONT)


def test_tools_name_the_client_and_the_daemon(docker: Docker) -> None:
    client, daemon = docker.tools
    assert (client.name, daemon.name) == ("docker", "dockerd (classic store)")
    assert client.version == daemon.version == docker.info.version
    assert len(daemon.sha256) == 64


def test_a_client_that_cannot_talk_to_the_daemon_is_passed_over(engines: Engines, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'client version 9.9 is too new' >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    assert find_client(f"{tmp_path}:/usr/bin", socket_of(engines)) == Path(PROGRAMS["docker"])


def test_only_a_daemon_of_this_host_is_taken(tmp_path: Path) -> None:
    assert find_socket({"DOCKER_HOST": "unix:///x/y"}) == Path("/x/y")
    assert find_socket({}, tmp_path / "no.sock") is None
    (tmp_path / "there").touch()
    assert find_socket({}, tmp_path / "there") == tmp_path / "there"
    with pytest.raises(HostError, match="is not a daemon of this host"):
        find_socket({"DOCKER_HOST": "tcp://elsewhere:2375"})


def test_a_daemon_that_does_not_answer_is_a_broken_host(tmp_path: Path) -> None:
    with pytest.raises(HostError), open_docker(tmp_path / "no.sock", "/usr/bin", CgroupParents.find()):
        raise AssertionError("opened")
