"""Read stored records; one of another version of the format is as good as none."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from grader.model.base import Record
from grader.ports import Store

Stored = TypeVar("Stored", bound=Record)


def load_record(store: Store, kind: str, key: str, model: type[Stored]) -> Stored | None:
    """Return a stored record, None if there is none or this version cannot read it: then it is made anew."""
    data = store.load(kind, key)
    return None if data is None else _parsed(data, model)


def read_record(file: Path, model: type[Stored]) -> Stored | None:
    """Return the record in a file of a stored directory; None as in `load_record`."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    return _parsed(data, model)


def _parsed(data: bytes, model: type[Stored]) -> Stored | None:
    try:
        return model.model_validate_json(data)
    except ValidationError:
        return None
