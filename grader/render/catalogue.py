"""Messages as sentences: code + params -> wording in one language.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from grader.model.base import Language, Message, Record, Scalar
from grader.model.grade import Grade
from grader.model.lab import Lab
from grader.render.labels import in_words, own_words
from grader.render.messages_en import EN
from grader.render.messages_ru import RU

LANGUAGES: Mapping[Language, Mapping[str, str]] = {"en": EN, "ru": RU}

AnyRecord = TypeVar("AnyRecord", bound=Record)


class _Blank(dict[str, object]):
    """Params of a message; a parameter that an older grade lacks shows as its name, never as an error."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def words(message: Message, own: Mapping[str, str] | None = None, *, language: Language = "en") -> str:
    """Return the sentence of a message.

    Args:
        own: The lab's wordings and names in that language; they come before the catalogue's.
    Returns: The wording with its params in place, ids among them as names; in English, or the bare code, if the
        language's catalogue does not know it.
    """
    template = (own or {}).get(message.code) or LANGUAGES[language].get(message.code) or EN.get(message.code)
    if template is None:
        return message.code
    if message.params.get("said") == "":
        template = template.removesuffix(": {said}")  # A program that said nothing is not quoted.
    return template.format_map(_Blank(in_words(message, own, language=language))).strip()


def phrase(code: str, language: Language, /, **params: Scalar) -> str:
    """Return the wording of a code of the catalogue."""
    return words(Message(code=code, params=params), language=language)


def translated(lab: Lab, grade: Grade, language: Language) -> Grade:
    """Return a copy of a grade whose messages and titles are in a language; data stay as they are."""
    own = own_words(lab, language)
    titled = tuple(c.model_copy(update={"title": own.get(f"title.{c.id}", c.title)}) for c in grade.criteria)
    return worded(grade.model_copy(update={"criteria": titled}), own, language=language)


def worded(record: AnyRecord, own: Mapping[str, str] | None = None, *, language: Language = "en") -> AnyRecord:
    """Return a copy of a record in which every message below it carries its wording in `text`."""
    changes: dict[str, object] = {}
    for name in type(record).model_fields:
        value = getattr(record, name)
        new = _worded_value(value, own, language)
        if new is not value:
            changes[name] = new
    return record.model_copy(update=changes) if changes else record


def _worded_value(value: object, own: Mapping[str, str] | None, language: Language) -> object:
    if isinstance(value, Message):
        return value.model_copy(update={"text": words(value, own, language=language)})
    if isinstance(value, Record):
        return worded(value, own, language=language)
    if isinstance(value, tuple) and any(isinstance(v, Record) for v in value):
        return tuple(_worded_value(v, own, language) for v in value)
    return value
