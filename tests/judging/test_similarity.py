"""Similarity: what chance and the course give is nobody's; what is left is told once per pair."""

from __future__ import annotations

import itertools
import random

import pytest

from grader.judging.similarity import COMMON_LEAST, Traits, shingles, similar_pairs, traits
from grader.model.grade import Grade
from grader.model.lab import Lab
from grader.model.report import Claim, Span, Unit
from tests.render.pages import grade

WORDS = [
    a + b + c for a, b, c in itertools.product(("ba", "do", "ki"), ("lu", "me", "no", "pa"), ("ra", "si", "tu", "vo"))
]


def prose(seed: int, words: int = 200) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words))


def stated(claim_id: str, value: float, unit: Unit = "second") -> Claim:
    return Claim(id=claim_id, value=value, unit=unit, quote="x", line=1, source="table", span=Span(start=0, end=1))


def handed_in(name: str, *claims: Claim) -> Grade:
    raw = grade()
    about = raw.submission.model_copy(update={"id": name, "report_sha256": name * 64})
    return raw.model_copy(update={"submission": about, "claims": claims, "facts": ()})


def pairs(
    lab: Lab, *reports: str, values: tuple[tuple[Claim, ...], ...] = ()
) -> list[tuple[str, str, tuple[str, ...]]]:
    all_values = (*values, *[()] * len(reports))
    those = [traits(lab, handed_in("abcdefghijklmnop"[n], *all_values[n]), report) for n, report in enumerate(reports)]
    return [(p.first, p.second, tuple(s.kind for s in p.shared)) for p in similar_pairs(those)]


def test_unrelated_reports_share_nothing(lab: Lab) -> None:
    assert pairs(lab, *(prose(n) for n in range(12))) == []


def test_a_paraphrased_report_with_one_equal_time_stamp_is_seen(lab: Lab) -> None:
    assert pairs(lab, f"{prose(1)} 1776958135", f"{prose(2)} 1776958135", prose(3)) == [("a", "b", ("timestamp",))]


def test_two_equal_values_are_chance_and_three_are_not(lab: Lab) -> None:
    same = (stated("native.startup_time", 0.422), stated("wasm.startup_time", 0.065))
    third = stated("native.memory_idle", 1_503_658, "byte")
    assert pairs(lab, prose(1), prose(2), values=(same, same)) == []
    assert pairs(lab, prose(1), prose(2), values=((*same, third), (*same, third))) == [("a", "b", ("values",))]


def test_sizes_are_everybodys_and_count_for_nobody(lab: Lab) -> None:
    sizes = tuple(
        stated(f"{s}.{m}", 2_450_459, "byte") for s in ("native", "wasm") for m in ("binary_size", "image_size")
    )
    assert pairs(lab, prose(1), prose(2), values=(sizes, sizes)) == []


def test_a_container_id_and_a_list_of_runs_are_nobody_elses(lab: Lab) -> None:
    runs = "0.61\n0.58\n0.57\n0.60\n0.59\n"
    found = pairs(lab, f"{prose(1)}\n7d1f0c7be2a9 up\n{runs}", f"{prose(2)}\n7d1f0c7be2a9 up\n{runs}")
    assert found == [("a", "b", ("identifier", "runs"))]


def test_the_digest_of_a_public_image_says_nothing(lab: Lab) -> None:
    line = "FROM golang:1.21-alpine@sha256:" + "0a1b" * 16
    assert pairs(lab, f"{prose(1)}\n{line}", f"{prose(2)}\n{line}") == []


@pytest.mark.parametrize(
    "line",
    [
        "078e42fc545c: Pull complete",
        "=> => extracting sha256:" + "0a1b" * 16 + "  0.0s",
        " => => sha256:" + "0a1b" * 16 + " 70B / 70B",
        "Digest: sha256:" + "0a1b" * 16,
        "layer-sha256:" + "0a1b" * 16 + ": done",
    ],
)
def test_layers_that_were_fetched_are_somebody_elses(lab: Lab, line: str) -> None:
    assert pairs(lab, f"{prose(1)}\n{line}", f"{prose(2)}\n{line}") == []


def test_shared_prose_is_told_with_its_share_and_the_courses_text_is_not_prose(lab: Lab) -> None:
    course, copied = prose(100, 400), prose(101, 120)
    reports = [f"{course} {prose(1, 80)} {copied}", f"{course} {prose(2, 80)} {copied}"]
    known = shingles(course)
    those = [traits(lab, handed_in(name, *()), text, known) for name, text in zip("ab", reports, strict=True)]
    (pair,) = similar_pairs(those)
    assert [s.kind for s in pair.shared] == ["prose"]
    assert pair.shared[0].share is not None
    assert 0.5 < pair.shared[0].share < 0.65
    alone = [traits(lab, handed_in(name), f"{course} {prose(n)}", known) for n, name in enumerate("ab")]
    assert similar_pairs(alone) == ()


def test_what_many_hand_in_is_the_courses(lab: Lab) -> None:
    reports = [f"{prose(n)} 1776958135 7d1f0c7be2a9" for n in range(COMMON_LEAST + 1)]
    assert pairs(lab, *reports) == []


def test_an_identical_report_is_told_alone_and_once(lab: Lab) -> None:
    one = traits(lab, handed_in("a", stated("native.startup_time", 0.422)), f"{prose(1)} 1776958135")
    other = one.model_copy(update={"id": "b"})
    assert [(p.first, p.second, [s.kind for s in p.shared]) for p in similar_pairs([one, other])] == [
        ("a", "b", ["report"])
    ]


def test_hundreds_of_reports_are_compared_by_what_they_share(lab: Lab) -> None:
    many = [
        traits(lab, handed_in("a"), prose(n, 300)).model_copy(update={"id": str(n), "report_sha256": str(n)})
        for n in range(300)
    ]
    assert isinstance(many[0], Traits)
    assert similar_pairs(many) == ()
