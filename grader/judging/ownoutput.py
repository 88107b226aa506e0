"""A number of a report set against the output that the same report shows.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from grader.model.report import EXAMPLE, Claim

RELATIVE_TOLERANCE = 0.05
"""Two statements of a size agree within 5 %: the labels MB and MiB are used for each other."""

RAW = frozenset({"output", "file"})
"""Sources of a claim that a program printed."""


def printed_of(claim: Claim, claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Return the other numbers of that quantity that a program printed; what is called an example is not among them."""
    if not isinstance(claim.value, int | float):
        return ()
    return tuple(
        c
        for c in claims
        if c.id == claim.id and c is not claim and c.source in RAW and c.qualifier != EXAMPLE
        if isinstance(c.value, int | float)
    )


def disagreeing(claim: Claim, claims: Sequence[Claim]) -> Claim | None:
    """Return the first output that gives another number; None if any agrees or none is shown.

    A report may show several runs, notions and containers: one that agrees is where the number is from.
    """
    printed = printed_of(claim, claims)
    if not printed or any(same_number(claim, other) for other in printed):
        return None
    return printed[0]


def same_number(claim: Claim, other: Claim) -> bool:
    """Return whether two numbers may be one: their printed ranges meet, or they are near; 0 is like nothing else.

    A tool that prints `0 seconds` has measured nothing, and has not rounded 0.4 s.
    """
    assert isinstance(claim.value, int | float)  # both are of `printed_of`
    assert isinstance(other.value, int | float)
    if (claim.value == 0) != (other.value == 0):
        return False
    (low, high), (other_low, other_high) = claim.bounds, other.bounds
    near = abs(claim.value - other.value) <= RELATIVE_TOLERANCE * max(abs(claim.value), abs(other.value))
    return near or (low <= other_high and other_low <= high)
