"""What a report says: claims, each with the place it was read from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from grader.model.base import Record

Unit = Literal["byte", "second", "percent", "ratio"]
ClaimSource = Literal["table", "text", "output", "file"]
Meaning = Literal["decimal", "mixed", "binary"]
"""Of a label such as `MB`: 1000 x 1000, 1000 x 1024 (a number of KiB, its point moved), or 1024 x 1024."""


class Span(Record):
    """A half-open byte range of the report file as read."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)


class CellAddress(Record):
    """A cell of a Markdown table: the table's number in the report, body row and column, all from 0."""

    table: int = Field(ge=0)
    row: int = Field(ge=0)
    column: int = Field(ge=0)


class Claim(Record):
    """One reading of one quantity in a report.

    Numbers are in SI base units (byte, second, percent, ratio).  `low` and `high` enclose every value that the
    printed digits may stand for.  Invariant: `value` is None only if `qualifier` says why (`TODO`, `N/A`, `—`,
    empty as `""` is written `empty`).
    """

    id: str = Field(description="`<subject>.<metric>` or `<metric>.<derived>`; never with an arm.")
    value: float | int | str | None
    low: float | int | None = None
    high: float | int | None = None
    unit: Unit | None = None
    written_unit: str | None = Field(default=None, description="The unit as the student wrote it, e.g. `MB`.")
    notion: str | None = Field(default=None, description="Which of several quantities of that name was meant.")
    qualifier: str | None = Field(default=None, description="The student's own word: `~`, `N/A`, `TODO`, `slower`.")
    meaning: Meaning | None = Field(
        default=None, description="What a unit label with several meanings (`MB`) was taken for."
    )
    why: str | None = Field(default=None, description="Code of the rule that chose this meaning or this reading.")
    file: str | None = Field(default=None, description="The evidence file that `line` and `span` count in.")
    better: bool | None = Field(
        default=None, description="What the words of a derived cell say of the lab's second subject; None: nothing."
    )
    preferred: bool = True
    quote: str = Field(min_length=1, description="The words read, whole cell or line.")
    line: int = Field(ge=1)
    source: ClaimSource
    span: Span = Field(description="Bytes of the cell's content (trimmed) or of the quoted words.")
    cell: CellAddress | None = None

    @model_validator(mode="after")
    def _a_value_or_a_word(self) -> Claim:
        if self.value is None and not self.qualifier:
            raise ValueError("a claim needs a value or the word that stands in its place")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """What the printed digits may stand for; the value itself where nothing says how far off it is.

        Raises: ValueError for a claim without a number.
        """
        if not isinstance(self.value, int | float):
            raise ValueError(f"{self.id} states no number: {self.value!r}")
        return (self.value if self.low is None else self.low), (self.value if self.high is None else self.high)

    @property
    def stated(self) -> bool:
        """True if the report gives a value."""
        return self.value is not None

    @property
    def placeholder(self) -> bool:
        """True for an empty cell or a token such as `TODO`: to be filled, never read as 0."""
        return self.value is None and self.qualifier in PLACEHOLDERS


ANNOTATION = re.compile(r"\s(?:→|&#8594;)")
"""Begins what we once wrote after a student's cell: the arrow, or its reference where the encoding has none."""

EXAMPLE = "example"
"""Qualifier of a claim whose own line calls it an example, in whatever word and language."""

ESTIMATED = "estimated"
"""Qualifier of a number that its own words call a guess: stated, and no measurement."""

PLACEHOLDERS = frozenset({"empty", "TODO", "TBD", "XXX", "___"})
"""Qualifiers of cells that nobody has filled yet; `N/A` and `—` are answers and not among them."""


def own_text(cell: str) -> str:
    """Return the student's own text of a cell: what stands before an annotation of ours."""
    found = ANNOTATION.search(cell) if "→" in cell or "&#8594;" in cell else None
    return (cell[: found.start()] if found else cell).rstrip()


def preferred_claims(claims: Iterable[Claim]) -> dict[str, Claim]:
    """Return the preferred reading of each id."""
    return {c.id: c for c in claims if c.preferred}


class Cell(Record):
    """One cell of a comparison table.  `text` is the source between the pipes, trimmed."""

    address: CellAddress
    text: str
    span: Span
    line: int = Field(ge=1)


class TableRow(Record):
    """A row of the comparison table, matched to a row of the lab; `key` is that row's metric or label id."""

    key: str
    label: Cell
    cells: dict[str, Cell] = Field(description="By column role: a subject's name or `derived`.")


class ComparisonTable(Record):
    """The report's comparison table: the rows that the lab knows, by column role."""

    number: int = Field(ge=0)
    line: int = Field(ge=1)
    roles: dict[str, int] = Field(description="Column role to column number.")
    rows: tuple[TableRow, ...]


class Picture(Record):
    """A picture that a report shows: numbers may exist only in it, which a person has to look at."""

    path: str
    line: int = Field(ge=1)


class Rejected(Record):
    """A number, a table or a line that looks like a claim and was not read as one; `code` says why."""

    code: str
    quote: str = Field(min_length=1)
    line: int = Field(ge=1)
    file: str | None = None


class ReportReading(Record):
    """All that was read from one report; `claims` in order of appearance.

    `own_words` counts words that are not in the lab's template.
    """

    sha256: str
    size: int = Field(ge=0)
    encoding: str
    table: ComparisonTable | None
    claims: tuple[Claim, ...]
    own_words: int = Field(ge=0)
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def preferred(self, claim_id: str) -> Claim | None:
        """Return the preferred reading of `claim_id`, None if the report says nothing of it."""
        return next((c for c in self.claims if c.id == claim_id and c.preferred), None)
