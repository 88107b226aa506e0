"""The shipped lab, which these tests judge by."""

from __future__ import annotations

import pytest

from grader.adapters.labfile import load_lab
from grader.model.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Lab:
    return load_lab("lab12-f25").lab
