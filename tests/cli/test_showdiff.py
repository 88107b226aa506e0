"""What changed between two gradings, as it is printed."""

from __future__ import annotations

import pytest

from grader.adapters.labfile import load_lab
from grader.cli.showdiff import show_diff
from grader.judging.regrade import compare_grades
from grader.model.base import Language, Message
from grader.model.grade import Finding, Grade, ManualMark
from tests.render.pages import grade

LAB = load_lab("lab12-f25").lab
HOSTILE = "\x1b[31m\u202e"


def told(capsys: pytest.CaptureFixture[str], old: Grade, new: Grade, language: Language = "en") -> str:
    show_diff(compare_grades(old, new), LAB, language)
    return " ".join(capsys.readouterr().out.split())


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


@pytest.mark.parametrize(("language", "words"), [("en", "Nothing changed."), ("ru", "Ничего не изменилось.")])
def test_nothing_is_said_in_words(capsys: pytest.CaptureFixture[str], language: Language, words: str) -> None:
    assert told(capsys, grade(), grade(), language) == words


def test_another_submission_is_named_even_where_nothing_changed(capsys: pytest.CaptureFixture[str]) -> None:
    new = grade().submission.model_copy(update={"id": f"other{HOSTILE}", "manifest_sha256": "f" * 64})
    text = told(capsys, grade(), grade().model_copy(update={"submission": new}))
    assert text.startswith("Another submission: ")
    assert r"other\x1b[31m\u202e" in text


def test_a_persons_points_and_a_finding_are_told_and_do_not_act(capsys: pytest.CaptureFixture[str]) -> None:
    old = grade()
    found = Finding(rule=f"r{HOSTILE}", severity="warning", message=Message(code="rule.r"), quote=f"q{HOSTILE}", line=7)
    first = old.criteria[0].model_copy(update={"manual": ManualMark(points=0, note=""), "id": f"t{HOSTILE}"})
    new = old.model_copy(update={"criteria": (first, *old.criteria[1:]), "findings": (*old.findings, found)})
    text = told(capsys, old, new)
    for words in ("given by the instructor", r"finding r\x1b[31m\u202e", r"report line 7: q\x1b[31m\u202e"):
        assert words in text
    assert not set(HOSTILE) & {char for char in text if not char.isprintable()}
