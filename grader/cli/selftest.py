"""`grader lab selftest`: the solution earns all, the template nothing, seeded faults and cheats are seen."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import CacheOption, Engine, JsonOption, LabArgument, LockOption, QuietOption, TrustOption

if TYPE_CHECKING:
    from grader.adapters.labfile import LoadedLab
    from grader.model.grade import Grade
    from grader.model.selftest import CaseResult

EXIT_FAILED = 2
"""A lab whose self-test fails is bad input: its author has to act."""


def selftest_command(
    lab: LabArgument,
    engine: Annotated[
        Engine, typer.Option("--engine", envvar="GRADER_ENGINE", help="What builds and runs the solution.")
    ] = "auto",
    trust: TrustOption = False,
    cache: CacheOption = None,
    lock: LockOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Grade a lab's solution, its template, and the faults and cheats of its selftest.yml; exit 2 if one passes."""
    from grader.adapters.labfile import load_lab, load_selftest
    from grader.cli.labs import load_used
    from grader.workflow.selftest import run_cases

    loaded = load_lab(lab)
    cases = load_selftest(loaded.directory).cases
    grade, report = _measured(loaded, engine, trust, cache, lock, quiet)
    results = tuple(run_cases(load_used(lab), grade, report, cases))
    failed = [result for result in results if result.problems]
    if as_json:
        cases_json = [r.model_dump(mode="json") | {"ok": not r.problems} for r in results]
        document = {"schema": "grader/selftest-result/1", "lab": loaded.lab.id, "cases": cases_json}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False).encode())
    else:
        _show(results)
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _measured(
    loaded: LoadedLab, engine: Engine, trust: bool, cache: Path | None, lock: Path | None, quiet: bool
) -> tuple[Grade, bytes]:
    """Grade the solution as anybody's submission; return its grade and the bytes of its report."""
    from grader.cli.session import Request, run_session
    from grader.errors import LabError
    from grader.workflow.selftest import SOLUTION

    folder = loaded.directory / SOLUTION
    if not folder.is_dir():
        what = f"this lab has no folder `{SOLUTION}`"
        raise LabError(what, where=str(loaded.directory), hint="add one that is right")
    with tempfile.TemporaryDirectory(prefix="grader-selftest-") as out:
        done = run_session(
            Request(
                source=str(folder),
                lab=str(loaded.directory),
                out=Path(out) / SOLUTION,
                engine=engine,
                trust=trust,
                cache=cache,
                lock=lock,
                quiet=quiet,
            )
        )
    return done.graded.grade, done.graded.files["report.orig.md"]


def _show(results: tuple[CaseResult, ...]) -> None:
    for result in results:
        typer.echo(f"{'bad ' if result.problems else 'good'}  {result.id}")
        for problem in result.problems:
            typer.echo(f"      {problem}")
        if result.open:
            typer.echo(f"      not tried on this host: {', '.join(result.open)}")
    good = sum(not result.problems for result in results)
    typer.echo(f"{good} of {len(results)} as they must be")
