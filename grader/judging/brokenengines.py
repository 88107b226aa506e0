"""Which container engines broke while a submission was measured.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.model.arms import ARMS, EngineName, runs_image
from grader.model.base import Message
from grader.model.grade import Fact
from grader.model.run import Unrenewed

IMAGES: EngineName = "image"
BROKE = frozenset({"infra.run-broke", "infra.image-broke", "infra.builder-broke"})
"""Reasons that speak of an engine; others of ours speak of what it was given."""


def broken_engines(facts: Sequence[Fact], unrenewed: Sequence[Unrenewed] = ()) -> Mapping[str, Message]:
    """Return by engine the first reason why it could not do what it had said it could; empty if none broke.

    What no arm could run because its image was not built is told of images, not of the engine that had nothing to run.

    Args:
        unrenewed: What has the numbers of an earlier grading because an engine broke: their facts are whole.
    """
    reasons = [(f.arm, f.reason) for f in facts if f.reason is not None] + [(u.arm, u.reason) for u in unrenewed]
    found: dict[str, Message] = {}
    for name, reason in reasons:
        arm = ARMS.get(name)
        if arm is not None and runs_image(name) and reason.code in BROKE:
            found.setdefault(arm.engine if reason.code == "infra.run-broke" else IMAGES, reason)
    return found
