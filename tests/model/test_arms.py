from __future__ import annotations

from grader.model.arms import ARMS, in_container, runs_image


def test_every_arm_that_starts_a_container_runs_an_image() -> None:
    assert all(runs_image(name) for name, arm in ARMS.items() if arm.container)


def test_every_arm_of_containerd_names_its_runtime_and_no_other_arm_does() -> None:
    assert {name for name, arm in ARMS.items() if arm.runtime} == {
        n for n, a in ARMS.items() if a.engine == "containerd"
    }


def test_an_arm_that_is_not_known_here_starts_no_container() -> None:
    assert in_container("docker")
    assert not in_container("wasmtime")
    assert not in_container("of another version")
