"""`grader lab`: list, show and check lab definitions, and print the JSON Schemas of the formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.options import JsonOption, LabArgument
from grader.cli.selftest import selftest_command

if TYPE_CHECKING:
    from grader.adapters.labfile import LoadedLab
    from grader.model.lab import CriterionSpec, Lab

lab_app = typer.Typer(help="List, show, check and test labs; print the schema of their format.", no_args_is_help=True)
lab_app.command("selftest")(selftest_command)


@lab_app.command("list")
def list_labs(as_json: JsonOption = False) -> None:
    """List the labs that come with grader."""
    from grader.adapters.labfile import find_labs, load_lab

    labs = [load_lab(folder).lab for folder in find_labs()]
    if as_json:
        rows = [{"id": lab.id, "version": lab.version, "title": lab.title} for lab in labs]
        typer.echo(json.dumps({"schema": "grader/labs/1", "labs": rows}, indent=2, ensure_ascii=False).encode())
        return
    for line in _columns([(lab.id, lab.version, lab.title) for lab in labs]):
        typer.echo(line)


@lab_app.command("show")
def show(
    name: LabArgument,
    as_json: JsonOption = False,
) -> None:
    """Show what a lab asks for: rubric with points and needs, table rows, arms, known values."""
    from grader.adapters.labfile import load_lab

    loaded = load_lab(name)
    if as_json:
        data = {"sha256": loaded.digest} | loaded.lab.model_dump(mode="json", by_alias=True)
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False).encode())
        return
    for line in _overview(loaded):
        typer.echo(line)


@lab_app.command("validate")
def validate(
    path: LabArgument,
    as_json: JsonOption = False,
) -> None:
    """Check a lab definition; every mistake is told with its line and what is allowed (exit 2)."""
    from grader.adapters.labfile import load_lab

    loaded = load_lab(path)
    points, bonus = _points(loaded.lab)
    if as_json:
        data = {"id": loaded.lab.id, "sha256": loaded.digest, "points": points, "bonus": bonus}
        typer.echo(json.dumps(data, indent=2))
        return
    typer.echo(f"{loaded.lab.id} {loaded.lab.version}: sound; {_sum(loaded.lab)}; sha256 {loaded.digest}")


@lab_app.command("schema")
def schema(
    grade: Annotated[bool, typer.Option("--grade", help="The schema of grade.json instead of lab.yml.")] = False,
) -> None:
    """Print the JSON Schema of lab.yml, for an editor that completes and checks it."""
    from grader.model.grade import Grade
    from grader.model.lab import Lab

    record = Grade if grade else Lab
    described = record.model_json_schema(by_alias=True, mode="serialization" if grade else "validation")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    typer.echo(json.dumps(dialect | described, indent=2, ensure_ascii=False).encode())


def _overview(loaded: LoadedLab) -> Iterator[str]:
    lab = loaded.lab
    yield f"{lab.id} {lab.version}: {lab.title}"
    yield f"sha256 {loaded.digest}"
    for heading, rows in (
        (f"Rubric: {_sum(lab)}", [_criterion(c) for c in lab.rubric]),
        ("Table rows", _table_rows(lab)),
        ("Arms: the lab's own first, then those that may stand in", _arms(lab)),
        ("Known values", _known(lab)),
        ("Rules, and the criteria that each sends to a person", _rules(lab)),
    ):
        if rows:
            yield ""
            yield heading
            for line in _columns(rows):
                yield f"  {line}"


def _criterion(criterion: CriterionSpec) -> tuple[str, ...]:
    how = criterion.evidence if criterion.check is None else f"{criterion.evidence}: {criterion.check}"
    needs = f" (needs {', '.join(criterion.needs)})" if criterion.needs else ""
    return f"{criterion.points:5.2f}", criterion.id, how, criterion.title + needs


def _table_rows(lab: Lab) -> list[tuple[str, ...]]:
    return [
        (row.key, row.labels[0], f"{row.derived.id} = {row.derived.formula}" if row.derived else "")
        for row in lab.table.rows
    ]


def _arms(lab: Lab) -> list[tuple[str, ...]]:
    return [
        (f"{subject}.{name}", ", ".join(arms))
        for name, metric in lab.metrics.items()
        for subject, arms in metric.arms.items()
    ]


def _known(lab: Lab) -> list[tuple[str, ...]]:
    from grader.units import format_bytes

    rows: list[tuple[str, ...]] = []
    for known in lab.known_values:
        metric = lab.metrics.get(known.id.partition(".")[2])
        is_size = metric is not None and metric.unit == "byte"
        value = format_bytes(int(known.value)) if is_size else f"{known.value:,.15g}"
        rows.append((known.id, value, known.notion, known.store, known.architecture))
    return rows


def _rules(lab: Lab) -> list[tuple[str, ...]]:
    return [(rule.id, rule.severity, ", ".join(rule.criteria)) for rule in lab.rules]


def _points(lab: Lab) -> tuple[float, float]:
    """Return the sums of the rubric's points and of its bonus points, without binary noise."""
    plain = sum(c.points for c in lab.rubric if not c.bonus)
    bonus = sum(c.points for c in lab.rubric if c.bonus)
    return round(plain, 6), round(bonus, 6)


def _sum(lab: Lab) -> str:
    plain, bonus = _points(lab)
    return f"{plain:g} points" + (f" and {bonus:g} bonus" if bonus else "")


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Line up the columns of rows of equal length."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
