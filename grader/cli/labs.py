"""The lab that a command names, with what judging needs of it."""

from __future__ import annotations

from grader.adapters.labfile import load_lab
from grader.workflow.grade import LabUsed


def load_used(name_or_path: str) -> LabUsed:
    """Load a lab.  Raises: LabError."""
    loaded = load_lab(name_or_path)
    return LabUsed(lab=loaded.lab, digest=loaded.digest, template=loaded.template)
