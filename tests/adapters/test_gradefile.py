"""A grade that somebody names: what it may be, and one message for each way in which it is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grader import __version__
from grader.adapters.gradefile import find_grade, load_grade
from grader.errors import GraderError
from tests.cli.handed_out import written

Document = dict[str, Any]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return written(tmp_path / "out")


def test_a_grade_may_be_named_by_its_file_its_folder_or_a_link(stored: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(stored)
    assert load_grade(stored) == load_grade(stored.parent) == load_grade(link)
    assert find_grade(link) == stored


def refusal(path: Path) -> str:
    with pytest.raises(GraderError) as caught:
        load_grade(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON, or it is cut off"),
        (b"\xff\xfe\x00", "not JSON, or it is cut off"),
        (b"[" * 200_000, "not JSON, or it is cut off"),
        (b"[]", "it has no `schema`"),
        (b'{"schema": 1}', "it has no `schema`"),
        (b'{"schema": "grader/run/1"}', "its schema is `grader/run/1`"),
        (b'{"schema": "grader/grade/1", "score": 1e999}', "a number that no grade holds"),
        (b'{"schema": "grader/grade/1"}', "Field required"),
    ],
)
def test_what_is_no_grade_is_one_message_that_says_what_to_give(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "grade.json"
    path.write_bytes(data)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "hint: give the `grade.json`" in message


@pytest.mark.parametrize("name", ["no-such.json", "/dev/null", "empty"])
def test_what_is_no_file_is_told_with_the_same_hint(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    assert "hint: give the `grade.json`" in refusal(tmp_path / name)


def test_a_grade_that_is_cut_off_anywhere_is_refused(stored: Path) -> None:
    whole = stored.read_bytes().rstrip()
    for cut in range(1, len(whole), len(whole) // 50):
        stored.write_bytes(whole[:cut])
        assert "cut off" in refusal(stored)


def change(stored: Path, document: Document) -> Path:
    stored.write_text(json.dumps(document), "utf-8")
    return stored


def test_a_grade_of_a_newer_format_is_told_from_a_broken_one(stored: Path) -> None:
    document = json.loads(stored.read_bytes()) | {"schema": "grader/grade/2"}
    message = refusal(change(stored, document))
    assert "its schema is `grader/grade/2`; this version reads `grader/grade/1`" in message
    assert "hint: judge with the version of grader that wrote it" in message


def test_an_unknown_field_of_a_newer_grader_names_both_versions(stored: Path) -> None:
    document = json.loads(stored.read_bytes()) | {"invented": 1}
    assert "hint: give" in refusal(change(stored, document)), "this version writes no such field"
    document["grader"]["version"] = "99.0"
    message = refusal(change(stored, document))
    assert f"`invented`: Extra inputs are not permitted; grader 99.0 wrote it, this is {__version__}" in message
    assert "hint: judge with the version of grader that wrote it" in message
