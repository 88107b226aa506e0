"""A lab in several languages: one that is there is whole, and what it lacks is named."""

from __future__ import annotations

import pytest

from grader.judging.labcheck import check_lab
from grader.model.lab import Lab


def without(lab: Lab, code: str) -> Lab:
    russian = {name: text for name, text in lab.messages["ru"].items() if name != code}
    return lab.model_copy(update={"messages": {**lab.messages, "ru": russian}})


def test_the_shipped_lab_is_whole(lab: Lab) -> None:
    assert check_lab(lab) == ()


@pytest.mark.parametrize("code", ["title.t3.module", "row.memory_idle", "claim.spin.url", "lab.title"])
def test_a_name_that_another_language_lacks_is_said(lab: Lab, code: str) -> None:
    (mistake,) = check_lab(without(lab, code))
    assert mistake.path == ("messages", "ru")
    assert mistake.what == f"`{code}` has no name in this language"


def test_a_new_criterion_without_a_russian_title_is_said(lab: Lab) -> None:
    new = lab.rubric[0].model_copy(update={"id": "t1.new", "title": "Something new"})
    (mistake,) = check_lab(lab.model_copy(update={"rubric": (*lab.rubric, new)}))
    assert mistake.what == "`title.t1.new` has no name in this language"


def test_a_lab_in_english_alone_needs_no_names(lab: Lab) -> None:
    assert check_lab(lab.model_copy(update={"messages": {"en": lab.messages["en"]}})) == ()
