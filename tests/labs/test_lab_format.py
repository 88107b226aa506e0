"""docs/lab-format.md names every field of the format, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import grader.model.lab as model
from grader.adapters.labfile import labs_directory
from grader.judging.expression import FIELDS
from grader.model.arms import ENGINE_OF_ARM
from grader.model.base import Record

DOCUMENT = labs_directory().parent / "docs" / "lab-format.md"


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def records() -> list[type[BaseModel]]:
    found = [one for one in vars(model).values() if isinstance(one, type) and issubclass(one, Record)]
    return [one for one in found if one.__module__ == model.__name__]


@pytest.mark.parametrize("record", records(), ids=lambda record: record.__name__)
def test_every_field_of_the_format_is_named(text: str, record: type[BaseModel]) -> None:
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for name, field in record.model_fields.items():
        assert f"`{field.alias or name}`" in prose


def test_every_arm_and_every_field_of_an_expression_is_named(text: str) -> None:
    assert all(f"`{name}`" in text for name in [*ENGINE_OF_ARM, *FIELDS])


def test_every_yaml_example_is_valid_where_it_stands(text: str, tmp_path: Path) -> None:
    """Each example is an excerpt: its keys must be keys of the format, and its records must validate."""
    from pydantic import TypeAdapter
    from ruamel.yaml import YAML

    examples = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) >= 10
    seen: set[str] = set()
    for example in examples:
        # Digests are cut short for the reader.
        whole = re.sub(r"[0-9a-f]{8}…", "a" * 64, example)
        for key, value in YAML(typ="safe", pure=True).load(whole).items():
            field = {f.alias or name: f for name, f in model.Lab.model_fields.items()}[key]
            annotation: Any = field.annotation
            TypeAdapter(annotation).validate_python(value)
            seen.add(key)
    assert seen >= {f.alias or name for name, f in model.Lab.model_fields.items()} - {"questions"}
