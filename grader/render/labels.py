"""Names for people in place of internal ids: arms, metrics, subjects, rows, claims and criteria.  Pure.

A lab's own names stand among its wordings, as `<kind>.<id>`: `subject.native`, `row.image_size`, `claim.spin.url`,
`title.t1.once`.  They come before those here, which every lab shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from grader.model.base import Language, Message, Scalar
from grader.model.lab import Lab
from grader.render import messages_en, messages_ru
from grader.render.numerals import localised

Own = Mapping[str, str] | None

NAMES: Mapping[Language, Mapping[str, str]] = {"en": messages_en.NAMES, "ru": messages_ru.NAMES}


def own_words(lab: Lab, language: Language = "en") -> dict[str, str]:
    """Return a lab's own wordings and names in a language; titles that it has not translated stand as they are."""
    own = {f"title.{criterion.id}": criterion.title for criterion in lab.rubric}
    for row in lab.table.rows:
        if language == "en" or f"metric.{row.key}" not in NAMES[language]:
            own[f"row.{row.key}"] = row.labels[0]
    return {"lab.title": lab.title} | own | lab.messages.get(language, {})


def name_of(kind: str, identifier: str, own: Own = None, *, language: Language = "en") -> str:
    """Return the name of an id of some kind; the id itself in plain words if nobody has named it."""
    code = f"{kind}.{identifier}"
    return (own or {}).get(code) or NAMES[language].get(code) or identifier.replace("_", " ")


def arm_name(arm: str, own: Own = None, *, language: Language = "en") -> str:
    """Return the name of an arm, or of the arms of a ratio (`process/wasmtime`)."""
    return " / ".join(name_of("arm", one, own, language=language) for one in arm.split("/"))


def quantity_name(claim_id: str, own: Own = None, *, language: Language = "en") -> str:
    """Return what a claim's id stands for: `start-up time (native)`, `image size (difference)`, `TinyGo version`."""
    whole = (own or {}).get(f"claim.{claim_id}") or NAMES[language].get(f"claim.{claim_id}")
    if whole is not None:
        return whole
    first, dot, second = claim_id.partition(".")
    if not dot:
        return name_of("metric", claim_id, own, language=language)
    if f"metric.{first}" in {**NAMES[language], **(own or {})}:  # `<metric>.<derived>`; others: `<subject>.<metric>`
        first, second = "derived", first
    metric, subject = (name_of(k, i, own, language=language) for k, i in (("metric", second), ("subject", first)))
    return f"{metric} ({subject})"


def cell_name(cell: str, own: Own = None, *, language: Language = "en") -> str:
    """Return what a cell of the table is, from `row.column`."""
    row, _, column = cell.rpartition(".")
    return f"{row_name(row, own, language=language)} ({name_of('subject', column, own, language=language)})"


def row_name(key: str, own: Own = None, *, language: Language = "en") -> str:
    """Return the label of a row of the table; a row that the lab has not named is called as its metric."""
    return (own or {}).get(f"row.{key}") or name_of("metric", key, own, language=language)


def in_words(message: Message, own: Own = None, *, language: Language = "en") -> dict[str, Scalar]:
    """Return the params of a message as people read them: names in place of ids, seconds as the language writes them.

    Which params these are goes by the message's code: what a student wrote may look like an id, and stays as it is.
    """
    kinds = KINDS.get(message.code, {})
    return {name: _in_words(kinds.get(name), value, own, language) for name, value in message.params.items()}


def _in_words(kind: str | None, value: Scalar, own: Own, language: Language) -> Scalar:
    if kind == "seconds" and isinstance(value, float):
        shown = f"{value:.1f}".removesuffix(".0") if value >= 1 else f"{value:.3g}"
        return localised(shown, language)
    if kind is None or not isinstance(value, str):
        return value
    name_it = _NAMING.get(kind)
    if name_it is None:
        return name_of(kind, value, own, language=language)
    return ", ".join(name_it(one, own, language=language) for one in value.split(", "))


class _Naming(Protocol):
    def __call__(self, identifier: str, /, own: Own = None, *, language: Language = "en") -> str: ...


_NAMING: Mapping[str, _Naming] = {"arm": arm_name, "cell": cell_name, "quantity": quantity_name, "row": row_name}

KINDS: Mapping[str, Mapping[str, str]] = {
    "answer.not-now": {"within": "seconds"},
    "answer.timeout": {"seconds": "seconds"},
    "bench.timeout-share": {"seconds": "seconds"},
    "criterion.derived-open": {"ids": "quantity"},
    "criterion.derived-wrong": {"ids": "quantity"},
    "criterion.filled-by-grader": {"id": "quantity"},
    "criterion.need-failed": {"need": "title"},
    "criterion.need-not-run": {"need": "title"},
    "criterion.not-stated": {"id": "quantity"},
    "criterion.table-gaps": {"cells": "cell", "rows": "row"},
    "criterion.table-incomplete": {"cells": "cell"},
    "criterion.table-rows-absent": {"rows": "row"},
    "fact.other-compiler-slow": {"seconds": "seconds"},
    "fact.no-server-but": {"instead": "metric"},
    "fact.not-measured": {"arm": "arm"},
    "fact.other-source": {"label": "arm"},
    "finding.filled-by-grader": {"ids": "quantity"},
    "image.timeout": {"seconds": "seconds"},
    "page.server-arm": {"arm": "arm"},
    "probe.not-now": {"within": "seconds"},
    "run.not-prepared": {"arm": "arm"},
    "run.timeout": {"seconds": "seconds"},
    "server.no-answer": {"seconds": "seconds"},
    "timing.bad-run": {"arm": "arm"},
    "timing.not-timed": {"arm": "arm"},
    "verdict.known-value": {"notion": "notion"},
    "verdict.near-notion": {"notion": "notion"},
    "verdict.other-arm": {"arm": "arm", "own": "arm"},
    "verdict.reproduced-notion": {"notion": "notion"},
}
"""By message code, which of its params are no plain data, and what they are."""
