"""`--fail-on`: conditions that turn a finished run into exit code 4."""

from __future__ import annotations

import re

import typer

from grader.errors import UsageError
from grader.model.grade import Grade

ALLOWED = "`contradicted`, `review`, `finding:error`, `finding:warning`, `finding:info`, `score<N`"
EXIT_FAIL_ON = 4
_SCORE = re.compile(r"score<(\d+(?:\.\d+)?)")
_FINDING = re.compile(r"finding:(error|warning|info)")


def check_conditions(conditions: list[str]) -> None:
    """Refuse a condition that is none, before anything runs.

    Raises: UsageError naming what is allowed.
    """
    for condition in conditions:
        if condition not in ("contradicted", "review") and not (
            _SCORE.fullmatch(condition) or _FINDING.fullmatch(condition)
        ):
            raise UsageError(f"`{condition}` is not a condition; allowed: {ALLOWED}", where="--fail-on")


def holding(conditions: list[str], grade: Grade) -> list[str]:
    """Return the conditions that hold for a grade."""
    return [c for c in conditions if _holds(c, grade)]


def exit_if_holding(conditions: list[str], grade: Grade) -> None:
    """Say on stderr which conditions hold, and end with exit code 4 if one does."""
    held = holding(conditions, grade)
    if held:
        typer.echo(f"grader: --fail-on holds: {', '.join(held)}", err=True)
        raise typer.Exit(EXIT_FAIL_ON)


def _holds(condition: str, grade: Grade) -> bool:
    if condition == "contradicted":
        return any(v.verdict == "contradicted" for v in grade.verdicts)
    if condition == "review":
        return grade.score.state == "needs_review"
    if finding := _FINDING.fullmatch(condition):
        return any(f.severity == finding[1] for f in grade.findings)
    limit = _SCORE.fullmatch(condition)
    return limit is not None and grade.score.points + grade.score.manual < float(limit[1])
