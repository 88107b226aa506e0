"""How long a server is waited for, and how often it is asked."""

from __future__ import annotations

from pydantic import Field

from grader.judging.memory import REQUESTS
from grader.model.base import Record
from grader.model.lab import HttpProbe

SLACK_S = 10.0
"""What starting a server, and answers that came at the end of each wait, may take beside the waits."""


class Waits(Record):
    """Caps in seconds, generous beside what the labs' servers need (milliseconds), for hosts with other work."""

    ready_s: float = Field(default=20.0, description="Until the first valid answer of a server that should serve.")
    patience_s: float = Field(
        default=2.0, description="From the first wrong answer to a right one: some listen before they are ready."
    )
    request_s: float = Field(default=5.0, description="For one answer, from connecting to its last byte.")
    least_s: float = Field(default=0.25, description="For one answer at least, however little of a wait is left.")
    dying_s: float = Field(
        default=0.5, description="For the end of one that hung up: it may end by itself, which tells more."
    )
    grace_s: float = Field(default=5.0, description="To end after SIGTERM; half of what `docker stop` gives.")
    connect_pause_s: float = Field(
        default=0.0005,
        description="Between two attempts to connect: with the attempt, well below 1 ms, the error of a timed start.",
    )
    connect_s: float = Field(
        default=0.002,
        description="For one attempt.  A loopback answers at once; what is lost while it comes up is sent again a "
        "whole second later.",
    )
    untimed_pause_s: float = Field(default=0.02, description="Between two attempts where no time is taken.")
    requests: int = Field(default=REQUESTS, description="Made of it before its memory is read again.")
    requests_s: float = Field(default=60.0, description="For all of them; one that needs longer has no figure then.")
    read_every_s: float = Field(
        default=0.1, description="Between two readings of memory: several fall between two collections of garbage."
    )
    readings: int = Field(default=5, description="In a row that have to lie within `steady` of each other.")
    steady: float = Field(default=0.02, description="A share, well below the 5 % within which sizes agree.")
    settle_s: float = Field(default=3.0, description="For that; then the last reading counts, and says so.")

    def life_s(self, probe: HttpProbe, run_timeout_s: float) -> float:
        """Return a cap on one start, from spawn to stop, that is longer than all waits for it together."""
        # What should fail is waited for as any run is.
        ready_s = run_timeout_s if probe.expect_failure else min(self.ready_s, run_timeout_s)
        answers_s = self.request_s * (len(probe.get) + 1)
        return ready_s + answers_s + self.requests_s + 2 * self.settle_s + self.dying_s + self.grace_s + SLACK_S


STANDARD = Waits()
"""What every grading waits."""
