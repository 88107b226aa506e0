"""The review file: what a person is asked about graded submissions, and what they answered.

History of the stored format
    grader/review/1   first format
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from grader.model.base import Record


class ReviewItem(Record):
    """One criterion of one submission.

    Only `points` and `note` are the person's; everything else says what the question is.  `grade` and the front of
    `id` are digests: of the grade's file and of what was handed in.
    """

    id: str = Field(description="`<16 hex of the submission's manifest>:<criterion>`.")
    grade: str = Field(description="16 hex of the grade's file when this was asked.")
    submission: str
    criterion: str
    title: str
    max: float
    outcome: str
    suggested: float | None = Field(description="Points that follow if the doubt is lifted; None where prose decides.")
    reason: str
    findings: str = ""
    line: int | None = None
    quote: str = ""
    context: str = Field(default="", description="The report's lines around the quote.")
    points: float | None = None
    note: str = ""


class ReviewFile(Record):
    """All questions about a set of grades, in an order that says nothing about whose they are."""

    schema_: Annotated[Literal["grader/review/1"], Field(alias="schema")] = "grader/review/1"
    lab: str
    lab_sha256: str
    grader: str
    items: tuple[ReviewItem, ...]


class ReviewAnswer(Record):
    """One row of a review file as it came back; `place` names it to the person (`row 4`).

    `max` and `suggested` are as written, None where the file leaves them out or empty; so are the texts, empty.
    """

    place: str
    id: str
    grade: str = ""
    submission: str = ""
    criterion: str = ""
    outcome: str = ""
    max: float | None = None
    suggested: float | None = None
    points: float | None = None
    note: str = ""
    trouble: str = Field(
        default="", description="Why the row cannot be read; the other fields are then not to be used."
    )
