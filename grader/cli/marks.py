"""A person's marks: a JSON file of criterion -> points and note."""

from __future__ import annotations

import json
from pathlib import Path

from grader.errors import UsageError
from grader.model.grade import ManualMark
from grader.model.lab import Lab

FORMAT_HINT = 'write for example `{"t1.explain": {"points": 0.5, "note": "clear"}}`'


def load_marks(path: Path | None, lab: Lab) -> dict[str, ManualMark]:
    """Read a person's marks.

    Raises: UsageError for a file that is no such JSON, an unknown criterion, or points outside 0..maximum.
    """
    if path is None:
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"cannot read marks: {error}", where=str(path), hint=FORMAT_HINT) from error
    if not isinstance(data, dict):
        raise UsageError("marks are an object of criterion -> points and note", where=str(path), hint=FORMAT_HINT)
    maximum = {spec.id: spec.points for spec in lab.rubric}
    return {key: _mark(path, key, value, maximum) for key, value in data.items()}


def _mark(path: Path, key: str, value: object, maximum: dict[str, float]) -> ManualMark:
    if key not in maximum:
        raise UsageError(f"unknown criterion `{key}`; allowed: {', '.join(maximum)}", where=str(path), hint=FORMAT_HINT)
    points = value.get("points") if isinstance(value, dict) else value
    note = value.get("note", "") if isinstance(value, dict) else ""
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 <= points <= maximum[key]:
        raise UsageError(
            f"`{key}` has points {points!r}; allowed: 0 to {maximum[key]:g}", where=str(path), hint=FORMAT_HINT
        )
    return ManualMark(points=points, note=str(note))
