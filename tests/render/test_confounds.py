"""Wherever a ratio of two programs on two engines is shown, the share of the engine stands beside it."""

from __future__ import annotations

import pytest

from grader.model.base import Language, Message
from grader.model.grade import Compared, Fact, Interval, Verdict
from grader.model.lab import Lab
from grader.render.catalogue import phrase
from grader.render.cells import row_text
from grader.render.comparison import sandbox_cost
from grader.render.confounds import shares_of, time_notes

LABS_OWN, ALIKE, ENGINE = "docker/ctr-wasmtime", "ctr-runc/ctr-wasmtime", "docker/ctr-runc"


def time(subject: str, arm: str, seconds: float) -> Fact:
    return Fact(
        id=f"{subject}.startup_time@{arm}",
        subject=subject,
        metric="startup_time",
        arm=arm,
        state="measured",
        value=seconds,
        unit="second",
        method="m",
    )


def ratio(arms: str, value: float) -> Fact:
    return Fact(
        id=f"startup_time.ratio@{arms}",
        subject=None,
        metric="startup_time.ratio",
        arm=arms,
        state="measured",
        value=value,
        unit="ratio",
        interval=Interval(low=value * 0.96, high=value * 1.04, level=0.95),
        method="m",
        compared=Compared(
            verdict="faster",
            reason=Message(code="bench.faster"),
            loop_numerator="a",
            loop_denominator="b",
            loop_ratio=value,
        ),
    )


TIMES = [time("native", "docker", 0.26), time("native", "ctr-runc", 0.09), time("wasm", "ctr-wasmtime", 0.13)]
ALL = [*TIMES, ratio(LABS_OWN, 2.0), ratio(ALIKE, 0.7), ratio(ENGINE, 2.9)]


def cell(lab: Lab, facts: list[Fact]) -> str | None:
    row = next(row for row in lab.table.rows if row.key == "startup_time")
    own = next(f for f in facts if f.arm == LABS_OWN)
    verdict = Verdict(
        id="startup_time.ratio",
        verdict="missing",
        claimed=None,
        measured=own.quantity(),
        reason=Message(code="verdict.missing"),
    )
    return row_text(lab, row, "derived", facts, [verdict])


def test_the_labs_ratio_is_written_with_both_of_its_factors(lab: Lab) -> None:
    assert cell(lab, ALL) == "2.0× (like for like 0.70×, the change of engine alone 2.9×)"


def test_a_ratio_that_is_told_both_ways_keeps_one_pair_of_brackets(lab: Lab) -> None:
    slower = [*TIMES, ratio(LABS_OWN, 0.5), ratio(ALIKE, 0.2), ratio(ENGINE, 2.5)]
    assert cell(lab, slower) == "0.50× (2.0× slower; like for like 0.20×, the change of engine alone 2.5×)"


@pytest.mark.parametrize("lost", [ALIKE, ENGINE])
def test_a_factor_that_was_not_measured_is_not_left_out_in_silence(lab: Lab, lost: str) -> None:
    facts = [fact for fact in ALL if fact.arm != lost]
    assert cell(lab, facts) == "2.0× (two engines, whose share is not known)"
    (_, note) = time_notes(lab, facts)
    assert "was not measured here" in note


@pytest.mark.parametrize("arms", [ALIKE, ENGINE, "process/wasmtime"])
def test_a_ratio_on_one_engine_or_of_one_program_needs_no_note(lab: Lab, arms: str) -> None:
    assert shares_of(lab, arms, [*ALL, ratio("process/wasmtime", 0.1)]) == ""


def test_the_sentence_names_what_each_factor_compares(lab: Lab) -> None:
    (about_times, note) = time_notes(lab, ALL)
    assert "make it, start it and take it away" in about_times
    assert "Docker container / containerd with the wasmtime shim: 2.0 (1.9–2.1)" in note
    assert "(containerd with runc / containerd with the wasmtime shim) make 0.70 (0.67–0.73)" in note
    assert "(Docker container / containerd with runc) makes 2.9 (2.7–3.1)" in note


def test_the_sentence_begins_with_a_capital_in_either_language(lab: Lab) -> None:
    notes = [time_notes(lab, ALL, language)[1] for language in ("en", "ru")]
    assert [note.partition(" / ")[0] for note in notes] == ["Docker container", "Контейнер Docker"]


def test_without_containers_nothing_is_said_of_them(lab: Lab) -> None:
    facts = [time("native", "process", 0.01), time("wasm", "wasmtime", 0.1), ratio("process/wasmtime", 0.1)]
    assert time_notes(lab, facts) == ()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_empty_sandbox_is_not_said_to_be_in_the_times_of_containers(language: Language) -> None:
    control = time("native", "sandbox-noop", 0.003).model_copy(update={"subject": None})
    alone = sandbox_cost([control, time("native", "process", 0.01)], language)
    beside = sandbox_cost([control, *TIMES], language)
    assert phrase("feedback.sandbox-cost", language) == alone != beside
    assert ("containers" if language == "en" else "контейнеров") in beside
    assert sandbox_cost(TIMES, language) == ""


def test_in_russian_the_numbers_have_a_comma(lab: Lab) -> None:
    assert shares_of(lab, LABS_OWN, ALL, "ru") == "на одном движке 0,70×, сама смена движка 2,9×"
