from __future__ import annotations

import pytest

from grader.model.confound import Confound, confound_of, confounded
from grader.model.lab import Lab
from tests.samplelab import small_lab


def lab_with(*ratios: str) -> Lab:
    arms = {"native": ["process", "docker", "ctr-runc", "shim-native"], "wasm": ["wasmtime", "ctr-wasmtime"]}
    return small_lab(timing={"probe": "once", "arms": arms, "ratios": ratios})


@pytest.mark.parametrize("ratio", ["docker/ctr-wasmtime", "process/ctr-wasmtime", "docker/wasmtime"])
def test_two_programs_on_two_engines_are_confounded(ratio: str) -> None:
    assert confounded(lab_with(), ratio)


@pytest.mark.parametrize("ratio", ["ctr-runc/ctr-wasmtime", "process/wasmtime", "docker/ctr-runc"])
def test_one_engine_or_one_program_is_not(ratio: str) -> None:
    assert not confounded(lab_with(), ratio)


def test_the_native_image_on_the_other_engine_takes_the_ratio_apart() -> None:
    lab = lab_with("docker/ctr-wasmtime", "docker/ctr-runc", "ctr-runc/ctr-wasmtime")
    expected = Confound(ratio="docker/ctr-wasmtime", alike="ctr-runc/ctr-wasmtime", engine="docker/ctr-runc")
    assert confound_of(lab, "docker/ctr-wasmtime") == expected


def test_a_lab_that_lists_one_half_only_takes_nothing_apart() -> None:
    assert confound_of(lab_with("docker/ctr-wasmtime", "docker/ctr-runc"), "docker/ctr-wasmtime") is None
    assert confound_of(lab_with("docker/ctr-wasmtime", "ctr-runc/ctr-wasmtime"), "docker/ctr-wasmtime") is None
