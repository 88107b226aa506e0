from __future__ import annotations

from grader.model.base import Message
from grader.model.host import Tool
from grader.model.run import Artifact, Command, Limits
from grader.testing import FakeEngine, FakeImages
from grader.workflow.join import JoinedEngine, joined, part_of
from tests.samplelab import container_engine, container_lab, engine

LAB = container_lab()
IMAGE = Artifact(subject="native", label="image", sha256="a", size=1, path="p")


def command(one: JoinedEngine | FakeEngine, arm: str) -> Command:
    return one.command(arm, IMAGE, LAB.probes["once"], Limits())


def test_a_command_goes_back_to_the_engine_that_made_it() -> None:
    plain, docker, containerd = (
        engine(),
        container_engine("docker", "docker"),
        container_engine("containerd", "ctr-runc"),
    )
    one = JoinedEngine(plain, docker, containerd)
    for arm in ("process", "docker", "ctr-runc"):
        one.run_once(command(one, arm))
        one.memory(command(one, arm))
    assert (plain.ran, docker.ran, containerd.ran) == (["process"], ["docker"], ["ctr-runc"])
    assert (plain.weighed, docker.weighed, containerd.weighed) == (["process"], ["docker"], ["ctr-runc"])
    assert [command(one, arm).engine for arm in ("process", "docker", "ctr-runc")] == ["", "docker", "containerd"]


def test_of_an_arm_only_its_own_engine_speaks() -> None:
    busy = container_engine("docker", "docker", "process", missing={"arm:docker": Message(code="dead")})
    found = JoinedEngine(engine(), busy).capabilities()
    assert (found["arm:docker"], found["arm:process"]) == (Message(code="dead"), None)
    assert found["arm:ctr-wasmtime"] == Message(code="no-ctr")  # the first engine says so


def test_arms_of_an_engine_that_is_not_here_say_which_it_is() -> None:
    gone = Message(code="no-containerd")
    one = JoinedEngine(engine(), container_engine("docker", "docker"), absent={"containerd": gone})
    found = one.capabilities()
    assert (found["arm:docker"], found["arm:ctr-wasmtime"], found["arm:shim-native"]) == (None, gone, gone)


def test_a_kind_of_probe_is_there_if_any_engine_has_it() -> None:
    alone = engine().capabilities()
    found = JoinedEngine(engine(), container_engine("docker", "docker")).capabilities()
    assert (alone["memory"], found["memory"]) == (Message(code="no-memory"), None)
    assert found["probe:http"] is None


def test_images_are_the_builders_business() -> None:
    images = FakeImages({}, missing={"native": Message(code="no-buildah")})
    assert JoinedEngine(engine(), images=images).capabilities()["image:native"] == Message(code="no-buildah")


def test_a_tool_of_two_engines_is_named_once() -> None:
    tool = Tool(name="docker", version="1", sha256="a")
    one = JoinedEngine(
        engine(), container_engine("docker", "docker", tools=(tool,)), images=FakeImages({}, tools=(tool,))
    )
    assert one.tools() == (tool,)


def test_one_engine_alone_stays_what_it_is() -> None:
    plain = engine()
    assert joined(plain, (), None) is plain
    assert part_of(plain, "docker") is plain
    docker = container_engine("docker", "docker")
    assert part_of(joined(plain, (docker,), None), "docker-nonet") is docker
