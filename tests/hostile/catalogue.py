"""What a hostile case is: what it tries, how it is made, what must come of it, and what holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MARK = "hostile"
"""Stands in the name of every file that a case tries to leave somewhere."""

Pace = Literal["quick", "slow runs", "quick builds", "servers"]
"""A lab with small caps on time; one with the shipped cap on a run's; one with a build's that a large source meets.

Containers are asked as servers only in a lab of that name: starting one takes as long as all else of a case.
"""

Fate = Literal["holds", "weaker", "wins"]
"""What becomes of a defence where the host lacks something: an attack that it stopped then `wins`."""


@dataclass(frozen=True)
class Defence:
    """One thing that holds attacks, with what is left of it on a lesser host.

    `without_cgroups`: the sandbox works, but no cgroup can be made.  `trusted`: there is no sandbox and the caller
    said `--trust`; without that word nothing of a submission is run at all.
    """

    name: str
    does: str
    without_cgroups: Fate = "holds"
    trusted: Fate = "holds"
    left: str = ""
    """What is left where it does not hold."""


@dataclass(frozen=True)
class Place:
    """Where a case makes its submission, and what of this host it may aim at."""

    folder: Path
    """Empty; the whole of it is watched for changes."""
    canary: Path
    """A file of the host that nothing may read."""
    cache: Path
    lock: Path
    home: Path
    listeners: Mapping[str, str]
    """Where the host listens: `loopback` and `routable` as host:port, `datagrams`, and `abstract` as a name."""


@dataclass(frozen=True)
class Outcome:
    """What must come of a case.

    `facts`: by id, `measured`, or the state and the reason's code, or several with ` or ` where the host decides which
    comes first; `values`: of measured ones.  `findings`: the rules, exactly, None for any.  `says`: words on the
    terminal.  `prints`: words in a file of the output folder, by path.  `never`: words that neither the terminal nor
    any file but the kept report and the raw streams may hold.
    """

    exit: int | tuple[int, ...] = 0
    facts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    criteria: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] | None = None
    says: tuple[str, ...] = ()
    prints: Mapping[str, str] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    points_at_most: float | None = None


@dataclass(frozen=True)
class Case:
    """One hostile submission.

    `make` writes it below `place.folder` and returns what is graded.  `held_by` names defences, the one that decides
    first.  `meanwhile` goes on while it is graded.  `within_s` is far above what it takes on a busy host: the whole
    grading ends before.  `memory_mb` caps what the grader itself may use, where nothing of the submission runs.
    """

    name: str
    tries: str
    make: Callable[[Place], str | Path]
    held_by: tuple[str, ...]
    expect: Outcome
    within_s: float = 240
    memory_mb: int | None = None
    meanwhile: Callable[[Place], AbstractContextManager[None]] | None = None
    changes_itself: bool = False
    times: int = 1
    pace: Pace = "quick"
    """Which caps on time it is graded with: `slow runs` for what meets another cap first, however slow the host."""

    inside: bool = False
    """Grade from within the submission's folder."""

    claims: bool = False
    """Its report is read by `grader claims` too."""
    without_cgroups: Outcome | None = None
    """What must come of it where no cgroup can be made; None for the same."""
    never_without: frozenset[str] = frozenset()
    """`cgroups` if running it without them would harm the host, so that the table's word is reasoned, not run."""


@dataclass(frozen=True)
class Family:
    """Cases that attack the same part, with one line on what they have in common."""

    name: str
    about: str
    cases: tuple[Case, ...]


_ORDER: tuple[Fate, ...] = ("holds", "weaker", "wins")


def worst(fates: tuple[Fate, ...]) -> Fate:
    """Return what is left of several defences of which each is needed."""
    return max(fates, key=_ORDER.index)
