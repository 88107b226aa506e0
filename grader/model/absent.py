"""A fact without a value: what it would be of, why it is not there, and what of its artifact any value would share."""

from __future__ import annotations

from grader.model.base import Message
from grader.model.grade import Fact, FactState
from grader.model.report import Unit
from grader.model.run import Artifact


def absent_fact(
    metric: str,
    subject: str | None,
    arm: str,
    reason: Message,
    *,
    state: FactState = "not_run",
    unit: Unit | None = None,
    artifact: Artifact | None = None,
) -> Fact:
    """Return a fact that has a reason in place of a value.

    Args:
        artifact: What was run or would be; None where it is nothing of the submission's, which no compiler made.
    """
    return Fact(
        id=f"{subject}.{metric}@{arm}" if subject else f"{metric}@{arm}",
        subject=subject,
        metric=metric,
        arm=arm,
        state=state,
        value=None,
        unit=unit,
        reason=reason,
        comparable=artifact.comparable if artifact else True,
        compiler=(artifact.compiler or None) if artifact else None,
    )
