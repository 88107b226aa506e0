"""What a fact reads like in a cell of the comparison table.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.grade import Fact, Quantity, Verdict
from grader.model.lab import Lab, Row
from grader.model.selection import best_fact, is_own_arm
from grader.units import find_unit, format_bytes, format_percent, format_ratio, format_seconds

NOT_COMPARABLE = "not comparable"
"""A derived cell whose inputs are of different compilers."""

SMALLEST_SPREAD = 1e-4
"""An interval narrower than this share of its value sets no digits: nobody reads a percentage to nine places."""

NO_CONTAINER = frozenset({"process", "wasmtime", "wasmtime-cached", "wasmtime-aot", "spin"})
"""Arms that start no container, which the cell then says."""


def quantity_text(quantity: Quantity, unit: str | None = None, *, count: bool = True) -> str:
    """Return a value for people; times and ratios with the digits that their interval supports.

    Args:
        count: Whether a size carries its exact count of bytes.
    """
    value, low, high = quantity.value, quantity.low, quantity.high
    if not isinstance(value, int | float):
        return str(value)
    half_width = (high - low) / 2 if low is not None and high is not None else None
    if half_width is not None and half_width < SMALLEST_SPREAD * abs(value):
        half_width = None
    if quantity.unit == "byte":
        text = format_bytes(value, unit)
        return text if count else text.partition(" (")[0]
    if quantity.unit == "second":
        return format_seconds(value, unit, half_width=half_width)
    if quantity.unit == "percent":
        return format_percent(value, half_width=half_width)
    if quantity.unit == "ratio":
        return format_ratio(value, half_width=half_width)
    return str(value)


def fact_text(lab: Lab, fact: Fact, unit: str | None = None) -> str:
    """Return a measured fact as a cell's text; a stand-in arm or another compiler is named in it."""
    notes: list[str] = []
    if not is_own_arm(lab, fact):
        notes.append(f"{fact.arm}, no container" if fact.arm in NO_CONTAINER else fact.arm)
    if not fact.comparable:
        notes.append(f"{(fact.compiler or 'other compiler').partition(' ')[0]}, not {_lab_compiler(lab)}")
    value = quantity_text(fact.quantity(), unit, count=fact.comparable)
    return f"{value} ({'; '.join(notes)})" if notes else value


def row_text(
    lab: Lab, row: Row, role: str, facts: Sequence[Fact], verdicts: Sequence[Verdict], unit: str | None = None
) -> str | None:
    """Return what this run would write into a cell of the table; None where nothing was measured."""
    if row.metric is None:
        return None
    if role in lab.subjects:
        fact = best_fact(lab, f"{role}.{row.metric}", facts)
        return fact_text(lab, fact, unit) if fact is not None and fact.state == "measured" else None
    return derived_text(lab, row, facts, verdicts)


def derived_text(lab: Lab, row: Row, facts: Sequence[Fact], verdicts: Sequence[Verdict]) -> str | None:
    """Return the derived cell of a row; None unless both of its sides were measured."""
    if row.metric is None or row.derived is None:
        return None
    derived = row.derived
    measured = [f for s in lab.subjects if (f := best_fact(lab, f"{s}.{row.metric}", facts)) and f.state == "measured"]
    if len(measured) != len(lab.subjects):
        return None
    if not all(f.comparable for f in measured):
        return NOT_COMPARABLE
    verdict = next((v for v in verdicts if v.id == derived.id), None)
    if verdict is not None and verdict.measured is not None:
        return quantity_text(verdict.measured)
    arms = "/".join(f.arm for f in measured)
    paired = next((f for f in facts if f.id == f"{derived.id}@{arms}" and f.state == "measured"), None)
    if paired is None:
        return None
    return f"{quantity_text(paired.quantity())} ({arms.replace('/', ' / ')}, no container)"


def row_unit(lab: Lab, row: Row, role: str, cell: str, others: Sequence[str]) -> str | None:
    """Return the unit to write a cell in: its own, else one of its row; derived cells have none."""
    if role not in lab.subjects or row.metric is None:
        return None
    return next((unit for text in (cell, *others) if (unit := find_unit(text))), None)


def _lab_compiler(lab: Lab) -> str:
    names = {"tinygo": "TinyGo", "go": "Go"}
    known = [names.get(tool, tool) for tool in lab.toolchains if tool != "go"]
    return known[0] if known else "the lab's compiler"
