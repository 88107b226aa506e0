"""One command, how it ran, and a campaign of timed runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from grader.model.base import Message, Record

Outcome = Literal["ok", "failed", "wrong-output", "timeout", "output-limit", "disk-limit", "not-started"]
Phase = Literal["warm-up", "timed"]


class Limits(Record):
    """Caps on one command.  Memory, pids and disk hold only where the sandbox says that it enforces them."""

    timeout_s: float = Field(default=60.0, gt=0)
    memory_bytes: int = Field(default=2 << 30, gt=0)
    pids: int = Field(default=256, gt=0)
    output_bytes: int = Field(default=1 << 20, gt=0, description="Each of stdout and stderr.")
    disk_bytes: int = Field(default=1 << 30, gt=0, description="All that the command may write.")


class Bind(Record):
    """A host path made visible in the sandbox at `target`."""

    source: str
    target: str
    writable: bool = False


class Command(Record):
    """What runs inside the sandbox, in the sandbox's own paths; never a shell line.

    `engine` names the engine that made it and runs it, where it is not the one without containers.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = {}
    cwd: str = "/"
    binds: tuple[Bind, ...] = ()
    limits: Limits = Limits()
    engine: str = ""


class MemoryReading(Record):
    """How much memory a run's processes had, at one moment or at most.

    `cgroup`: what the kernel charged to the run's own group, the boundary's processes included.  `smaps`: the
    proportional set sizes of the program's whole process tree, summed.  `docker_stats`: what that command prints.
    `shim`: the processes beside a container that its runtime keeps, proportional set sizes summed.
    """

    notion: Literal["cgroup", "smaps", "docker_stats", "shim"]
    size_bytes: int = Field(ge=0)
    method: str = Field(description="The file that was read, and for a sampled figure how often and what it misses.")


class Completed(Record):
    """How a command ended.

    Times are seconds from just before the spawn, on a monotonic clock: `first_output_s` to the first byte on
    stdout (None if there was none), `total_s` to the exit that was reaped.  `exit_code` is None if a signal or a
    limit ended it.  `stdout` and `stderr` are cut at the output cap, bytes as Latin-1 so that none is lost.
    `memory_peak` holds a reading per notion where the caller asked for it and this host can give it.
    """

    argv: tuple[str, ...]
    outcome: Outcome
    exit_code: int | None
    signal: int | None = None
    stdout: str
    stderr: str
    first_output_s: float | None
    total_s: float
    reason: Message | None = None
    memory_peak: tuple[MemoryReading, ...] = ()

    def stdout_bytes(self) -> bytes:
        """Return stdout exactly as printed, up to the cap."""
        return self.stdout.encode("latin-1")

    def stderr_bytes(self) -> bytes:
        """Return stderr exactly as printed, up to the cap."""
        return self.stderr.encode("latin-1")


class Sample(Record):
    """One timed run of one arm.

    Invariant: `total_s` is None if and only if `outcome` is not `ok`; `first_output_s` is None then too, and after a
    run that printed nothing.  `lasted_s` and `tail` are of a bad run: how long it took, and the end of what it printed.
    `attempt` counts how often the round was run before.
    """

    arm: str
    round_index: int = Field(ge=0)
    outcome: Outcome
    total_s: float | None = Field(gt=0, description="Spawn to exit.")
    first_output_s: float | None = Field(gt=0, description="Spawn to first byte on stdout.")
    exit_code: int | None
    started_s: float = Field(ge=0, description="Seconds since the campaign began.")
    reason: Message | None = None
    phase: Phase = "timed"
    attempt: int = Field(default=0, ge=0)
    lasted_s: float | None = Field(default=None, ge=0)
    tail: str = ""
    user_s: float | None = Field(default=None, ge=0, description="CPU seconds in user mode, by wait4.")
    system_s: float | None = Field(default=None, ge=0, description="CPU seconds in the kernel, by wait4.")

    @model_validator(mode="after")
    def _only_good_runs_have_times(self) -> Sample:
        if (self.outcome == "ok") != (self.total_s is not None):
            raise ValueError("a sample has a time if and only if its outcome is ok")
        return self


class Campaign(Record):
    """All timed runs of one set of arms, in the order in which they ran.

    `cut` if the time was up before the last round: then the complete rounds count and no other.  `noise` says why the
    host was not quiet while some of them ran; empty if it was, or if nobody looked.  `discarded` are the timed runs
    that do not count: of rounds that were run again because of noise, and of one that was cut off.
    """

    seed: int
    rounds: int = Field(ge=1)
    warmups: int = Field(ge=0, description="Rounds that ran before the first sample and were discarded.")
    arms: tuple[str, ...]
    samples: tuple[Sample, ...]
    cut: bool = False
    noise: tuple[Message, ...] = ()
    discarded: tuple[Sample, ...] = ()


class Unrenewed(Record):
    """An arm that was to be timed again and could not: the numbers of before stand, and `reason` says why."""

    arm: str
    reason: Message


class ServerStarts(Record):
    """The timed starts of one server, in order: seconds from spawn to the last byte of the first valid answer."""

    probe: str
    arm: str
    seconds: tuple[float, ...]


class TimedRuns(Record):
    """Every timed run of one grading: the campaign's, None where none is at hand, and the starts of its servers."""

    campaign: Campaign | None = None
    starts: tuple[ServerStarts, ...] = ()


class Artifact(Record):
    """A file that a build made or that was handed in.  `path` is on this host and never reaches an output.

    Of an `image` the file is an archive of it, and `sha256` is the image's own identity, which no archive decides.
    """

    subject: str
    label: Literal["build", "committed", "image"]
    sha256: str
    size: int = Field(ge=0)
    path: str
    compiler: str = Field(default="", description="Name and version; empty if unknown.")
    comparable: bool = Field(default=True, description="False for another compiler than the lab's.")


Runnable = Mapping[tuple[str, str], Artifact]
"""What is run, by subject and arm."""


class BuildResult(Record):
    """What a build step gave.  Invariant: there is an `artifact` if and only if `state` is `built` or `committed`."""

    subject: str
    label: Literal["build", "committed"] = Field(default="build", description="Where the artifact was to come from.")
    state: Literal["built", "committed", "failed", "refused", "not_run", "error"]
    artifact: Artifact | None
    argv: tuple[str, ...] = ()
    reason: Message | None = None
    log: str = Field(default="", description="The tool's messages, escaped only where shown.")

    @model_validator(mode="after")
    def _artifact_or_reason(self) -> BuildResult:
        if (self.artifact is not None) != (self.state in ("built", "committed")):
            raise ValueError("a build has an artifact if and only if it succeeded")
        if self.artifact is None and self.reason is None:
            raise ValueError("a build without an artifact needs a reason")
        return self


class Answer(Record):
    """What a server or a CGI program said to one request.  `reason` is None if it was what the probe expects.

    `body` is cut at the cap, bytes as Latin-1; `status` and `content_type` are None where nothing readable came.
    """

    path: str
    status: int | None
    content_type: str | None
    body: str
    total_s: float | None = Field(default=None, description="From connecting, or spawning, to the last byte.")
    reason: Message | None = None


class LockSpan(Record):
    """A span of time for which a grading held the host lock, in Unix seconds: taken after, and let go before.

    Spans of all gradings on a host can be set side by side: an `exclusive` one overlaps no other.
    """

    kind: Literal["shared", "exclusive"]
    from_: float = Field(alias="from")
    to: float


class ServerRun(Record):
    """What a server's run gave beside its answers.

    `first_answers_s`: seconds from spawn to the last byte of the first valid answer, one per start that had the host
    to itself; `noise` is why the host was not quiet meanwhile, however often they were made again.  `idle` was read
    after the figure had settled, `after_requests` after `requests` more answers.  `stopped` says what ended it: its
    own exit, SIGTERM within the grace period, or SIGKILL after it.
    """

    first_answers_s: tuple[float, ...] = ()
    noise: tuple[Message, ...] = ()
    idle: tuple[MemoryReading, ...] = ()
    after_requests: tuple[MemoryReading, ...] = ()
    requests: int = Field(default=0, ge=0)
    stopped: Literal["by-itself", "terminated", "killed"]


class ProbeResult(Record):
    """What one probe of one arm saw.

    `value` is None unless the probe passed.  `expected_failure` holds the expected words that a server printed which
    was to fail and did; the probe passed then.
    """

    probe: str
    subject: str
    arm: str
    state: Literal["passed", "failed", "not_run"]
    value: str | None = None
    expected_failure: str | None = None
    reason: Message | None = None
    completed: Completed | None = None
    answers: tuple[Answer, ...] = ()
    server: ServerRun | None = None


class PeakRuns(Record):
    """Runs of one arm whose peak of memory was read; `subject` is None for the control arm.

    `peaks` holds the readings of each run that counts, none of the discarded first one.  `reason` is None if and only
    if every run ended well and printed what it should; `completed` is the last run.
    """

    metric: str
    subject: str | None
    arm: str
    peaks: tuple[tuple[MemoryReading, ...], ...] = ()
    reason: Message | None = None
    completed: Completed | None = None
