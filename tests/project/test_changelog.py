"""Changelog fragments are named by the rules of changelog.d/README.md and say something."""

from __future__ import annotations

import re

from tests.project.conftest import ROOT

FOLDER = ROOT / "changelog.d"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")


def test_fragments_are_named_as_the_readme_says() -> None:
    names = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert names, "a release took them all: then this test may go quiet"
    assert [name for name in names if not NAME.fullmatch(name)] == []


def test_the_readme_names_every_type() -> None:
    types = re.findall(r"^\| `(\w+)`", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(types) == {"added", "changed", "fixed", "removed", "security"}


def test_fragments_are_short_sentences() -> None:
    for path in FOLDER.glob("*.*.md"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert 1 <= len(lines) <= 8, path.name
        assert all(line.endswith((".", ":", "`")) for line in lines if line), path.name
