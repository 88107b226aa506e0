"""The base of every record."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Language = Literal["en", "ru"]
"""Languages of pages and printed tables; stored data are worded in English whatever is shown."""

TIME_IS_UP = "limit.time"
"""The code of what the caller's time limit kept from being done."""

Scalar = str | int | float | bool | None


class Record(BaseModel):
    """Base of everything stored or handed between modules: frozen, no unknown keys, no NaN.

    Frozen stops assignment only, so collections are tuples or frozensets and mappings are not changed after
    construction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Message(Record):
    """A sentence as `code` and `params`; `render.catalogue` holds its wording in each language.

    `text` is the English wording; it is empty until `render.catalogue.worded` filled it in.
    Invariant: `params` are sorted, so that one that comes from the cache has the same bytes as a fresh one.
    """

    code: str = Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")
    params: dict[str, Scalar] = {}
    text: str = ""

    @field_validator("params")
    @classmethod
    def _sorted(cls, params: dict[str, Scalar]) -> dict[str, Scalar]:
        return dict(sorted(params.items()))

    @property
    def ours(self) -> bool:
        """True if something of ours broke: it is an `error`, and costs nobody a point."""
        return self.code.startswith("infra.")

    @property
    def blameless(self) -> bool:
        """True if it says nothing about a student's program: something of ours broke, or the caller's time was up."""
        return self.ours or self.code == TIME_IS_UP


def first_mistake(error: ValidationError) -> str:
    """Return where a stored record breaks its rules first, and how: "`arms.0.n` is missing"."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:200] or "the whole"
    if first["type"] == "missing":
        return f"`{place}` is missing"
    # What a rule of ours says, without the words that pydantic puts before it.
    said = str(first.get("ctx", {}).get("error", first["msg"]))
    return f"`{place}` does not fit: {said[:200]}"


def canonical_json(record: Record | dict[str, object] | list[object]) -> bytes:
    """Return the one byte string that stands for a record: sorted keys, no spaces, UTF-8."""
    data = record.model_dump(mode="json", by_alias=True) if isinstance(record, Record) else record
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(data: bytes) -> str:
    """Return the sha256 of `data` in lower-case hex."""
    return hashlib.sha256(data).hexdigest()
