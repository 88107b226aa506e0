"""The drawing of the layers in pyproject.toml is the one in the documents, and it is kept."""

from __future__ import annotations

import re
import tomllib

from tests.project.conftest import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def rooms(layers: list[str]) -> set[str]:
    return {name for layer in layers for name in re.findall(r"\w+", layer)}


def test_every_room_is_in_the_drawing() -> None:
    drawn = rooms(CONTRACTS[0]["layers"])
    there = {
        path.stem for path in (ROOT / "grader").iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"
    }
    assert there - {"__init__", "__main__"} <= drawn


def test_effects_and_their_order_do_not_know_each_other() -> None:
    layer = next(layer for layer in CONTRACTS[0]["layers"] if "workflow" in layer)
    assert {"workflow", "adapters"} <= rooms([layer])


def test_every_room_of_the_core_is_held_to_be_pure() -> None:
    """`model` is below the core and as pure."""
    core = next(layer for layer in CONTRACTS[0]["layers"] if "judging" in layer)
    pure = next(contract for contract in CONTRACTS if contract["name"].startswith("the pure core"))
    assert set(pure["source_modules"]) == {f"grader.{room}" for room in rooms([core])} | {"grader.model"}


def test_the_rooms_of_the_drawing_are_in_the_architecture_document() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "grader"
    there = {name for name in rooms(CONTRACTS[0]["layers"]) if (package / name / "__init__.py").exists()}
    assert {name for name in there if not re.search(rf"`[^`]*\b{name}\b[^`]*`|\b{name}/", text)} == set()
