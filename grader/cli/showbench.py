"""A comparison of commands, and what changed between two, on a terminal."""

from __future__ import annotations

from rich.console import Console

from grader.model.base import Language
from grader.model.bench import Bench
from grader.render.benchtable import bench_report


def show_bench(bench: Bench, language: Language = "en") -> None:
    """Print numbers, strips, verdicts, failures and what to know of the host."""
    Console(highlight=False).print(bench_report(bench, language))
