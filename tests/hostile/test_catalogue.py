"""The corpus as a catalogue: complete, each case named once, and the page says what the cases say."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from tests.hostile.catalogue import worst
from tests.hostile.defences import DEFENCES
from tests.hostile.families import EVERY_FAMILY
from tests.hostile.page import page

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "hostile-corpus.md"
CASES = [case for family in EVERY_FAMILY for case in family.cases]


def test_there_are_enough_cases_and_each_has_a_name_of_its_own_in_its_family() -> None:
    assert len(CASES) >= 40
    for family in EVERY_FAMILY:
        assert [name for name, count in Counter(case.name for case in family.cases).items() if count > 1] == []


KINDS = {
    "processes": "fork-bomb memory-hog endless-loop fills-tmp sleeper daemon sparse-file",
    "output": "flood-stdout flood-stderr terminal-escapes bidi-marks",
    "answers": "writes-a-grade edits-its-source",
    "host": "phones-home",
    "build": "toolexec embed-absolute embed-above embed-by-link cgo-include",
    "modules": "endless-start-function four-gibibytes unknown-imports ten-thousand-exports",
    "servers": "endless-body says-nothing floods forks-when-told-to-stop cgi-headers cgi-no-end",
    "folder": "symlink-race sparse-file names name-of-the-folder own-results",
    "archive": "zip-slip zip-bomb nested-archives names tar-sparse",
    "dockerfiles": "own-frontend remote-add secrets insecure network-of-the-host onbuild calls-out never-ends "
    "fills-the-disk holes unpacked-archive recipe-is-a-link here-document large-context",
    "containers": "fork-bomb sleeper memory-hog flood-stdout fills-tmp daemon terminal-escapes "
    "writes-a-grade phones-home endless-start-function four-gibibytes unknown-imports forks-when-told-to-stop",
    "report": "nested-quotes table-of-10000-rows cell-of-a-megabyte brackets html formulas claims-everything",
}
"""What a corpus of hostile submissions has to hold, whatever else it grows to."""


def test_no_kind_of_attack_is_missing() -> None:
    for family in EVERY_FAMILY:
        assert set(KINDS[family.name].split()) <= {case.name for case in family.cases}, family.name
    assert KINDS.keys() == {family.name for family in EVERY_FAMILY}


def test_each_case_says_in_a_sentence_what_it_tries_and_what_holds_it() -> None:
    for case in CASES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", case.name)
        assert case.tries.endswith(".")
        assert "\n" not in case.tries
        assert case.held_by
        assert set(case.held_by) <= DEFENCES.keys()


def test_what_a_case_must_say_or_print_are_words() -> None:
    """An empty text is in every text, and would prove nothing."""
    empty = [case.name for case in CASES if "" in (*case.expect.says, *case.expect.prints.values(), *case.expect.never)]
    assert empty == []


def test_every_defence_holds_some_case() -> None:
    assert {name for case in CASES for name in case.held_by} == DEFENCES.keys()


def test_a_case_that_would_win_without_cgroups_is_never_run_so() -> None:
    for case in CASES:
        wins = worst(tuple(DEFENCES[name].without_cgroups for name in case.held_by)) == "wins"
        assert wins == ("cgroups" in case.never_without), case.name


def test_the_page_is_made_from_the_cases() -> None:
    text = page(EVERY_FAMILY, DEFENCES)
    if os.environ.get("GRADER_WRITE_CORPUS"):
        PAGE.write_text(text, "utf-8")
    assert PAGE.read_text("utf-8") == text, "run with GRADER_WRITE_CORPUS=1 after a change of the cases"
