"""The result of grading: facts, verdicts, findings, criteria, score.

History of the stored format
    grader/grade/1   first format
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from grader.model.base import Message, Record
from grader.model.host import Fingerprint
from grader.model.report import Claim, Unit

FactState = Literal["measured", "failed", "not_run"]
Mode = Literal["native", "interpreted", "jit", "jit-cached", "aot"]
Conditions = Literal["warm", "first", "file-cold", "after-1000-requests"]
VerdictName = Literal["reproduced", "consistent", "contradicted", "unverifiable", "not_run", "missing"]
Severity = Literal["error", "warning", "info"]
RatioVerdict = Literal["faster", "slower", "no_difference", "small_difference", "not_resolved"]
"""What the interval of a ratio says about its numerator."""
CriterionOutcome = Literal["pass", "partial", "fail", "review", "not_run", "error"]


class Interval(Record):
    """A confidence interval; `level` is its true coverage."""

    low: float
    high: float
    level: float = Field(gt=0, lt=1)


class Spread(Record):
    """Middle and tails of one arm's times; `mad` is the median distance from the median, unscaled."""

    median: float
    p5: float
    p95: float
    mad: float
    n: int = Field(ge=1)


class Quantity(Record):
    """A value as one side of a comparison saw it."""

    value: float | int | str | None
    low: float | int | None = None
    high: float | int | None = None
    unit: Unit | None = None
    notion: str | None = None
    arm: str | None = None


class Compared(Record):
    """What a ratio of two arms' times says, and what the course's own loop would have printed for the same runs.

    `loop_numerator` and `loop_denominator` are its lines; `loop_ratio` is None where it would divide by 0.
    """

    verdict: RatioVerdict
    reason: Message
    loop_numerator: str
    loop_denominator: str
    loop_ratio: float | None = Field(ge=0)


class Fact(Record):
    """What we measured, with unit and origin.

    One per (id, notion, mode, conditions).  Invariant: `value` is None if and only if `state` is not `measured`,
    and then `reason` says why.  `comparable` is False for an artifact of another compiler than the lab's.
    """

    id: str = Field(pattern=r"^[^@]+@[^@]+$")
    subject: str | None
    metric: str
    arm: str
    notion: str | None = None
    mode: Mode | None = None
    conditions: Conditions | None = None
    state: FactState
    value: float | int | str | None
    unit: Unit | None = None
    interval: Interval | None = None
    spread: Spread | None = Field(default=None, description="Of the runs of one arm: a median has no honest interval.")
    n: int | None = None
    method: str | None = None
    reason: Message | None = None
    evidence: tuple[str, ...] = ()
    comparable: bool = True
    compiler: str | None = None
    compared: Compared | None = Field(default=None, description="Of a measured ratio of times only.")
    noise: tuple[Message, ...] = Field(default=(), description="Why the host was not quiet while it was timed.")

    @model_validator(mode="after")
    def _value_or_reason(self) -> Fact:
        if (self.value is not None) != (self.state == "measured"):
            raise ValueError(f"fact {self.id}: a value if and only if measured")
        if self.state != "measured" and self.reason is None:
            raise ValueError(f"fact {self.id}: {self.state} needs a reason")
        if self.state == "measured" and not self.method:
            raise ValueError(f"fact {self.id}: measured needs a method")
        return self

    @property
    def claim_id(self) -> str:
        """The id without its arm: what a report's claim of it is called."""
        return self.id.partition("@")[0]

    def quantity(self) -> Quantity:
        """Return the value with its interval, as one side of a comparison."""
        low, high = (self.interval.low, self.interval.high) if self.interval else (None, None)
        return Quantity(value=self.value, low=low, high=high, unit=self.unit, notion=self.notion, arm=self.arm)


class Verdict(Record):
    """A claim set against the facts.

    `recomputed` is a derived cell worked out again from the row's own cells; `basis` says what decided:
    `artifact` (a file in the submission), `rebuild` (our own build), `known` (a reference set), `own_cells`,
    `own_output` (what the report itself shows as printed).
    """

    id: str = Field(pattern=r"^[^@]+$")
    verdict: VerdictName
    claimed: Quantity | None
    recomputed: Quantity | None = None
    measured: Quantity | None
    tolerance: float | None = Field(default=None, description="Relative, 0.05 is 5 %.")
    fact: str | None = None
    basis: Literal["artifact", "rebuild", "known", "own_cells", "own_output"] | None = None
    reason: Message


class Finding(Record):
    """What a consistency rule saw: a reason to look, never a verdict on a person."""

    rule: str
    severity: Severity
    message: Message
    quote: str
    line: int | None = Field(ge=1)
    reproduce: str = Field(default="", description="The command that settles it; empty if none does.")


class ManualMark(Record):
    """Points that a person gave to a criterion; an input of judging, kept by every regrade."""

    points: float = Field(ge=0)
    note: str = ""


class Criterion(Record):
    """A rubric line with its outcome.  `points` are what is earned, from `pass`, `partial` or a person's mark."""

    id: str
    title: str = Field(default="", description="The lab's own words for it.")
    points: float = Field(ge=0)
    max: float = Field(gt=0)
    bonus: bool = False
    outcome: CriterionOutcome
    needs: tuple[str, ...] = ()
    reason: Message
    evidence: tuple[str, ...] = ()
    reproduce: str = Field(default="", description="The command that shows the reason again; empty if none does.")
    manual: ManualMark | None = None


class Score(Record):
    """Points of the criteria without bonus.  Invariant: the five parts add up to `max`."""

    points: float
    lost: float
    pending_review: float
    not_assessed: float
    manual: float
    max: float
    bonus: float
    state: Literal["final", "needs_review", "infra_error"]


class Circumstances(Record):
    """What judging needs of a submission and its report beside facts and claims.

    Kept in the grade, so that judging again needs neither.
    """

    sources_changed: bool = Field(description="A file that the course provides is there with other content.")
    known_values_apply: bool = Field(description="Nothing contradicts that the reference values are for this source.")
    own_files: tuple[str, ...] = Field(default=(), description="Files below the lab's root that no course provides.")
    own_words: int = Field(default=0, ge=0, description="Words of the report that are not in the lab's template.")
    pictures: int = Field(default=0, ge=0, description="Pictures that the report shows; only a person reads them.")
    has_table: bool = False
    absent_rows: tuple[str, ...] = Field(default=(), description="Required rows that the table lacks, by key.")
    empty_cells: tuple[str, ...] = Field(
        default=(), description="Required cells that are missing or placeholders, as `row.column`."
    )
    filled_claims: tuple[str, ...] = Field(
        default=(), description="Claims whose cells hold what `grader fill` wrote: no statement of the student's."
    )


class LabRef(Record):
    """Which lab definition judged."""

    id: str
    version: str
    sha256: str


class SubmissionRef(Record):
    """Which submission was judged; `report_sha256` is of the report's bytes as read."""

    id: str
    source: str
    manifest_sha256: str
    files: int
    bytes: int
    report: str | None = None
    report_sha256: str | None = None
    root: str = Field(default=".", description="Folder of the lab's files in what was handed in.")
    notes: tuple[Message, ...] = ()


class GraderRef(Record):
    """Which program judged."""

    version: str


class Grade(Record):
    """Everything about one graded submission; equal inputs give equal bytes."""

    schema_: Annotated[Literal["grader/grade/1"], Field(alias="schema")] = "grader/grade/1"
    lab: LabRef
    submission: SubmissionRef
    host: Fingerprint
    grader: GraderRef
    circumstances: Circumstances
    facts: tuple[Fact, ...]
    claims: tuple[Claim, ...]
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    criteria: tuple[Criterion, ...]
    score: Score


class StoredGrade(Record):
    """A grade as a file holds it, and the digest of that file's bytes."""

    grade: Grade
    sha256: str


class Beside(Record):
    """What lies beside a stored grade: None or empty what is not there, cannot be read, or is not what was graded.

    `logs` are what the tools said in builds that gave nothing, by step.
    """

    samples: bytes | None = None
    report: bytes | None = None
    logs: tuple[tuple[str, str], ...] = ()
