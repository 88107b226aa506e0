"""What is in the repository: text that holds on every machine, and names nothing that is nobody's business.

The forbidden words are put together from parts, so that this file does not hold them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.conftest import ROOT

MACHINE_PATHS = re.compile(
    r"(?<![\w.<-])/(?:" + "|".join(("wo" + "rk", "fa" + "rm", "ro" + "ot", "home/(?!you)")) + r")/"
)
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("py" + "pi", "org"),
        ("python" + "hosted", "org"),
        ("registry", "npm" + "js", "org"),
        ("proxy", "go" + "lang", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("repo", "maven", "apache", "org"),
    )
)
CARGO_SOURCE = 'source = "registry+https://github.com/rust-lang/' + "crates" + '.io-index"'
"""What cargo calls its default registry in a lock file, wherever its settings make it fetch from."""
INDEX_OPTIONS = re.compile(
    r"--?(?:extra-)?(?:" + "|".join(("index" + "-url", "find" + "-links", "trusted" + "-host")) + ")"
)
MADE_UP = (1, 2, 42)
CASE_NUMBERS = re.compile("refs/pull" + rf"/(?!(?:{'|'.join(map(str, MADE_UP))})/)\d+")


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs: git: this is no checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 50
    return [file for file in files if file.is_file()]


def lines(files: list[Path]) -> list[tuple[str, str]]:
    """Return every line of these files with its place."""
    return [
        (f"{file.relative_to(ROOT)}:{number}", line)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
    ]


def test_every_file_is_text(tracked: list[Path]) -> None:
    assert [str(file) for file in tracked if b"\0" in file.read_bytes()] == []


def test_no_file_names_a_place_of_one_machine(tracked: list[Path]) -> None:
    assert [place for place, line in lines(tracked) if MACHINE_PATHS.search(line)] == []


def test_no_file_names_a_package_registry(tracked: list[Path]) -> None:
    told = [(place, line) for place, line in lines(tracked) if not (line == CARGO_SOURCE and "Cargo.lock:" in place)]
    assert [(place, host) for place, line in told for host in REGISTRIES if host in line.lower()] == []


def test_no_script_or_lock_file_says_where_packages_come_from(tracked: list[Path]) -> None:
    """That is for the settings of whoever installs: a mirror or a directory works as it is."""
    programs = [file for file in tracked if file.suffix != ".md"]
    assert [place for place, line in lines(programs) if INDEX_OPTIONS.search(line)] == []


def test_no_file_points_to_a_students_submission(tracked: list[Path]) -> None:
    assert [place for place, line in lines(tracked) if CASE_NUMBERS.search(line)] == []


@pytest.mark.parametrize(
    ("pattern", "bad", "good"),
    [
        (MACHINE_PATHS, "see /wo" + "rk/main/x", "the folder app/wo" + "rk/ in it"),
        (MACHINE_PATHS, "'/ro" + "ot/.cache'", "a/rooted/x"),
        (INDEX_OPTIONS, "pip --index" + "-url x", "PIP_INDEX_URL"),
        (CASE_NUMBERS, "refs/pull" + "/7/head", "refs/pull/42/head"),
    ],
)
def test_the_searches_find_what_they_are_for(pattern: re.Pattern[str], bad: str, good: str) -> None:
    assert pattern.search(bad)
    assert not pattern.search(good)
