"""Ratios in a student's feedback: value, interval, verdict, and the loop's line beside them."""

from __future__ import annotations

import pytest

from grader.model.base import Language, Message
from grader.model.grade import Fact
from grader.model.lab import Lab
from grader.model.run import TimedRuns
from grader.render.catalogue import worded
from grader.render.feedback import feedback_markdown
from grader.render.lab_table import table_markdown
from grader.render.labels import own_words
from grader.render.page import feedback_html
from grader.render.ratiolines import noise_of_times, timed_ratios
from grader.stats.timing import facts_from_campaign
from tests.render.pages import campaign, grade


def ratios(lab: Lab, *, failed: bool = False) -> tuple[Fact, ...]:
    """Return the ratios of twelve rounds in which the module takes 148 times as long as the native program."""
    timed = campaign(failed=failed)
    lab = lab.model_copy(update={"timing": lab.timing.model_copy(update={"ratios": ("wasmtime/process",)})})
    return tuple(fact for fact in facts_from_campaign(lab, timed, {}) if fact.metric == "startup_time.ratio")


def test_a_ratio_is_told_with_verdict_and_the_loops_line(lab: Lab) -> None:
    (line,) = timed_ratios(lab, ratios(lab))
    assert line.name == "wasmtime / native process"
    assert line.verdict.startswith("Not resolved") or "times slower than native process" in line.verdict
    assert line.loop == "Average: 0.390833 seconds, Average: 0 seconds; first / second: division by 0"


@pytest.mark.parametrize(("language", "told"), [("en", "Go, not TinyGo"), ("ru", "Go, а не TinyGo")])
def test_a_module_of_another_compiler_is_named_beside_its_ratio(lab: Lab, language: Language, told: str) -> None:
    (fact,) = ratios(lab)
    other = fact.model_copy(update={"comparable": False, "compiler": "Go 1.21.13"})
    (line,) = timed_ratios(lab, (other,), language)
    assert line.name.endswith(f" ({told})")


def test_a_ratio_of_an_arm_that_failed_has_no_line(lab: Lab) -> None:
    assert timed_ratios(lab, ratios(lab, failed=True)) == ()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_output_for_people_has_the_ratios(lab: Lab, language: Language) -> None:
    given = worded(
        grade().model_copy(update={"facts": (*grade().facts, *ratios(lab))}),
        own_words(lab, language),
        language=language,
    )
    (line,) = timed_ratios(lab, given.facts, language)
    for text in (
        feedback_markdown(lab, given, (), language),
        table_markdown(lab, given, language),
        feedback_html(lab, given, TimedRuns(campaign=campaign()), None, (), language),
    ):
        assert line.name in text
        assert "Average: 0.39" in text


def test_names_of_arms_stand_for_their_ids(lab: Lab) -> None:
    (fact,) = ratios(lab)
    assert fact.compared is not None
    reason = Message(
        code="bench.slower",
        params={"numerator": "wasmtime-aot", "denominator": "process", "factor": "2.1", "low": "2.0", "high": "2.2"},
    )
    changed = fact.model_copy(update={"compared": fact.compared.model_copy(update={"reason": reason})})
    (line,) = timed_ratios(lab, (changed,))
    assert line.verdict == "Wasmtime, precompiled is 2.1 times slower than native process (2.0 to 2.2)"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_noisy_host_is_named_once_in_every_output(lab: Lab, language: Language) -> None:
    loud = (Message(code="noise.foreign-load", params={"percent": 93}),)
    noisy = tuple(fact.model_copy(update={"noise": loud}) for fact in ratios(lab) * 2)
    quiet = grade().model_copy(update={"facts": (*grade().facts, *ratios(lab))})
    given = worded(
        grade().model_copy(update={"facts": (*grade().facts, *noisy)}), own_words(lab, language), language=language
    )
    told = noise_of_times(given.facts, language)
    assert told.count("93") == 1
    for text in (
        feedback_markdown(lab, given, (), language),
        table_markdown(lab, given, language),
        feedback_html(lab, given, TimedRuns(campaign=campaign()), None, (), language),
    ):
        assert text.count("93 %") == 1
    assert noise_of_times(quiet.facts, language) == ""
