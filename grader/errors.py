"""Every exception that this package raises, as one tree that branches by who has to act.

GraderError
├── UsageError        the caller: wrong option or value (exit 2)
├── LabError          the teacher: a lab definition is wrong (exit 2)
├── SubmissionError   the student: becomes a finding or a failed step, never a traceback
│   └── IntakeError   what was handed in cannot be read safely (exit 2)
├── HostError         us or the host: an engine, a disk, a lock (exit 3)
│   ├── LockError          the host lock cannot be used: nothing more can be measured
│   ├── StillRunningError  a program of ours goes on: nothing more can be measured beside it
│   └── TimeLimitError     the time that the caller gave is up: what is left is not run
├── StatsError        the numbers do not support the asked-for statement
└── StoppedError      somebody ended the run (exit 130)
"""

from __future__ import annotations


class GraderError(Exception):
    """A message for a person: what happened, where, and what to do next.

    Args:
        what: One sentence that holds the value found and the values allowed; literals in backticks.
        where: `file:line`, a field path, a host or a step; empty if there is no such place.
        hint: What to do next, as an imperative; empty if nothing can be done.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        first = f"{self.where}: {self.what}" if self.where else self.what
        return f"{first}\nhint: {self.hint}" if self.hint else first


class UsageError(GraderError):
    """The command line asks for something that cannot be done as asked."""


class LabError(GraderError):
    """A lab definition is wrong; `where` is `file:line: field`."""


class SubmissionError(GraderError):
    """What a student handed in is wrong in a way that the feedback explains."""


class IntakeError(SubmissionError):
    """A submission or a report that is refused before anything of it is used."""


class HostError(GraderError):
    """This host or one of its tools failed; never the student's fault."""

    exit_code = 3


class LockError(HostError):
    """The host lock cannot be used: a lasting state of the host, which no other step would fare better with."""


class StillRunningError(HostError):
    """A program that we started can be neither ended nor waited for; what is timed beside it would be its doing too."""


class TimeLimitError(HostError):
    """The time that the caller gave is up; what was not done yet is `not_run`."""


class StatsError(GraderError):
    """The samples do not support the statement that was asked for."""


class StoppedError(GraderError):
    """Somebody ended the run: Ctrl-C, SIGTERM, or a terminal that went away; it says what is kept."""

    exit_code = 130
