"""A comparison of commands, and what changed between two, on a terminal."""

from __future__ import annotations

from rich.console import Console

from grader.model.base import Language
from grader.model.bench import Bench
from grader.model.benchdiff import BenchDiff
from grader.render.benchdifftable import diff_report
from grader.render.benchtable import bench_report


def show_bench(bench: Bench, language: Language = "en") -> None:
    """Print numbers, strips, verdicts, failures and what to know of the host."""
    Console(highlight=False).print(bench_report(bench, language))


def show_bench_diff(diff: BenchDiff, language: Language = "en") -> None:
    """Print what changed per ratio and per arm, and what cannot be told."""
    Console(highlight=False).print(diff_report(diff, language))
