"""The lab's words for its quantities and subjects, compiled for searching in text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grader.model.lab import Lab, Listing, PrintedAfter
from grader.model.report import Unit

SEVERAL = ""
"""In place of a subject: a text names more than one."""

_GAP = r"[\s\-‐-―/_`*]{1,4}"
"""What may stand between two words of a name: `start-up`, `image / oci`, `**binary** size`."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name found in a text, and where it ends."""

    key: str
    end: int
    length: int


class InOrder:
    """A pattern whose parts between `.*` are found one behind the other, each at its first place.

    Searched as a whole, `a.*b.*c` tries every pair of an `a` and a `b` in a line without a `c`.
    """

    def __init__(self, pattern: str) -> None:
        self._parts = [re.compile(part, re.IGNORECASE) for part in _parts(pattern)]

    def found_in(self, text: str) -> bool:
        """Return whether the text has all the parts in order."""
        end = 0
        for part in self._parts:
            found = part.search(text, end)
            if found is None:
                return False
            end = found.end()
        return True


_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.\*(?![?+])|.", re.DOTALL)


def _parts(pattern: str) -> list[str]:
    """Split at each `.*` outside brackets; a pattern of alternatives is left whole."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(pattern):
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and piece == "|":
            return [pattern]
        if depth == 0 and piece == ".*":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


class Words:
    """Finds the names of several keys; a name begins where a word begins, the longest one at a place counts."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        self._keys = {self._plain(name): key for key, several in names.items() for name in several}
        parts = sorted(self._keys, key=len, reverse=True)
        pattern = "|".join(_GAP.join(re.escape(word) for word in part.split()) for part in parts)
        self._pattern = re.compile(rf"(?<![^\W_])(?:{pattern})", re.IGNORECASE) if parts else None

    @staticmethod
    def _plain(name: str) -> str:
        return " ".join(re.split(r"[\s\-/_]+", name.casefold().replace("ё", "е"))).strip()

    def find(self, text: str) -> list[Name]:
        """Return the names in order of appearance, none inside another."""
        if self._pattern is None:
            return []
        found = self._pattern.finditer(text.replace("ё", "е").replace("Ё", "Е"))
        return [Name(self._key(m[0]), m.end(), m.end() - m.start()) for m in found]

    def _key(self, written: str) -> str:
        return self._keys[self._plain(re.sub(_GAP, " ", written))]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One claim id as text may state it: its unit, what it is called, and what must be named beside that.

    That is its `subject`, or one of the words `about`; nothing else is asked where both are None.
    """

    id: str
    unit: Unit
    name: str
    subject: str | None = None
    about: Words | None = None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that names a quantity of the lab outside the comparison table."""

    quantities: tuple[Quantity, ...]
    names: Words
    subjects: Words
    commands: tuple[tuple[InOrder, PrintedAfter], ...]
    listings: tuple[tuple[re.Pattern[str], Listing], ...]

    headings: tuple[tuple[re.Pattern[str], str], ...]

    def subject_of(self, text: str) -> str | None:
        """Return the one subject that a text names, `SEVERAL` if it names more, None if none."""
        named = {name.key for name in self.subjects.find(text)}
        return None if not named else next(iter(named)) if len(named) == 1 else SEVERAL

    def numbered(self, heading: str) -> str | None:
        """Return the subject that the lab's numbering gives a heading, None if it has none."""
        return next((subject for pattern, subject in self.headings if pattern.search(heading)), None)


def vocabulary(lab: Lab) -> Vocabulary:
    """Compile the lab's words; the rows' labels and the subjects' words name the table's quantities."""
    spoken = lab.statements
    quantities: list[Quantity] = []
    names: dict[str, tuple[str, ...]] = {}
    for row in lab.table.rows:
        metric = lab.metrics.get(row.metric) if row.metric else None
        if row.metric is None or metric is None or metric.unit is None:
            continue
        names[row.metric] = (*row.labels, *spoken.words.get(row.metric, ()))
        for subject in lab.subjects:
            quantities.append(Quantity(f"{subject}.{row.metric}", metric.unit, row.metric, subject=subject))
    for wording in spoken.quantities:
        names[wording.id] = wording.words
        about = Words({wording.id: wording.about}) if wording.about else None
        quantities.append(Quantity(wording.id, wording.unit, wording.id, about=about))
    subjects = {s: spoken.subjects.get(s) or lab.table.columns.subjects.get(s, ()) for s in lab.subjects}
    return Vocabulary(
        quantities=tuple(quantities),
        names=Words(names),
        subjects=Words(subjects),
        commands=tuple((InOrder(c.pattern), c) for c in spoken.commands),
        headings=tuple((re.compile(pattern, re.IGNORECASE), s) for s, pattern in spoken.headings.items()),
        listings=tuple((re.compile(entry.name, re.IGNORECASE), entry) for entry in spoken.listings),
    )
