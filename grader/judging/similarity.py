"""Which submissions have something in common that chance does not give: for a person to look at, never scored.  Pure.

Two independent runs agree in what is deterministic (sizes, digests of the course's own build) and in one rounded time
now and then.  They do not agree in three measured values, a time stamp, a container's id or a list of runs; those are
found here, with shared prose.  What many hand in is the course's: it counts for nobody.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Literal

from grader.model.base import Record
from grader.model.grade import Grade
from grader.model.lab import Lab

LEAST_VALUES = 3
"""Equal measured values that are no chance.

Source: in 63 public reports of one course, single times and memory figures recur in unrelated pairs; three never do.
"""

LEAST_DIGITS = 2
"""Significant digits of a value that counts: `1 s` is everybody's."""

LEAST_RUNS = 4
"""Numbers of a list of runs that counts."""

SHINGLE = 6
"""Words of one piece of prose.  Source: with six, unrelated reports of one course share below 2 % of theirs."""

LEAST_SHARE = 0.15
"""Share of the shorter report's prose that is told."""

LEAST_SHINGLES = 40
"""Pieces of prose below which a share says nothing."""

COMMON_SHARE, COMMON_LEAST = 0.1, 3
"""What more than this share of the reports hold, and more than this many, is the course's or a public image's."""

MOST_WORDS = 200_000
"""Words of a report that are compared."""

Kind = Literal["report", "artifact", "values", "timestamp", "identifier", "runs", "prose"]

_WORD = re.compile(r"[^\W\d_]+")
_TIMESTAMP = re.compile(r"(?<![\w.])1[5-9]\d{8}(?![\w.])")
_IDENTIFIER = re.compile(r"(?<![\w])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)(?:[0-9a-f]{64}|[0-9a-f]{12})(?![\w])")
_RUN = re.compile(r"(?<![\w.,])\d{1,6}[.,]\d{2,9}(?![\w.,]*\d)")
_PUBLIC = re.compile(
    r"\b(?:FROM|golang|alpine|tinygo/tinygo|scratch|buildkit)\b"
    r"|\b(?:Pull complete|Already exists|Download complete|Verifying Checksum|Pulling fs layer)\b"
    r"|\b(?:extracting|layer-sha256)\b"
    r"|\bDigest: sha256:|^\s*(?:#\d+|=>)\s*(?:=>\s*)?sha256:"
)
"""Lines of a tool that fetches somebody else's image, and of Dockerfiles."""


class Traits(Record):
    """What of a submission could be somebody else's.

    `prose` holds hashes of pieces of text; `values` pairs of claim id and value as `id=value`.
    """

    id: str
    report_sha256: str | None
    artifacts: frozenset[str]
    values: frozenset[str]
    timestamps: frozenset[str]
    identifiers: frozenset[str]
    runs: frozenset[str]
    prose: frozenset[int]


class Shared(Record):
    """One thing that two submissions have in common; `examples` are a few of them, `share` is of prose."""

    kind: Kind
    count: int
    examples: tuple[str, ...] = ()
    share: float | None = None


class SimilarPair(Record):
    """Two submissions with something in common.  An identical report is told alone: all else follows from it."""

    first: str
    second: str
    shared: tuple[Shared, ...]


def traits(lab: Lab, grade: Grade, report: str, course: Collection[int] = ()) -> Traits:
    """Return the traits of a graded submission.

    Args:
        report: Its text.
        course: `shingles` of the course's own text.
    """
    known = {artifact.sha256 for artifact in lab.known_artifacts}
    digests = {word.lower() for fact in grade.facts for word in fact.evidence if len(word) == 64}
    return Traits(
        id=grade.submission.id,
        report_sha256=grade.submission.report_sha256,
        artifacts=frozenset(digests - known),
        values=frozenset(_values(lab, grade)),
        timestamps=frozenset(_TIMESTAMP.findall(report)),
        identifiers=frozenset(_identifiers(report)) - known,
        runs=frozenset(_run_lists(report)),
        prose=frozenset(shingles(report)) - frozenset(course),
    )


def shingles(text: str) -> set[int]:
    """Return the pieces of prose of a text; words of any language, apart from case, numbers and marks."""
    words = [word.casefold() for word in _WORD.findall(text)[:MOST_WORDS]]
    return {_hash(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def similar_pairs(submissions: Sequence[Traits]) -> tuple[SimilarPair, ...]:
    """Return every pair with something in common, the most telling first; each pair once."""
    common = {
        name: _common(len(submissions), (getattr(t, name) for t in submissions))
        for name in ("artifacts", "values", "timestamps", "identifiers", "runs", "prose")
    }
    found: list[SimilarPair] = []
    for first, second in sorted(_met(submissions, common)):
        one, other = submissions[first], submissions[second]
        shared = tuple(_shared(one, other, common))
        if shared:
            found.append(SimilarPair(first=one.id, second=other.id, shared=shared))
    return tuple(sorted(found, key=lambda pair: (_weight(pair), pair.first, pair.second)))


def _common(total: int, sets: Iterable[Collection[object]]) -> frozenset[object]:
    counts = Counter(thing for things in sets for thing in things)
    most = max(COMMON_LEAST, COMMON_SHARE * total)
    return frozenset(thing for thing, count in counts.items() if count > most)


def _met(submissions: Sequence[Traits], common: Mapping[str, frozenset[object]]) -> set[tuple[int, int]]:
    """Return the pairs that share anything at all: a class of hundreds has too many to compare each."""
    owners: defaultdict[object, list[int]] = defaultdict(list)
    for number, one in enumerate(submissions):
        owners["report", one.report_sha256 or number].append(number)
        for name, ignored in common.items():
            for thing in getattr(one, name) - ignored:
                owners[name, thing].append(number)
    return {pair for numbers in owners.values() for pair in combinations(numbers, 2)}


def _shared(one: Traits, other: Traits, common: Mapping[str, frozenset[object]]) -> Iterator[Shared]:
    if one.report_sha256 is not None and one.report_sha256 == other.report_sha256:
        yield Shared(kind="report", count=1)
        return

    def both(name: str) -> list[str]:
        return sorted((getattr(one, name) & getattr(other, name)) - common[name])

    kinds: tuple[tuple[Kind, str, int], ...] = (
        ("artifact", "artifacts", 1),
        ("timestamp", "timestamps", 1),
        ("identifier", "identifiers", 1),
        ("runs", "runs", 1),
        ("values", "values", LEAST_VALUES),
    )
    for kind, name, least in kinds:
        things = both(name)
        if len(things) >= least:
            yield Shared(kind=kind, count=len(things), examples=tuple(things[:5]))
    mine, theirs = one.prose - common["prose"], other.prose - common["prose"]
    shorter = min(len(mine), len(theirs))
    if shorter >= LEAST_SHINGLES and len(mine & theirs) / shorter >= LEAST_SHARE:
        same = len(mine & theirs)
        yield Shared(kind="prose", count=same, share=round(same / shorter, 3))


def _weight(pair: SimilarPair) -> tuple[int, float]:
    order: tuple[Kind, ...] = ("report", "artifact", "timestamp", "identifier", "runs", "values", "prose")
    return min(order.index(s.kind) for s in pair.shared), -sum(s.share or s.count for s in pair.shared)


def _values(lab: Lab, grade: Grade) -> Iterator[str]:
    """Yield the measured values of a report: times and memory, as each id's first reading of a value."""
    for claim in grade.claims:
        metric = lab.metrics.get(claim.id.partition(".")[2])
        if metric is not None and metric.tolerance == "printed":
            continue
        if claim.unit not in ("second", "byte") or not isinstance(claim.value, int | float) or claim.value <= 0:
            continue
        if len(f"{claim.value:.9g}".replace(".", "").strip("0")) >= LEAST_DIGITS:
            yield f"{claim.id}={claim.value:.6g}"


def _identifiers(report: str) -> Iterator[str]:
    for line in report.splitlines():
        if not _PUBLIC.search(line):
            yield from (found.lower() for found in _IDENTIFIER.findall(line.lower()))


def _run_lists(report: str) -> Iterator[str]:
    """Yield lists of runs: a line with several fractions, or lines of one each, one below the other."""
    column: list[str] = []
    for line in (*report.splitlines(), ""):
        numbers = [number.replace(",", ".") for number in _RUN.findall(line)]
        if len(numbers) >= LEAST_RUNS:
            yield _joined(numbers)
        if len(numbers) == 1:
            column += numbers
            continue
        if len(column) >= LEAST_RUNS and any(a != b for a, b in pairwise(column)):
            yield _joined(column)
        column = []


def _joined(numbers: Sequence[str]) -> str:
    return " ".join(numbers[:50])


def _hash(words: Sequence[str]) -> int:
    """Return the same number for the same words on every host; Python's own hash of a text is salted."""
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest())
