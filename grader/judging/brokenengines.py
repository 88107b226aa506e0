"""Which container engines broke while a submission was measured.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.model.arms import ARMS, runs_image
from grader.model.base import Message
from grader.model.grade import Fact

BROKE = frozenset({"infra.run-broke", "infra.image-broke", "infra.builder-broke"})
"""Reasons that speak of an engine; others of ours speak of what it was given."""


def broken_engines(facts: Sequence[Fact]) -> Mapping[str, Message]:
    """Return by engine the first reason why it could not do what it had said it could; empty if none broke."""
    found: dict[str, Message] = {}
    for fact in facts:
        arm = ARMS.get(fact.arm)
        if arm is not None and runs_image(fact.arm) and fact.reason is not None and fact.reason.code in BROKE:
            found.setdefault(arm.engine, fact.reason)
    return found
