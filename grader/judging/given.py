"""What a submission is judged from, before anything is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from grader.model.grade import Circumstances, Fact
from grader.model.lab import KnownValue, Lab
from grader.model.report import Claim, preferred_claims


@dataclass(frozen=True)
class Given:
    """The lab, every reading of the report, what was measured, and what else is known of the submission."""

    lab: Lab
    claims: Sequence[Claim]
    facts: Sequence[Fact]
    circumstances: Circumstances

    @cached_property
    def stated(self) -> dict[str, Claim]:
        """The preferred reading of each id."""
        return preferred_claims(self.claims)

    def known_values(self, claim_id: str) -> tuple[KnownValue, ...]:
        """Return the reference values of a claim; none where they are not for this source."""
        if not self.circumstances.known_values_apply:
            return ()
        return tuple(k for k in self.lab.known_values if k.id == claim_id)
