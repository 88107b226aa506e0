"""`--fail-on` and `--marks`: refused before anything runs if they make no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.adapters.labfile import load_lab
from grader.cli.failon import check_conditions
from grader.cli.marks import load_marks
from grader.errors import UsageError


@pytest.mark.parametrize("wrong", ["", "score", "score<", "score<x", "finding:fatal", "contradicted "])
def test_an_unknown_condition_is_refused_with_the_allowed_ones(wrong: str) -> None:
    with pytest.raises(UsageError, match="score<N"):
        check_conditions([wrong])


def test_the_conditions_of_the_contract_are_accepted() -> None:
    check_conditions(["contradicted", "review", "finding:error", "score<7.5"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "cannot read marks"),
        ("[]", "marks are an object"),
        ('{"t9.x": 1}', "unknown criterion `t9.x`"),
        ('{"t1.explain": 3}', "allowed: 0 to 0.5"),
        ('{"t1.explain": {"points": true}}', "allowed: 0 to 0.5"),
    ],
)
def test_marks_that_make_no_sense_are_refused_with_an_example(tmp_path: Path, data: str, message: str) -> None:
    file = tmp_path / "marks.json"
    file.write_text(data)
    with pytest.raises(UsageError, match=message) as caught:
        load_marks(file, load_lab("lab12-f25").lab)
    assert "t1.explain" in caught.value.hint


def test_marks_are_read_with_their_notes(tmp_path: Path) -> None:
    file = tmp_path / "marks.json"
    file.write_text(json.dumps({"t1.explain": {"points": 0.25, "note": "brief"}, "t4.questions": 1}))
    marks = load_marks(file, load_lab("lab12-f25").lab)
    assert (marks["t1.explain"].points, marks["t1.explain"].note) == (0.25, "brief")
    assert marks["t4.questions"].points == 1
