"""Make something once per content: what was made is kept with its record, and of failures only a student's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from grader.model.base import canonical_json
from grader.model.image import ImageResult
from grader.model.run import BuildResult
from grader.ports import Store
from grader.workflow.records import load_record

Result = TypeVar("Result", BuildResult, ImageResult)


@dataclass(frozen=True)
class Kind(Generic[Result]):
    """What is made, and how it lies in its folder: `keep` writes its record there, and denies that there is any.

    `read` returns what is kept; None if that is missing or damaged, or of another version.
    """

    name: str
    model: type[Result]
    keep: Callable[[Result, Path], bool]
    read: Callable[[Path], Result | None]


class _NothingMadeError(Exception):
    """Leaves `Store.directory` without an entry."""


def made_once(store: Store, kind: Kind[Result], key: str, make: Callable[[Path], Result]) -> tuple[Result, bool]:
    """Return what `make` gives in an empty folder, or what it gave earlier under that key; True for the latter.

    Of results without anything made only a student's failure is kept, as everything else may go otherwise the next
    time.
    """
    failure = load_record(store, f"{kind.name}-failure", key, kind.model)
    if failure is not None:
        return failure, True
    made: list[Result] = []

    def fill(folder: Path) -> None:
        made.append(make(folder))
        if not kind.keep(made[-1], folder):
            raise _NothingMadeError

    try:
        folder = store.directory(kind.name, key, fill, lambda kept: kind.read(kept) is not None)
    except _NothingMadeError:
        if made[-1].state == "failed":
            store.save(f"{kind.name}-failure", key, canonical_json(made[-1]))
        return made[-1], False
    result = kind.read(folder)
    assert result is not None  # `directory` has just found it whole
    return result, not made
