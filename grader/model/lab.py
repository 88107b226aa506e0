"""A lab as data: what is handed in, built, probed, measured, compared and scored.

`labs/<id>/lab.yml` is read into `Lab`; `adapters.labfile` loads it and turns each mistake into
`file:line: field: what, allowed values`.  History of the stored format: grader/lab/1 is the first.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from grader.model.base import Record
from grader.model.bench import LARGEST_PLAN
from grader.model.grade import Severity
from grader.model.report import Unit

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([._-][a-z0-9]+)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class KnownInput(Record):
    """A file that the course provides; `sha256` of each form in which it is met (LF, CRLF checkout)."""

    path: str
    sha256: tuple[Sha256, ...] = Field(min_length=1)


class Inputs(Record):
    """Where things are in what a student hands in."""

    roots: tuple[str, ...] = Field(min_length=1, description="Folders that may hold the lab's files, in order.")
    reports: tuple[str, ...] = Field(min_length=1, description="Report paths from the submitted folder, in order.")
    sources: tuple[str, ...] = Field(min_length=1, description="A root is a folder with at least one of these files.")
    provided: tuple[KnownInput, ...] = ()
    evidence: tuple[Annotated[str, Field(pattern=r"^([\w.-]+/)?\*[\w.*-]*$")], ...] = Field(
        default=(), description="Text files beside the report that may hold output: `*.txt`, `folder/*.txt`."
    )


class KnownArtifact(Record):
    """An artifact whose digest is known, for example the course's own build."""

    id: Identifier
    sha256: Sha256
    size: int
    label: str


class CommittedFile(Record):
    """The subject's artifact is a file in the submission."""

    kind: Literal["file"] = "file"
    file: str
    comparable: bool = True


class DockerfileCommand(Record):
    """The build command is the one that a Dockerfile states, parsed against an allow-list of flags.

    `allow` names flags; any other flag, operator, variable or command refuses the step.
    """

    kind: Literal["dockerfile"] = "dockerfile"
    file: str
    command: str = Field(description="The first words of the command, for example `go build`.")
    allow: tuple[str, ...]
    env: dict[str, str] = Field(default={}, description="Environment that the Dockerfile may set, with its only value.")
    tool: str
    output: str = Field(default="", description="File that the command makes where it has no -o.")
    comparable: bool = True


class ToolCommand(Record):
    """The build command is this argument vector."""

    kind: Literal["tool"] = "tool"
    tool: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    output: str
    compiler: str = Field(default="", description="Name shown where it is another compiler than the lab's.")
    comparable: bool = True


BuildSource = Annotated[CommittedFile | DockerfileCommand | ToolCommand, Field(discriminator="kind")]


class Step(Record):
    """How a subject's artifact comes about: the first source that applies on this host."""

    first_of: tuple[BuildSource, ...] = Field(min_length=1)
    timeout_s: float = Field(default=300, gt=0)


class ImageSource(Record):
    """How the image of a subject comes about: a recipe that was handed in, built as it is written.

    `artifact`: where in the recipe's folder the subject's own artifact stands, whether it was handed in or built; empty
    for a recipe that makes its program itself.  `bases`: images that it may start from, without registry and tag, or
    with a tag where only that one is meant.
    """

    file: str
    platform: str = Field(pattern=r"^[a-z0-9]+(/[a-z0-9]+){0,2}$", description="`linux` for this host's own processor.")
    bases: tuple[str, ...] = ()
    artifact: str = ""
    timeout_s: float = Field(default=600, gt=0)


class JsonCheck(Record):
    """A check on one key of a JSON object that a program printed; all that are given must hold.

    `within_s`: a Unix time at most that far from the host's clock at the run.  `offset` with `same_instant_as`:
    a local time of that UTC offset that names the same second as the other key.
    """

    key: str
    within_s: float | None = Field(default=None, gt=0)
    offset: str | None = Field(default=None, pattern=r"^[+-]\d\d:\d\d$")
    format: str = Field(
        default="%Y-%m-%d %H:%M:%S", description="strftime format in which the local time must be printed."
    )
    same_instant_as: str | None = None


class StdoutJsonProbe(Record):
    """Run once; stdout must be one JSON object that passes the checks."""

    kind: Literal["stdout_json"] = "stdout_json"
    metric: Identifier
    env: dict[str, str] = {}
    args: tuple[str, ...] = ()
    checks: tuple[JsonCheck, ...] = ()
    arms: dict[str, tuple[str, ...]] = Field(description="By subject: the arms to probe, in order.")


class HttpGet(Record):
    """One request and what it must answer."""

    path: str
    type: str
    checks: tuple[JsonCheck, ...] = ()


def _one_or_more(value: object) -> object:
    """Take a single text for a list of one."""
    return (value,) if isinstance(value, str) else value


class HttpProbe(Record):
    """Start a server and ask it.

    `expect_failure` by subject: words of which its failure must print one; the server's coming up is no failure.
    The port lies outside the range of ephemeral ports (Linux: 32768 to 60999), where a client that asks a port on
    which nobody listens can be given that very port and connect to itself.
    """

    kind: Literal["http"] = "http"
    metric: Identifier
    env: dict[str, str] = {}
    port: int = Field(gt=0, lt=65536)
    get: tuple[HttpGet, ...] = Field(min_length=1)
    expect_failure: dict[str, Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]] = {}
    arms: dict[str, tuple[str, ...]]
    starts: int = Field(default=7, ge=1, le=100, description="Timed starts to the first valid answer.")


class CgiProbe(Record):
    """Run once per path as a CGI program."""

    kind: Literal["cgi"] = "cgi"
    metric: Identifier
    env: dict[str, str] = {}
    get: tuple[HttpGet, ...] = Field(min_length=1)
    arms: dict[str, tuple[str, ...]]


Probe = Annotated[StdoutJsonProbe | HttpProbe | CgiProbe, Field(discriminator="kind")]


class Metric(Record):
    """A quantity of a subject.

    `arms` by subject: the lab's own arm first, then those that may stand in for it, in order.
    `tolerance`: `printed` for sizes (compared within printed precision and 5 %), `usable` for times and memory
    (never graded by how fast or how small), `value` for texts.
    `source` `memory` is read while the metric's probe runs: the peak of a `stdout_json` run, the idle figure of an
    `http` server.  `answer` is the time from a server's start to its first valid answer.
    """

    unit: Unit | None
    arms: dict[str, tuple[str, ...]]
    tolerance: Literal["printed", "usable", "value"]
    notions: tuple[str, ...] = ()
    probe: Identifier | None = None
    source: Literal["artifact", "timing", "probe", "image", "memory", "answer"]
    floor: float | None = Field(default=None, description="Smallest usable claim, in the base unit.")
    ceiling: float | None = Field(default=None, description="Largest usable claim, in the base unit.")


class Derived(Record):
    """A quantity worked out from one row: `formula` is an expression over the subjects' names.

    Unit `percent` is a fraction times 100; `ratio` is a plain number.
    """

    id: Identifier
    formula: str
    unit: Literal["percent", "ratio"]


class KnownValue(Record):
    """A value that the provided files are known to give, by notion, store and architecture.

    `within`: how far an exact count may be from it, in the base unit: a time stamp in an image moves its compressed
    size by some bytes, and a value taken from a rounded print is itself rounded.
    """

    id: Identifier = Field(description="Claim id.")
    value: float
    within: float = Field(default=0, ge=0)
    notion: str
    store: str = ""
    architecture: str = ""


class Columns(Record):
    """Header words, lower case, by column role; `metric` is the column of row labels."""

    metric: tuple[str, ...]
    subjects: dict[str, tuple[str, ...]]
    derived: tuple[str, ...]
    other: tuple[str, ...] = ()


class Row(Record):
    """A row of the comparison table.  A row without `metric` is known but not measured.

    `instead` names the metric whose values fill the row, labelled, where a subject can have none of `metric`.
    `shows` names one whose values fill what is empty in a row that nobody judges.
    """

    key: Identifier
    labels: tuple[str, ...] = Field(min_length=1, description="Lower-case words that the row's label contains.")
    metric: Identifier | None = None
    instead: Identifier | None = None
    shows: Identifier | None = None
    derived: Derived | None = None
    required: bool = Field(default=True, description="Must be filled for the table to count as complete.")


class Table(Record):
    """The comparison table that reports hold."""

    columns: Columns
    rows: tuple[Row, ...] = Field(min_length=1)


class TextClaim(Record):
    """A claim read outside the table: `pattern` is a regular expression with one group named `value`."""

    id: Identifier
    pattern: str
    unit: Unit | None = None
    source: Literal["text", "output"] = "output"
    notion: str | None = Field(default=None, description="What kind of evidence the pattern reads.")
    weak: bool = Field(default=False, description="Counts only where no other pattern of this id finds anything.")


class JsonClaim(Record):
    """A claim read from a JSON object in the report that has all of these keys; its value is that of `key`.

    `similar`: an object without them whose key matches this is the program's output too, of another program: its
    claim has the notion `other_keys`.
    """

    id: Identifier
    keys: tuple[str, ...] = Field(min_length=1)
    key: str
    similar: str | None = Field(default=None, description="Regular expression searched in the keys of other objects.")


class Wording(Record):
    """A quantity as text outside the comparison table names it.

    `about`: words of the line, of a heading or of a label above it, one of which must be there too.
    """

    id: Identifier
    unit: Unit
    words: tuple[str, ...] = Field(min_length=1)
    about: tuple[str, ...] = ()


class PrintedAfter(Record):
    """What the lone number after a command is: `pattern` is searched in the command's line, the first match counts.

    `once`: the command was timed by itself, so that `real` is its result and no single run of several.
    """

    pattern: str
    id: Identifier
    notion: str = ""
    once: bool = False


ListingKind = Literal["files", "docker_images", "docker_stats", "ctr_images"]


class Listing(Record):
    """A row that a tool prints, by the file or image that it names (`name`, a regular expression)."""

    kind: ListingKind
    name: str = ""
    id: Identifier
    notion: str = Field(default="", description="Empty: the tool's own.")


class Statements(Record):
    """How text and pasted output outside the comparison table name the lab's quantities.

    The quantities of the table's rows need no `quantities`: a row's labels and the words of a subject name them.
    `subjects`: words that tell the subjects apart in a heading or a line; shorter than a column's synonyms may be.
    """

    subjects: dict[str, tuple[str, ...]] = {}
    headings: dict[str, str] = Field(
        default={}, description="By subject: pattern of the headings of its task, asked where no word names a subject."
    )
    words: dict[str, tuple[str, ...]] = Field(default={}, description="By metric: names beyond the row's labels.")
    quantities: tuple[Wording, ...] = ()
    commands: tuple[PrintedAfter, ...] = ()
    listings: tuple[Listing, ...] = ()


class Rule(Record):
    """A consistency rule: where `when` holds a finding is made whose words are the lab's text of that code.

    `about` names the claim whose quote and line the finding shows.  Severity `error` is for what arithmetic, the
    calendar or physics rule out; everything else is a `warning` at most.
    """

    id: Identifier
    severity: Severity
    when: str
    about: Identifier
    each: Literal["never", "with_preferred", "always"] = Field(
        default="never",
        description="Ask for the other readings of `about` too: never, only if the preferred one is hit, or always.",
    )
    for_provided: bool = Field(
        default=False, description="Only where nothing contradicts that the provided files were used."
    )
    reproduce: str = Field(default="", description="The command that settles it.")
    criteria: tuple[Identifier, ...] = Field(default=(), description="Criteria that go to review because of it.")


class HandedIn(Record):
    """What counts as something of one's own for a task: any of these claims with a value, or own words."""

    claims: tuple[Identifier, ...] = ()
    files: tuple[str, ...] = Field(default=(), description="Files of the lab root that the course does not provide.")
    own_words: int = Field(default=0, ge=0, description="Words beyond the template that a written answer needs.")


CheckName = Literal["size", "measurement", "stated", "table_complete", "derived"]


class CriterionSpec(Record):
    """A rubric line.

    `executed`: passes if every fact in `from` was measured.  `claimed`: passes if `check` holds for the claims in
    `from`.  `review`: a person's; nothing is guessed.  `task` names the entry of `handed_in` that it belongs to.
    """

    id: Identifier
    task: Identifier
    points: float = Field(gt=0)
    bonus: bool = False
    evidence: Literal["executed", "claimed", "review"]
    from_: Annotated[tuple[str, ...], Field(alias="from")] = ()
    check: CheckName | None = None
    needs: tuple[Identifier, ...] = ()
    accepts: tuple[str, ...] = Field(default=(), description="Allowed values of a `stated` claim; empty for any.")
    title: str
    reproduce: str = ""

    @model_validator(mode="after")
    def _shape(self) -> CriterionSpec:
        if (self.evidence == "claimed") != (self.check is not None):
            raise ValueError("`check` is for `evidence: claimed`, and needed there")
        if self.evidence == "executed" and not self.from_:
            raise ValueError("`from` must name at least one fact for `evidence: executed`")
        return self


class Parameters(Record):
    """Numbers of the timed campaign and of the memory runs; `seed` makes the campaign's order repeatable."""

    rounds: Annotated[int, Field(ge=1, le=LARGEST_PLAN)] | Literal["auto"] = Field(
        default=12, description="`auto`: as many as the precision of the lab's ratios needs."
    )
    warmups: int = Field(default=2, ge=0, le=100)
    seed: int = 20251127
    memory_runs: int = Field(default=3, ge=1, le=100, description="Runs per arm whose peak of memory is read.")
    run_timeout_s: float = Field(default=60, gt=0)


class Timing(Record):
    """The timed campaign: probe, arms by subject, the control arm, and the ratios to report.

    `ratios`: pairs `numerator/denominator` of arms.
    """

    probe: Identifier
    arms: dict[str, tuple[str, ...]]
    control: str | None = None
    ratios: tuple[str, ...] = ()


class Lab(Record):
    """A whole lab definition."""

    schema_: Annotated[Literal["grader/lab/1"], Field(alias="schema")]
    id: Identifier
    version: str
    title: str
    subjects: tuple[Identifier, ...] = Field(min_length=1)
    parameters: Parameters = Parameters()
    inputs: Inputs
    toolchains: dict[str, str]
    steps: dict[str, Step]
    images: dict[str, ImageSource] = Field(default={}, description="By subject.")
    probes: dict[str, Probe]
    metrics: dict[str, Metric]
    timing: Timing
    table: Table
    known_artifacts: tuple[KnownArtifact, ...] = ()
    known_values: tuple[KnownValue, ...] = ()
    known_values_for: tuple[KnownInput, ...] = Field(
        default=(), description="`known_values` hold unless one of these files is there with another digest."
    )
    texts: tuple[TextClaim, ...] = ()
    outputs: tuple[JsonClaim, ...] = ()
    statements: Statements = Statements()
    evidence: tuple[TextClaim, ...] = Field(default=(), description="Texts that rules ask for; they get no verdict.")
    rules: tuple[Rule, ...] = ()
    handed_in: dict[str, HandedIn]
    rubric: tuple[CriterionSpec, ...] = Field(min_length=1)
    questions: tuple[str, ...] = ()
    messages: dict[str, dict[str, str]] = Field(
        default={}, description="By language: the lab's own wordings, by code (`rule.<id>`)."
    )
