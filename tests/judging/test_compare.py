"""Verdicts: each size question in its order, times never by speed, derived cells by their own row."""

from __future__ import annotations

import pytest

from grader.judging.compare import judge_claims
from grader.model.base import Message
from grader.model.grade import Circumstances, Fact, Interval, Verdict
from grader.model.lab import Lab
from grader.model.report import Claim, Span

UNCHANGED = Circumstances(sources_changed=False, known_values_apply=True)
CHANGED = Circumstances(sources_changed=True, known_values_apply=False)


def claim(claim_id: str, value: float | str | None, **more: object) -> Claim:
    spread = 0 if not isinstance(value, int | float) else 0.01 * value
    data: dict[str, object] = {
        "id": claim_id,
        "value": value,
        "low": value - spread if isinstance(value, int | float) else None,
        "high": value + spread if isinstance(value, int | float) else None,
        "quote": str(value),
        "line": 3,
        "source": "table",
        "span": Span(start=0, end=1),
    }
    return Claim.model_validate(data | more)


def fact(fact_id: str, value: float | None, **more: object) -> Fact:
    claim_id, _, arm = fact_id.partition("@")
    subject, _, metric = claim_id.partition(".")
    data: dict[str, object] = {
        "id": fact_id,
        "subject": subject,
        "metric": metric,
        "arm": arm,
        "state": "measured" if value is not None else "not_run",
        "value": value,
        "unit": "byte",
        "method": "stat of the file" if value is not None else None,
        "reason": None if value is not None else Message(code="engine.no-container-engine"),
    }
    return Fact.model_validate(data | more)


def verdict(lab: Lab, claims: list[Claim], facts: list[Fact], wanted: str, where: Circumstances = UNCHANGED) -> Verdict:
    return next(v for v in judge_claims(lab, claims, facts, where) if v.id == wanted)


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        (4_700_000, "reproduced"),
        (4_900_000, "consistent"),
        (4_587_520, "consistent"),
        (9_000_000, "contradicted"),
    ],
)
def test_a_size_is_set_against_our_fact_then_the_known_values(lab: Lab, claimed: float, expected: str) -> None:
    found = verdict(
        lab, [claim("native.binary_size", claimed)], [fact("native.binary_size@build", 4_698_112)], "native.binary_size"
    )
    assert found.verdict == expected


def test_an_exact_byte_count_leaves_no_room_for_rounding(lab: Lab) -> None:
    exact = claim("native.binary_size", 4_698_000, low=4_698_000, high=4_698_000, unit="byte")
    found = verdict(lab, [exact], [fact("native.binary_size@build", 4_698_112)], "native.binary_size")
    assert found.verdict == "contradicted"


@pytest.mark.parametrize("count", [4_718_592, 4_700_000, 4_697_620])
def test_a_short_figure_worked_out_again_in_bytes_is_no_exact_count(lab: Lab, count: int) -> None:
    again = claim("native.binary_size", count, low=count, high=count, unit="byte")
    assert verdict(lab, [again], [], "native.binary_size").verdict == "consistent"


@pytest.mark.parametrize("unit", ["B", "bytes", "байт", None])
def test_a_byte_count_is_exact_in_whatever_words(lab: Lab, unit: str | None) -> None:
    exact = claim(
        "native.binary_size", 4_698_000, low=4_698_000, high=4_698_000, unit="byte", written_unit=unit, qualifier="~"
    )
    facts = [fact("native.binary_size@build", 4_698_112)]
    assert verdict(lab, [exact], facts, "native.binary_size").verdict == "consistent"
    exact = exact.model_copy(update={"qualifier": None})
    found = verdict(lab, [exact], facts, "native.binary_size")
    assert (found.verdict, found.tolerance) == ("contradicted", 0.0)


@pytest.mark.parametrize(
    ("qualifier", "bound", "agrees"),
    [(">", 1_000_000, True), (">", 9_000_000, False), ("<", 9_000_000, True), ("<", 3_500_000, False)],
)
@pytest.mark.parametrize("built", [True, False])
def test_a_bound_is_contradicted_only_where_it_is_untrue(
    lab: Lab, qualifier: str, bound: int, agrees: bool, built: bool
) -> None:
    low, high = (bound, bound * 1.01) if qualifier == ">" else (0, bound)
    stated = claim("native.binary_size", bound, low=low, high=high, unit="byte", qualifier=qualifier)
    facts = [fact("native.binary_size@build", 4_698_112 if built else None)]
    assert (verdict(lab, [stated], facts, "native.binary_size").verdict != "contradicted") == agrees


@pytest.mark.parametrize(
    ("measured", "spread", "expected"),
    [
        (1_040_000, 0.045, "reproduced"),
        (1_049_000, 0.045, "consistent"),
        (1_060_000, 0.045, "contradicted"),  # precision and 5 % are alternatives, not added up
        (1_060_000, 0.001, "contradicted"),
        (951_000, 0.001, "consistent"),
        (949_000, 0.001, "contradicted"),
    ],
)
def test_near_is_the_larger_of_printed_precision_and_five_percent(
    lab: Lab, measured: int, spread: float, expected: str
) -> None:
    low, high = 1_000_000 * (1 - spread), 1_000_000 * (1 + spread)
    stated = claim("native.binary_size", 1_000_000, low=low, high=high, unit="byte")
    facts = [fact("native.binary_size@build", measured)]
    assert verdict(lab, [stated], facts, "native.binary_size", CHANGED).verdict == expected


def test_the_reason_of_our_own_failure_is_told_before_the_reason_of_another_arm(lab: Lab) -> None:
    docker = fact("native.startup_time@docker", None)
    broke = fact("native.startup_time@process", None, reason=Message(code="infra.run-broke"))
    failed = fact("native.startup_time@process", None, state="failed", reason=Message(code="probe.exit"))
    stated = [claim("native.startup_time", 0.3, unit="second")]
    for facts, code in (([docker, broke], "infra.run-broke"), ([docker, broke, failed], "probe.exit")):
        assert verdict(lab, stated, facts, "native.startup_time").reason.code == code


def test_a_claim_that_the_committed_file_refutes_says_that_the_artifact_does(lab: Lab) -> None:
    found = verdict(
        lab,
        [claim("wasm.binary_size", 900_000)],
        [fact("wasm.binary_size@committed", 2_450_459)],
        "wasm.binary_size",
    )
    assert (found.verdict, found.basis) == ("contradicted", "artifact")


def test_a_module_of_another_compiler_says_nothing_about_a_changed_source(lab: Lab) -> None:
    other = fact("wasm.binary_size@build", 8_100_000, comparable=False, compiler="Go 1.21.13")
    found = verdict(lab, [claim("wasm.binary_size", 2_400_000)], [other], "wasm.binary_size", CHANGED)
    assert (found.verdict, found.reason.code) == ("unverifiable", "verdict.other-compiler")


def test_known_values_speak_where_the_image_could_not_be_built(lab: Lab) -> None:
    facts = [fact("native.image_size@docker", None)]
    near = verdict(lab, [claim("native.image_size", 2_070_000)], facts, "native.image_size")
    far = verdict(lab, [claim("native.image_size", 30_000_000)], facts, "native.image_size")
    assert (near.verdict, near.basis) == ("consistent", "known")
    assert (far.verdict, far.basis) == ("contradicted", "known")


@pytest.mark.parametrize(
    ("claimed", "notion", "met"),
    [
        (845_824, "oci_archive", "oci_archive"),
        (839_578, "oci_archive", "oci_archive"),  # within 5 % of it, though exactly the other
        (839_578, None, "ctr_ls"),
        (845_824, None, "oci_archive"),
    ],
)
def test_of_the_known_values_the_one_of_the_claims_own_notion_is_named(
    lab: Lab, claimed: float, notion: str | None, met: str
) -> None:
    stated = claim("wasm.image_size", claimed, notion=notion, unit="byte", low=claimed - 500, high=claimed + 500)
    found = verdict(lab, [stated], [fact("wasm.image_size@oci", None)], "wasm.image_size")
    assert (found.reason.code, found.reason.params["notion"]) == ("verdict.known-value", met)


def test_nothing_is_said_of_an_image_of_changed_sources_that_was_not_built(lab: Lab) -> None:
    facts = [fact("native.image_size@docker", None)]
    found = verdict(lab, [claim("native.image_size", 30_000_000)], facts, "native.image_size", CHANGED)
    assert (found.verdict, found.reason.code) == ("not_run", "engine.no-container-engine")


@pytest.mark.parametrize("claimed", [0.001, 0.3, 90.0])
def test_a_time_on_another_arm_is_unverifiable_whatever_its_size(lab: Lab, claimed: float) -> None:
    process = fact("native.startup_time@process", 0.002, unit="second")
    found = verdict(lab, [claim("native.startup_time", claimed, unit="second")], [process], "native.startup_time")
    assert (found.verdict, found.reason.code) == ("unverifiable", "verdict.other-arm")


@pytest.mark.parametrize(("qualifier", "expected"), [("TODO", "missing"), ("N/A", "unverifiable")])
def test_a_placeholder_is_missing_and_an_answer_without_number_is_not(lab: Lab, qualifier: str, expected: str) -> None:
    empty = claim("wasm.memory_idle", None, qualifier=qualifier, quote=qualifier)
    assert verdict(lab, [empty], [], "wasm.memory_idle").verdict == expected


def row(native: float, wasm: float) -> list[Claim]:
    return [claim("native.binary_size", native), claim("wasm.binary_size", wasm)]


@pytest.mark.parametrize(("percent", "expected"), [(48.0, "consistent"), (80.0, "contradicted")])
def test_a_percentage_is_worked_out_again_from_its_own_row(lab: Lab, percent: float, expected: str) -> None:
    claims = [*row(4_700_000, 2_450_000), claim("binary_size.reduction", percent, unit="percent")]
    found = verdict(lab, claims, [], "binary_size.reduction")
    assert found.verdict == expected
    assert found.recomputed is not None
    assert isinstance(found.recomputed.value, float)
    assert found.recomputed.value == pytest.approx((4.7 - 2.45) / 4.7 * 100)


def test_a_percentage_that_also_meets_our_facts_is_reproduced(lab: Lab) -> None:
    claims = [*row(4_700_000, 2_450_000), claim("binary_size.reduction", 47.8, unit="percent")]
    facts = [fact("native.binary_size@build", 4_698_112), fact("wasm.binary_size@committed", 2_450_459)]
    assert verdict(lab, claims, facts, "binary_size.reduction").verdict == "reproduced"


def test_a_verdict_names_the_tolerance_that_was_applied(lab: Lab) -> None:
    sizes = [*row(4_700_000, 2_450_000), claim("binary_size.reduction", 48.0, unit="percent")]
    percent = verdict(lab, sizes, [], "binary_size.reduction")
    assert (percent.tolerance, percent.reason.params) == (None, {"points": 1.0})
    times = [claim("native.startup_time", 0.3), claim("wasm.startup_time", 0.6), claim("startup_time.ratio", 0.5)]
    ratio = verdict(lab, times, [], "startup_time.ratio")
    assert (ratio.tolerance, ratio.reason.params) == (0.05, {})


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_factor_may_be_told_either_way_round(lab: Lab, factor: float) -> None:
    claims = [
        claim("native.startup_time", 0.3, unit="second"),
        claim("wasm.startup_time", 0.6, unit="second"),
        claim("startup_time.ratio", factor, unit="ratio"),
    ]
    assert verdict(lab, claims, [], "startup_time.ratio").verdict == "consistent"


@pytest.mark.parametrize(
    ("written", "better", "expected"),
    [
        ("-100 % (slower)", False, "consistent"),
        ("-129 % (slower)", False, "contradicted"),
        ("100 % faster", True, "contradicted"),
    ],
)
def test_a_factor_told_as_a_percentage_is_worked_out_again(lab: Lab, written: str, better: bool, expected: str) -> None:
    claims = [
        claim("native.startup_time", 0.3, unit="second"),
        claim("wasm.startup_time", 0.6, unit="second"),
        claim("startup_time.ratio", None, quote=written, qualifier=written, better=better),
    ]
    assert verdict(lab, claims, [], "startup_time.ratio").verdict == expected


def test_a_label_that_two_cells_share_means_the_same_in_both(lab: Lab) -> None:
    sizes = [
        claim("native.image_size", 4_700_000, low=4_650_000, high=4_980_000, unit="byte", written_unit="MB"),
        claim("wasm.image_size", 859_832.32, low=815_000, high=865_075, unit="byte", written_unit="MB"),
    ]
    right, wrong = (claim("image_size.reduction", p, unit="percent", quote=f"{p} %") for p in (82.5, 80.0))
    again = verdict(lab, [*sizes, right], [], "image_size.reduction")
    assert again.verdict == "consistent"
    assert again.recomputed is not None
    assert again.recomputed.value == pytest.approx(100 * (4.7 - 0.82) / 4.7)
    assert verdict(lab, [*sizes, wrong], [], "image_size.reduction").verdict == "contradicted"


def test_a_coarse_figure_of_one_meaning_keeps_its_whole_range(lab: Lab) -> None:
    mib = {"unit": "byte", "written_unit": "MB", "meaning": "binary"}
    sizes = [
        claim("native.image_size", 2_076_180.48, low=2_070_937.6, high=2_081_423.36, **mib),
        claim("wasm.image_size", 2_097_152, low=2_044_723.2, high=2_149_580.8, **mib),  # 2.0 MB
    ]
    growth = claim("image_size.reduction", -1, unit="percent", quote="+1% larger", better=False)
    assert verdict(lab, [*sizes, growth], [], "image_size.reduction").verdict == "consistent"


def test_every_number_of_a_cell_may_have_given_the_derived_one(lab: Lab) -> None:
    cell = {"table": 0, "row": 1, "column": 1}
    claims = [
        claim("native.image_size", 2_073_171, cell=cell),
        claim("native.image_size", 6_820_000, cell=cell, preferred=False),
        claim("wasm.image_size", 839_578),
        claim("image_size.reduction", 87.7, unit="percent"),
    ]
    assert verdict(lab, claims, [], "image_size.reduction").verdict == "consistent"


@pytest.mark.parametrize(("percent", "expected"), [(47.8, "consistent"), (30.0, "contradicted")])
def test_one_wrong_cell_leaves_what_follows_from_the_right_values_alone(
    lab: Lab, percent: float, expected: str
) -> None:
    claims = [*row(4_700_000, 1_234_567), claim("binary_size.reduction", percent, unit="percent")]
    assert verdict(lab, claims, [], "wasm.binary_size").verdict == "contradicted"
    assert verdict(lab, claims, [], "binary_size.reduction").verdict == expected


@pytest.mark.parametrize(("count", "expected"), [(2_073_223, "consistent"), (2_071_000, "contradicted")])
def test_a_known_size_that_moves_by_some_bytes_has_a_reach(lab: Lab, count: int, expected: str) -> None:
    exact = claim("native.image_size", count, low=count, high=count, unit="byte")
    assert verdict(lab, [exact], [], "native.image_size").verdict == expected


def test_a_ratio_measured_on_stand_in_arms_is_no_measure_of_the_labs_ratio(lab: Lab) -> None:
    facts = [
        fact("native.startup_time@process", 0.002, unit="second"),
        fact("wasm.startup_time@wasmtime", 0.1, unit="second"),
        fact(
            "startup_time.ratio@process/wasmtime",
            0.02,
            unit="ratio",
            interval=Interval(low=0.01, high=0.03, level=0.96),
        ),
    ]
    assert verdict(lab, [], facts, "startup_time.ratio").measured is None


@pytest.mark.parametrize(("version", "expected"), [("0.39.0", "consistent"), ("0.31.2", "unverifiable")])
def test_a_tool_version_is_set_against_the_labs(lab: Lab, version: str, expected: str) -> None:
    stated = claim("tinygo.version", version, source="output")
    assert verdict(lab, [stated], [], "tinygo.version").verdict == expected


# The sizes of one image: each notion is a fact of the same id.

IMAGE = {
    "docker_images": 4_698_112,
    "docker_inspect": 4_698_112,
    "content": 2_073_171,
    "oci_archive": 2_080_256,
    "unpacked": 4_698_112,
}


def sizes(claim_id: str, arm: str, **by_notion: int) -> list[Fact]:
    return [fact(f"{claim_id}@{arm}", value, notion=notion) for notion, value in by_notion.items()]


def judged_image(lab: Lab, claimed: float, notion: str | None = None, **by_notion: int) -> Verdict:
    facts = sizes("native.image_size", "docker", **(by_notion or IMAGE))
    stated = claim("native.image_size", claimed, notion=notion, unit="byte")
    return verdict(lab, [stated], facts, "native.image_size", CHANGED)


@pytest.mark.parametrize(
    ("claimed", "notion", "met"),
    [
        (4_700_000, "docker_images", "docker_images"),
        (4_700_000, "docker_inspect", "docker_inspect"),
        (4_700_000, None, "docker_images"),
        (2_070_000, None, "content"),
        (2_070_000, "content", "content"),
        (2_085_000, "oci_archive", "oci_archive"),
    ],
)
def test_a_claim_meets_the_notion_it_was_read_in_first(lab: Lab, claimed: float, notion: str | None, met: str) -> None:
    found = judged_image(lab, claimed, notion)
    assert (found.verdict, found.measured and found.measured.notion) == ("reproduced", met)
    assert found.reason == Message(code="verdict.reproduced-notion", params={"notion": met})


def test_what_dockers_other_store_counts_is_no_contradiction(lab: Lab) -> None:
    found = judged_image(lab, 6_790_000, "docker_images")
    assert (found.verdict, found.reason.code) == ("consistent", "verdict.other-store")


@pytest.mark.parametrize("notion", [None, "docker_images", "content"])
def test_more_than_all_files_together_is_refuted_however_it_was_counted(lab: Lab, notion: str | None) -> None:
    found = judged_image(lab, 30_000_000, notion)
    assert (found.verdict, found.basis, found.reason.code) == ("contradicted", "rebuild", "verdict.contradicted")


@pytest.mark.parametrize(
    ("notion", "expected"),
    [("docker_images", "contradicted"), (None, "unverifiable"), ("content", "unverifiable")],
)
def test_less_than_all_files_together_may_be_another_way_to_compress(
    lab: Lab, notion: str | None, expected: str
) -> None:
    assert judged_image(lab, 1_500_000, notion).verdict == expected


def test_compressed_sizes_alone_refute_nobody(lab: Lab) -> None:
    found = judged_image(lab, 30_000_000, None, content=839_578, ctr_ls=361)
    assert (found.verdict, found.reason.code) == ("unverifiable", "verdict.other-compression")


def test_the_known_set_refutes_what_our_own_compressing_cannot(lab: Lab) -> None:
    facts = sizes("wasm.image_size", "oci", content=820_000)
    far = verdict(lab, [claim("wasm.image_size", 400_000)], facts, "wasm.image_size")
    assert (far.verdict, far.basis) == ("contradicted", "known")


def test_a_reduction_compares_one_notion(lab: Lab) -> None:
    facts = sizes("native.image_size", "docker", **IMAGE) + sizes("wasm.image_size", "oci", content=839_578, ctr_ls=361)
    claims = [claim("native.image_size", 4_700_000), claim("wasm.image_size", 840_000)]
    stated = claim("image_size.reduction", 82.1, low=82.05, high=82.15, unit="percent")
    found = verdict(lab, [*claims, stated], facts, "image_size.reduction")
    assert found.measured is not None
    assert isinstance(found.measured.value, float)
    assert (round(found.measured.value, 1), found.measured.notion) == (59.5, "content")
    assert found.verdict == "consistent"  # it follows from the student's own cells


def test_the_size_of_the_program_in_the_image_comes_before_our_own_build(lab: Lab) -> None:
    facts = [
        fact("native.binary_size@build", 4_698_112),
        fact("native.binary_size@docker", 4_587_520),
    ]
    found = verdict(lab, [claim("native.binary_size", 4_587_520)], facts, "native.binary_size", CHANGED)
    assert (found.verdict, found.fact) == ("reproduced", "native.binary_size@docker")


def test_memory_beside_a_container_answers_no_claim(lab: Lab) -> None:
    facts = [fact("wasm.memory_peak@ctr-wasmtime", 15_000_000, notion="shim")]
    found = verdict(lab, [claim("wasm.memory_peak", 14_000_000)], facts, "wasm.memory_peak")
    assert found.verdict == "unverifiable"
