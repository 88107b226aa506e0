"""Which ratios take a ratio of two engines apart: the same engine on both sides, and the change of engine alone."""

from __future__ import annotations

from grader.model.arms import ARMS
from grader.model.base import Record
from grader.model.lab import Lab


class Confound(Record):
    """A ratio of two engines as the product of two others.

    `alike` compares what the ratio is meant to compare, on one engine; `engine` is the share that the change of engine
    alone has.  `ratio` = `alike` times `engine`.
    """

    ratio: str
    alike: str
    engine: str


def confounded(lab: Lab, ratio: str) -> bool:
    """Return whether the two arms of a ratio run different subjects, and on different engines."""
    numerator, _, denominator = ratio.partition("/")
    if ARMS[numerator].engine == ARMS[denominator].engine:
        return False
    return _subject(lab, numerator) != _subject(lab, denominator)


def confound_of(lab: Lab, ratio: str) -> Confound | None:
    """Return what takes a ratio apart, by the lab's own ratios; None where it needs nothing or the lab lists nothing.

    The arm between runs the numerator's subject on the denominator's engine.
    """
    if not confounded(lab, ratio):
        return None
    numerator, _, denominator = ratio.partition("/")
    for between in lab.timing.arms.get(_subject(lab, numerator), ()):
        alike, engine = f"{between}/{denominator}", f"{numerator}/{between}"
        if not confounded(lab, alike) and alike in lab.timing.ratios and engine in lab.timing.ratios:
            return Confound(ratio=ratio, alike=alike, engine=engine)
    return None


def _subject(lab: Lab, arm: str) -> str:
    return next((subject for subject, arms in lab.timing.arms.items() if arm in arms), "")
