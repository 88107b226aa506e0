"""The page on the JSON of a comparison names every field, and every value of those that have only a few."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from grader.model.bench import Bench
from grader.model.benchdiff import BenchDiff
from tests.project.conftest import ROOT

STATES_OF_CHANGES = {"ArmDiff", "RatioDiff"}
"""Their `change` is told by the reason beside it; commands.md has the rule."""


def schemas(record: type[Bench | BenchDiff]) -> dict[str, Any]:
    whole = record.model_json_schema(by_alias=True, mode="serialization")
    return {record.__name__: whole, **whole["$defs"]}


def fields() -> Iterator[str]:
    for record in (Bench, BenchDiff):
        for schema in schemas(record).values():
            yield from schema["properties"]


def values() -> Iterator[str]:
    for record in (Bench, BenchDiff):
        for name, schema in schemas(record).items():
            for described in schema["properties"].values():
                yield from described.get("enum", ()) if name not in STATES_OF_CHANGES else ()


@pytest.fixture(scope="module")
def named() -> set[str]:
    text = (ROOT / "docs/bench-json.md").read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", text)
    return {*spans, *(span.rpartition(".")[2] for span in spans)}


@pytest.mark.parametrize("field", sorted(set(fields())))
def test_every_field_is_explained(field: str, named: set[str]) -> None:
    assert field in named


@pytest.mark.parametrize("value", sorted(set(values())))
def test_every_value_that_a_program_may_meet_is_named(value: str, named: set[str]) -> None:
    assert value in named
