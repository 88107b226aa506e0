"""The help that is shown before the environment exists is what the real commands print.

After a change of the command line: GRADER_WRITE_HELP=1 bin/test tests/project/test_help.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from grader.bootstrap import usage
from grader.cli.app import app

WIDTH = "80"


def pages(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group below this one, itself first."""
    yield words
    for name, child in getattr(command, "commands", {}).items():
        yield from pages(child, (*words, name))


COMMANDS = tuple(pages(typer.main.get_command(app)))


def page(words: tuple[str, ...]) -> str:
    plain = {"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="grader", env=plain)
    assert result.exit_code == 0, result.output
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines()).lstrip("\n")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_page_shown_before_set_up_is_the_real_one(words: tuple[str, ...]) -> None:
    file = usage.HELP / f"{'.'.join(words) or 'grader'}.txt"
    if os.environ.get("GRADER_WRITE_HELP"):
        file.write_text(page(words), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == page(words)
    assert usage.help_text([*words, "--help"]) == page(words)


def test_no_page_is_left_of_a_command_that_is_gone() -> None:
    assert {path.stem for path in usage.HELP.glob("*.txt")} == {".".join(words) or "grader" for words in COMMANDS}


def test_every_command_is_known_before_set_up() -> None:
    assert usage.commands() == tuple(sorted({words[0] for words in COMMANDS if words}))


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["nonsense", "--help"], ["../grader", "-h"]])
def test_help_without_a_known_command_lists_the_commands(arguments: list[str]) -> None:
    assert usage.help_text(arguments) == page(())


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [([], True), (["grade", "-h"], True), (["grade", "DIR"], False), (["bench", "--", "ls", "--help"], False)],
)
def test_help_is_asked_for_before_a_double_dash_only(arguments: list[str], wanted: bool) -> None:
    assert usage.wants_help(arguments) is wanted
