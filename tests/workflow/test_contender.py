from __future__ import annotations

from collections.abc import Mapping

from grader.judging.expected import Expectation
from grader.model.bench import BenchImage, ExperimentPlan
from grader.testing import completed
from grader.workflow.benchmemory import Weighable
from grader.workflow.benchrun import Ran, RunCheck, nothing_to_do
from grader.workflow.budget import Budget
from grader.workflow.contender import Contender, two_engines, with_images, with_pairs
from tests.benches import arm, bench, failed_arm, times


class Idle:
    def prepare(self, budget: Budget) -> None:
        nothing_to_do(budget)

    def run(self, timeout_s: float) -> Ran:
        return Ran(outcome="ok", exit_code=0, lasted_s=0.1)


def contender(image: str, engine: str, *, own_variables: bool = True) -> Contender:
    made = BenchImage(
        name=image, digest=f"sha256:{image}", platform="linux/amd64", engine=engine, mode="native",
        own_variables=own_variables,
    )  # fmt: skip
    weighable = Weighable(lambda timeout_s: completed(), RunCheck(Expectation()))
    return Contender(Idle(), weighable, ("run", image), made if image else None)


ALL = {
    "docker": contender("native", "docker"),
    "ctr-runc": contender("native", "containerd"),
    "ctr-wasmtime": contender("wasm", "containerd"),
}


def taken_apart(contenders: Mapping[str, Contender], baseline: str) -> list[tuple[object, ...]]:
    return [(one.ratio, one.alike, one.engine) for one in two_engines(contenders, baseline)]


def test_a_ratio_of_two_images_on_two_engines_is_the_product_of_one_of_images_and_one_of_engines() -> None:
    labs_own = ("docker", "ctr-wasmtime")
    assert taken_apart(ALL, "ctr-wasmtime") == [(labs_own, ("ctr-runc", "ctr-wasmtime"), ("docker", "ctr-runc"))]
    turned = ("ctr-wasmtime", "docker")
    assert taken_apart(ALL, "docker") == [(turned, ("ctr-wasmtime", "ctr-runc"), ("ctr-runc", "docker"))]


def test_a_ratio_of_one_image_or_on_one_engine_hides_nothing() -> None:
    assert taken_apart(ALL, "ctr-runc") == []
    assert taken_apart(ALL | {"sh": contender("", "")}, "sh") == []


def test_only_the_pairs_that_the_baseline_does_not_give_are_added() -> None:
    plan = ExperimentPlan(arms=tuple(ALL), baseline="docker", seed=0)
    assert with_pairs(plan, two_engines(ALL, "docker")).beside == (("ctr-wasmtime", "ctr-runc"),)


def test_what_hides_an_engine_is_told_with_what_takes_it_apart_and_else_as_unknown() -> None:
    measured = [arm(name, times(0.1, 6)) for name in ALL]
    apart = two_engines(ALL, "docker")
    whole = bench(measured, baseline="docker")
    beside = whole.ratios[0].model_copy(update={"numerator": "ctr-wasmtime", "denominator": "ctr-runc"})
    told = with_images(whole.model_copy(update={"ratios": (*whole.ratios, beside)}), ALL, apart)
    assert [note.code for note in told.notes] == ["bench.two-engines"]
    assert [one.image and one.image.engine for one in told.arms] == ["docker", "containerd", "containerd"]
    failed = [failed_arm(one.name) if one.name == "ctr-runc" else one for one in measured]
    told = with_images(bench(failed, baseline="docker"), ALL, apart)
    assert [note.code for note in told.notes] == ["bench.two-engines-unknown"]


def test_a_program_that_sees_the_variables_of_a_shim_is_named() -> None:
    arms = {"shim-native": contender("native", "containerd", own_variables=False)}
    (note,) = with_images(bench([arm("shim-native", times(0.1, 6))]), arms, ()).notes
    assert (note.code, note.params) == ("bench.shim-variables", {"name": "shim-native"})
