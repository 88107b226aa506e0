"""A container engine that broke while it was needed: what there is has been written, and the exit code says so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from grader.judging.brokenengines import broken_engines
from grader.model.grade import Grade
from grader.model.run import Unrenewed
from grader.render.catalogue import words
from grader.render.escape import one_line

EXIT_BROKEN = 3


def exit_if_broken(grade: Grade, folder: Path, unrenewed: Sequence[Unrenewed]) -> None:
    """Tell on stderr which engines broke, and end with exit 3 if any did."""
    broken = broken_engines(grade.facts, unrenewed)
    for engine, reason in broken.items():
        print(f"grader: {engine}: {one_line(words(reason))}", file=sys.stderr)
    if broken:
        hint = "`grader doctor` looks for the cause, and the same command runs again only what is missing"
        print(f"grader: everything else is in {folder}; {hint}", file=sys.stderr)
        raise typer.Exit(EXIT_BROKEN)
