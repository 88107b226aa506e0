"""`--lang`: what people read changes with it, and nothing else does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grader.model.base import Language
from tests.cli.handed_out import REPORT, files, written

IDS = re.compile(r"\b(?:native|wasm|binary_size|startup_time|memory_idle)\.\w+|\b(?:rule|verdict|criterion)\.\w+")
LANGUAGES: tuple[Language, ...] = ("en", "ru")


def grader(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    wide = os.environ | {"COLUMNS": "300"}  # no cell goes on in the next line
    done = subprocess.run(command, capture_output=True, text=True, env=wide, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_what_people_read_differs_between_languages() -> None:
    english, russian = files("en"), files("ru")
    assert english.keys() == russian.keys()
    differing = {name for name in english if english[name] != russian[name]}
    assert differing == {"feedback.html", "feedback.md", "table.md"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_judgement_of_the_same_lab_writes_what_the_grade_wrote(tmp_path: Path, language: Language) -> None:
    grade = written(tmp_path / "grade", language)
    grader("judge", grade, "--out", tmp_path / "again", "--lang", language)
    for name in ("grade.json", "feedback.html", "feedback.md", "table.md"):
        assert (tmp_path / "again" / name).read_bytes() == (grade.parent / name).read_bytes(), name


def test_a_judgement_without_the_report_that_was_graded_leaves_the_students_table_out(tmp_path: Path) -> None:
    grade = written(tmp_path / "grade")
    (grade.parent / "report.orig.md").write_bytes(REPORT.replace(b"9 MiB", b"4.48 MiB"))
    grader("judge", grade, "--out", tmp_path / "again")
    page = (tmp_path / "again" / "feedback.html").read_text("utf-8")
    assert 'id="h-own"' in (grade.parent / "feedback.html").read_text("utf-8")
    assert 'id="h-own"' not in page
    assert 'data-label="Claimed"><div>9 MiB<' in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_changed_is_told_in_names_of_the_language(tmp_path: Path, language: Language) -> None:
    old = written(tmp_path / "old")
    new = written(tmp_path / "new", report=REPORT.replace(b"9 MiB", b"4.48 MiB"))
    told = " ".join(grader("judge", new, "--diff", old, "--lang", language).split())
    assert IDS.findall(told) == []
    words = {"en": ("binary size (native)", "contradicted", "reproduced"), "ru": ("не сходится", "подтверждено")}
    for word in words[language]:
        assert word in told
    assert ("Before" in told) == (language == "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_claims_are_told_by_name_and_their_json_by_id(tmp_path: Path, language: Language) -> None:
    report = tmp_path / "report.md"
    report.write_bytes(REPORT)
    told = " ".join(grader("claims", report, "--lang", language).split())
    assert IDS.findall(told) == []
    assert {"en": "Binary size (native)", "ru": "Размер бинарного файла (обычная сборка)"}[language] in told
    data = json.loads(grader("claims", report, "--lang", language, "--json"))
    assert data == json.loads(grader("claims", report, "--json"))
    assert "native.binary_size" in {claim["id"] for claim in data["claims"]}


def test_a_wrong_option_is_refused_in_english_whatever_the_language(tmp_path: Path) -> None:
    """The catalogue is not loaded yet, and may not even be installed; see `grader/cli/options.py`."""
    done = subprocess.run(
        [sys.executable, "-m", "grader", "judge", "no-such.json", "--lang", "ru"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.isascii()
    assert "no-such.json" in done.stderr
