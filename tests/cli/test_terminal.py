"""What a grade looks like where it is printed: on terminals of two widths, without colours, and through a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grader.model.base import Language
from tests.cli.handed_out import written

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CODES = re.compile(r"\x1b\[([0-9;]*)m")
HUES = {str(n) for n in (*range(30, 38), *range(90, 98))}


def printed(grade: Path, *, columns: int = 80, language: Language = "en", **variables: str) -> str:
    """Return what `judge` prints into a pipe."""
    env = os.environ | {"COLUMNS": str(columns)} | variables
    command = [sys.executable, "-m", "grader", "judge", str(grade), "--lang", language]
    return subprocess.run(command, stdout=subprocess.PIPE, env=env, check=True).stdout.decode("utf-8")


def on_terminal(grade: Path, **variables: str) -> str:
    """Return what `judge` prints on a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    env |= {"COLUMNS": "120", "TERM": "xterm-256color"} | variables
    command = [sys.executable, "-m", "grader", "judge", str(grade)]
    with subprocess.Popen(command, stdout=theirs, env=env) as process:
        os.close(theirs)
        data = b""
        while True:
            try:
                data += (part := os.read(ours, 65536))
            except OSError:  # the other end is closed: Linux says so with EIO
                break
            if not part:
                break
    os.close(ours)
    assert process.returncode == 0
    return data.decode("utf-8").replace("\r\n", "\n")


@pytest.fixture(scope="module")
def grade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("terminal") / "grade")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(grade: Path, columns: int, language: Language) -> None:
    text = printed(grade, columns=columns, language=language)
    assert max(map(len, text.splitlines())) <= columns
    assert "".join(text.split()) != ""
    wide = printed(grade, columns=400, language=language)
    assert sorted(re.findall(r"\w", text)) == sorted(re.findall(r"\w", wide))


def test_a_pipe_gets_plain_text(grade: Path) -> None:
    assert ESCAPE not in printed(grade, TERM="xterm-256color")


def test_a_terminal_gets_colours_and_words_that_say_the_same(grade: Path) -> None:
    text = on_terminal(grade)
    assert HUES & {code for codes in CODES.findall(text) for code in codes.split(";")}
    assert COLOUR.sub("", text) == printed(grade, columns=120)


def test_no_color_is_respected(grade: Path) -> None:
    codes = {code for codes in CODES.findall(on_terminal(grade, NO_COLOR="1")) for code in codes.split(";")}
    assert HUES & codes == set()


def test_a_dumb_terminal_gets_no_codes_at_all(grade: Path) -> None:
    assert ESCAPE not in on_terminal(grade, TERM="dumb")


def test_a_terminal_without_utf_8_gets_question_marks_and_never_an_error(grade: Path) -> None:
    text = printed(grade, PYTHONIOENCODING="ascii", language="ru")
    assert text.isascii()
    assert "4.48" in text.replace(",", ".")


def test_json_is_utf_8_whatever_the_terminal(grade: Path) -> None:
    command = [sys.executable, "-m", "grader", "judge", str(grade), "--json"]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=True)
    assert done.stdout == grade.read_bytes()
    assert not done.stdout.isascii()


HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202e\u009b"
SEEN = r"\x1b]0;owned\x07\x1b[31m\u202e\x9b"


def test_what_a_grade_from_elsewhere_holds_does_not_act_on_the_terminal(grade: Path, tmp_path: Path) -> None:
    """Its texts are a stranger's: the id in the title of the table, a value in a cell, a title of a criterion."""
    document = json.loads(grade.read_text("utf-8"))
    document["submission"]["id"] = f"id{HOSTILE}"
    document["criteria"][0]["manual"] = {"points": 0.5, "note": f"note{HOSTILE}"}
    for fact in document["facts"]:
        if isinstance(fact["value"], str):
            fact["value"] = f"value{HOSTILE}"
        fact["arm"] = f"{fact['arm']}{HOSTILE}" if fact["metric"] == "startup_time" else fact["arm"]
    crafted = tmp_path / "grade.json"
    crafted.write_text(json.dumps(document), "utf-8")
    text = printed(crafted, columns=400)
    assert not set(HOSTILE) & {c for c in text if not c.isprintable()}
    for what in ("id", "note", "process"):
        assert f"{what}{SEEN}" in text, what
    assert not set(HOSTILE) & {c for c in COLOUR.sub("", on_terminal(crafted)) if not c.isprintable()}
