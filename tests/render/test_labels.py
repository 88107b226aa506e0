"""People read names; data keep ids."""

from __future__ import annotations

import string

import pytest

from grader.model.arms import ENGINE_OF_ARM
from grader.model.base import Language, Message
from grader.model.lab import Lab
from grader.render.catalogue import LANGUAGES, words
from grader.render.labels import KINDS, NAMES, arm_name, cell_name, own_words, quantity_name
from grader.render.messages_en import EN


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_arm_and_every_metric_of_the_lab_has_a_name(lab: Lab, language: Language) -> None:
    wanted = {f"arm.{arm}" for arm in ENGINE_OF_ARM} | {f"metric.{metric}" for metric in lab.metrics}
    assert wanted - set(NAMES[language]) == set()


def test_the_languages_name_the_same_things() -> None:
    assert set(NAMES["ru"]) == set(NAMES["en"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_names_are_sorted(language: Language) -> None:
    assert list(NAMES[language]) == sorted(NAMES[language])


@pytest.mark.parametrize(
    ("claim_id", "english", "russian"),
    [
        ("native.startup_time", "start-up time (native)", "время запуска (обычная сборка)"),
        ("image_size.reduction", "image size (difference)", "размер образа (разница)"),
        ("tinygo.version", "TinyGo version", "версия TinyGo"),
        ("docker.cold_p50", "cold p50 (docker)", "cold p50 (docker)"),
    ],
)
def test_a_claim_is_called_by_its_metric_and_subject(lab: Lab, claim_id: str, english: str, russian: str) -> None:
    assert quantity_name(claim_id, own_words(lab)) == english
    assert quantity_name(claim_id, own_words(lab, "ru"), language="ru") == russian


def test_a_ratio_names_both_of_its_arms() -> None:
    assert arm_name("process/wasmtime-aot") == "native process / wasmtime, precompiled"
    assert arm_name("a-new-arm", language="ru") == "a-new-arm"


def test_a_cell_is_called_by_its_row_and_column(lab: Lab) -> None:
    assert cell_name("server_mode.derived", own_words(lab, "ru"), language="ru") == "режим сервера (разница)"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            Message(code="criterion.not-stated", params={"id": "native.startup_time"}),
            "the report gives no value for start-up time (native)",
        ),
        (Message(code="fact.not-measured", params={"arm": "docker"}), "not measured here: Docker container"),
        (
            Message(code="criterion.need-failed", params={"need": "t1.once"}),
            "first this has to pass: The program builds and prints valid JSON with the right instant",
        ),
        (
            Message(code="criterion.derived-wrong", params={"ids": "image_size.reduction, tinygo.version"}),
            "these cells are empty or do not follow from their own row: image size (difference), TinyGo version",
        ),
    ],
)
def test_a_reason_speaks_of_names(lab: Lab, message: Message, expected: str) -> None:
    assert words(message, own_words(lab)) == expected


@pytest.mark.parametrize(
    ("seconds", "english", "russian"),
    [
        (20.0, "within 20 s", "за 20 с"),
        (3.4872340987, "within 3.5 s", "за 3,5 с"),
        (0.25, "within 0.25 s", "за 0,25 с"),
    ],
)
def test_seconds_are_written_as_the_language_writes_numbers(seconds: float, english: str, russian: str) -> None:
    message = Message(code="run.timeout", params={"seconds": seconds})
    assert english in words(message)
    assert russian in words(message, language="ru")


def test_what_a_student_wrote_is_no_id_whatever_it_looks_like() -> None:
    """`said` and `found` are data, and so is each param of a message that is known to hold no id."""
    data = Message(code="rule.of-a-lab", params={"arm": "docker", "id": "a_b.c_d", "kind": "cgi", "label": "build"})
    template = {"rule.of-a-lab": "{arm} {id} {kind} {label}"}
    assert words(data, template) == "docker a_b.c_d cgi build"


def test_every_wording_whose_param_is_named_as_an_id_says_which_kind_it_is() -> None:
    names = {"arm", "cells", "id", "ids", "instead", "label", "need", "notion", "own", "rows", "seconds", "within"}
    no_ids = {"cell.one-run": {"arm"}, "noise.pressure": {"own"}}
    fields = {code: {f for _, f, _, _ in string.Formatter().parse(text) if f} & names for code, text in EN.items()}
    wanted = {code: found - no_ids.get(code, set()) for code, found in fields.items()}
    assert {code: set(kinds) for code, kinds in KINDS.items()} == {c: found for c, found in wanted.items() if found}


def test_a_labs_titles_stand_untranslated_where_it_has_no_others(lab: Lab) -> None:
    bare = lab.model_copy(update={"messages": {"en": lab.messages["en"]}})
    assert own_words(bare, "ru")["title.t1.once"] == lab.rubric[0].title
    assert own_words(lab, "ru")["title.t1.once"] != lab.rubric[0].title


def test_the_shipped_lab_has_russian_titles_and_rows(lab: Lab) -> None:
    assert {f"title.{c.id}" for c in lab.rubric} - set(lab.messages["ru"]) == set()
    assert {f"row.{row.key}" for row in lab.table.rows} - set(lab.messages["ru"]) == set()
