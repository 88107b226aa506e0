"""A grade that somebody names: what it may be, and one message for each way in which it is none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from grader import __version__
from grader.adapters.gradefile import beside, find_grade, load_grade, load_stored
from grader.errors import GraderError
from grader.model.grade import Beside
from tests.cli.handed_out import REPORT, written

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
        (b'{"schema": "grader/grade/1"}', "`lab` is missing"),
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


def test_a_folder_without_a_grade_is_not_called_missing(tmp_path: Path) -> None:
    assert "there is no `grade.json` in this folder" in refusal(tmp_path)


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
    assert (
        f"`invented` does not fit: Extra inputs are not permitted; grader 99.0 wrote it, this is {__version__}"
        in message
    )
    assert "hint: judge with the version of grader that wrote it" in message


def test_the_digest_is_of_the_bytes_that_were_read(stored: Path) -> None:
    read = load_stored(stored)
    stored.write_bytes(stored.read_bytes() + b"\n")
    assert read.sha256 == hashlib.sha256(stored.read_bytes()[:-1]).hexdigest()
    assert load_stored(stored).sha256 != read.sha256


def test_what_lies_beside_a_grade_is_read_as_far_as_it_is_there_and_is_what_was_graded(stored: Path) -> None:
    grade = load_grade(stored)
    for name, artifact in (("build-native", None), ("build-wasm", "0" * 64), ("image-native", None)):
        step = stored.parent / "steps" / name
        step.mkdir(parents=True)
        (step / "meta.json").write_text(json.dumps({"artifact_sha256": artifact}))
        (step / "stderr").write_bytes(b"main.go:1: undefined\xff")
    found = beside(stored.parent, grade)
    assert found.report == (stored.parent / "report.orig.md").read_bytes() == REPORT
    assert found.samples == (stored.parent / "samples.csv").read_bytes()
    said = "main.go:1: undefined\N{REPLACEMENT CHARACTER}"
    assert found.logs == (("build-native", said), ("image-native", said))
    (stored.parent / "report.orig.md").write_bytes(REPORT + b"another")
    (stored.parent / "samples.csv").unlink()
    (stored.parent / "samples.csv").mkdir()
    for name in ("build-native", "image-native"):
        (stored.parent / "steps" / name / "meta.json").write_text("[" * 100_000)
    assert beside(stored, grade) == Beside()
