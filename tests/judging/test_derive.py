"""Derived cells: out of the row's own cells with their printed ranges, and out of facts of the lab's own arms."""

from __future__ import annotations

import pytest

from grader.judging.derive import derived_fact, recompute
from grader.model.base import Message
from grader.model.grade import Fact, Interval
from grader.model.lab import Derived
from grader.model.report import Claim, Span
from tests.samplelab import small_lab

LAB = small_lab()
REDUCTION = Derived(id="binary_size.reduction", unit="percent", formula="(native - wasm) / native")
RATIO = Derived(id="startup_time.ratio", unit="ratio", formula="native / wasm")


def stated(claim_id: str, value: float | str | None, low: float | None = None, high: float | None = None) -> Claim:
    return Claim(
        id=claim_id,
        value=value,
        low=low,
        high=high,
        qualifier="N/A" if value is None else None,
        quote="a cell",
        line=1,
        source="table",
        span=Span(start=0, end=1),
    )


def row(native: Claim | None, wasm: Claim | None) -> dict[str, Claim]:
    return {c.id: c for c in (native, wasm) if c is not None}


def fact(fact_id: str, value: float | None, **more: object) -> Fact:
    claim_id, _, arm = fact_id.partition("@")
    subject, _, metric = claim_id.partition(".")
    data: dict[str, object] = {
        "id": fact_id,
        "subject": subject if metric != "ratio" else None,
        "metric": metric,
        "arm": arm,
        "state": "measured" if value is not None else "not_run",
        "value": value,
        "method": "run" if value is not None else None,
        "reason": None if value is not None else Message(code="engine.none"),
    }
    return Fact.model_validate(data | more)


def test_a_reduction_is_in_percent_of_the_first() -> None:
    again = recompute(
        LAB, "binary_size", REDUCTION, row(stated("native.binary_size", 400), stated("wasm.binary_size", 100))
    )
    assert again is not None
    assert (again.value, again.unit) == (75.0, "percent")
    assert (again.low, again.high) == pytest.approx((75.0, 75.0))


def test_the_range_holds_all_that_the_printed_digits_allow() -> None:
    cells = row(stated("native.startup_time", 4, 3, 5), stated("wasm.startup_time", 2, 1, 2.5))
    again = recompute(LAB, "startup_time", RATIO, cells)
    assert again is not None
    assert again.value == 2.0
    assert (again.low, again.high) == pytest.approx((3 / 2.5, 5 / 1))


@pytest.mark.parametrize(
    "wasm",
    [None, stated("wasm.startup_time", None), stated("wasm.startup_time", "slow"), stated("wasm.startup_time", 0)],
)
def test_nothing_is_worked_out_of_a_cell_without_a_usable_number(wasm: Claim | None) -> None:
    assert recompute(LAB, "startup_time", RATIO, row(stated("native.startup_time", 4), wasm)) is None


def test_facts_of_the_labs_own_arms_give_the_derived_fact() -> None:
    facts = [fact("native.binary_size@build", 400), fact("wasm.binary_size@committed", 100)]
    found = derived_fact(LAB, "binary_size", REDUCTION, facts)
    assert found is not None
    assert (found.value, found.unit) == (75.0, "percent")


@pytest.mark.parametrize(
    "wasm",
    [
        fact("wasm.binary_size@build", None),
        fact("wasm.binary_size@build", 100, comparable=False, compiler="Go 1.21.13"),
        fact("wasm.binary_size@docker", 100),
    ],
)
def test_a_missing_or_another_compilers_size_gives_none(wasm: Fact) -> None:
    assert derived_fact(LAB, "binary_size", REDUCTION, [fact("native.binary_size@build", 400), wasm]) is None


def test_a_time_on_an_arm_that_stands_in_gives_no_ratio_of_the_lab() -> None:
    facts = [fact("native.startup_time@process", 1.0), fact("wasm.startup_time@ctr-wasmtime", 2.0)]
    assert derived_fact(LAB, "startup_time", RATIO, facts) is None


def test_a_ratio_that_was_measured_in_pairs_is_taken_as_measured() -> None:
    facts = [fact("native.startup_time@docker", 1.0), fact("wasm.startup_time@ctr-wasmtime", 2.0)]
    alone = derived_fact(LAB, "startup_time", RATIO, facts)
    paired = fact(
        "startup_time.ratio@docker/ctr-wasmtime", 0.55, unit="ratio", interval=Interval(low=0.5, high=0.6, level=0.96)
    )
    found = derived_fact(LAB, "startup_time", RATIO, [*facts, paired])
    assert alone is not None
    assert alone.value == 0.5
    assert found is not None
    assert (found.value, found.low, found.high) == (0.55, 0.5, 0.6)
