"""Every message has a wording, and every wording gets the params it names."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import grader
from grader.bootstrap.checks import WORDING
from grader.model.base import Language, Message
from grader.model.lab import Lab
from grader.render.catalogue import LANGUAGES, translated, worded, words
from grader.render.labels import own_words
from grader.render.messages_en import EN
from grader.render.messages_ru import RU
from tests.render.pages import grade

PACKAGE = Path(grader.__file__).parent
_CODE = re.compile(r"""(?:code=|_decide\(\s*base,\s*"\w+",\s*)"([a-z0-9]+(?:[.-][a-z0-9]+)+)\"""")


def used_codes() -> set[str]:
    return {code for file in PACKAGE.rglob("*.py") for code in _CODE.findall(file.read_text("utf-8"))}


def test_every_code_in_the_program_has_a_wording_in_every_language() -> None:
    used = used_codes()
    assert len(used) > 40, "the search for codes finds too few to mean anything"
    for language, catalogue in LANGUAGES.items():
        assert used - set(catalogue) - set(WORDING) == set(), language


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_that_said_nothing_is_not_quoted(language: Language) -> None:
    sentence = words(Message(code="probe.exit", params={"exit": 3, "said": ""}), language=language)
    assert sentence.endswith("3")


def test_every_wording_is_of_a_code_that_the_program_has() -> None:
    files = [f for f in PACKAGE.rglob("*.*") if f.suffix in (".py", ".j2") and not f.name.startswith("messages_")] + [
        *PACKAGE.rglob("*.j2")
    ]
    source = "".join(f.read_text("utf-8") for f in files)
    for language, catalogue in LANGUAGES.items():
        assert {code for code in catalogue if f'"{code}"' not in source} == set(), language


def test_every_rule_of_the_lab_has_a_wording(lab: Lab) -> None:
    for rule in lab.rules:
        message = Message(code=f"rule.{rule.id}", params={"quote": "x"})
        assert words(message, lab.messages["en"]) != message.code


def test_a_labs_own_wording_comes_first() -> None:
    message = Message(code="criterion.review")
    assert words(message, {"criterion.review": "read me"}) == "read me"


def test_an_older_message_without_a_param_still_reads() -> None:
    assert "<id>" in words(Message(code="criterion.not-stated"))


@pytest.mark.parametrize("hostile", ["{0.__class__}", "{id!r}", "{{x}}", "%s"])
def test_params_are_data_and_never_templates(hostile: str) -> None:
    assert hostile in words(Message(code="verdict.no-number", params={"qualifier": hostile}))


def fields(wording: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(wording) if name is not None}


def test_all_languages_word_the_same_codes() -> None:
    for language, catalogue in LANGUAGES.items():
        assert set(catalogue) ^ set(EN) == set(), language


@pytest.mark.parametrize("code", sorted(EN))
def test_a_wording_has_the_same_placeholders_in_every_language(code: str) -> None:
    assert {language: fields(catalogue[code]) for language, catalogue in LANGUAGES.items()} == dict.fromkeys(
        LANGUAGES, fields(EN[code])
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogues_are_sorted(language: Language) -> None:
    assert list(LANGUAGES[language]) == sorted(LANGUAGES[language])


def test_a_russian_wording_is_russian() -> None:
    own = {code: re.sub(r"\{\w+\}|`[^`]*`", "", wording) for code, wording in RU.items()}
    assert {code for code, wording in own.items() if re.search("[A-Za-z]", wording) and wording == EN[code]} == set()
    assert [code for code, text in own.items() if re.search("[A-Za-z]", text) and not re.search("[а-яё]", text)] == []


def test_a_grade_in_another_language_keeps_its_data(lab: Lab) -> None:
    given = worded(grade(), own_words(lab))
    russian = translated(lab, given, "ru")
    assert russian.criteria[0].reason.text != given.criteria[0].reason.text
    assert translated(lab, russian, "en") == translated(lab, given, "en")
    assert russian.facts[0].value == given.facts[0].value
    assert [c.reason.params for c in russian.criteria] == [c.reason.params for c in given.criteria]
